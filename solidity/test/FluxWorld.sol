// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {FluxFactory} from "../reference/flux/FluxFactory.sol";
import {FluxScript} from "../reference/flux/FluxScript.sol";
import {FluxStrategy} from "../reference/flux/FluxStrategy.sol";
import {IFluxEvents, IFluxStrategy, IFluxVault, IFluxWrapper} from "../reference/flux/IFlux.sol";
import {OracleRegistry} from "../reference/flux/OracleRegistry.sol";
import {TestToken} from "../reference/TestToken.sol";
import {Test} from "./Vm.sol";

interface IShares {
    function deposit(uint256 assets, address receiver) external returns (uint256);
    function mint(uint256 shares, address receiver) external returns (uint256);
    function withdraw(uint256 assets, address receiver, address owner) external returns (uint256);
    function redeem(uint256 shares, address receiver, address owner) external returns (uint256);
    function previewDeposit(uint256 assets) external view returns (uint256);
    function previewMint(uint256 shares) external view returns (uint256);
    function previewWithdraw(uint256 assets) external view returns (uint256);
    function previewRedeem(uint256 shares) external view returns (uint256);
    function convertToAssets(uint256 shares) external view returns (uint256);
    function maxWithdraw(address owner) external view returns (uint256);
    function totalSupply() external view returns (uint256);
    function balanceOf(address owner) external view returns (uint256);
}

/// One vault of 1M USDC from this contract, a manager and a liquidator, each its own executor. This contract also buys WETH, at
/// whatever price a test says. Deployed from the committed artifacts, as all that is ours.
abstract contract FluxWorld is Test {
    uint256 internal constant WAD = 1e18;
    uint256 internal constant K = 1_000e6; // thousand USDC
    address internal constant KEEPER = address(0xad1);
    address internal constant STRANGER = address(0x57a);

    TestToken internal usdc;
    TestToken internal weth;
    OracleRegistry internal registry;
    FluxFactory internal factory;
    IFluxWrapper internal base;
    IFluxWrapper internal wethWrapper;
    IFluxVault internal vault;
    FluxScript internal manager;
    FluxScript internal liquidator;
    FluxScript.Call[] private script;

    function setUp() public virtual {
        usdc = makeUsdc();
        weth = makeWeth();
        registry = OracleRegistry(ours("OracleRegistry", ""));
        priceOf(address(usdc), WAD);
        factory = FluxFactory(ours("FluxFactory", abi.encode(registry)));
        base = IFluxWrapper(ours("BaseAssetWrapper", abi.encode(usdc, factory)));
        wethWrapper = wrapperOf("Erc20Wrapper", address(weth));
        vault = vaultWith(makeStrategy());
        manager = FluxScript(ours("FluxScript", abi.encode(factory)));
        liquidator = FluxScript(ours("FluxScript", abi.encode(factory)));
        usdc.mint(address(this), 10_000 * K);
        usdc.approve(address(vault), type(uint256).max);
        usdc.approve(address(liquidator), type(uint256).max);
        IShares(address(vault)).deposit(1_000 * K, address(this));
    }

    function makeUsdc() internal virtual returns (TestToken) {
        return TestToken(ours("TestToken", abi.encode("USD Coin", "USDC", 6)));
    }

    function makeWeth() internal virtual returns (TestToken) {
        return TestToken(ours("TestToken", abi.encode("Wrapped Ether", "WETH", 18)));
    }

    function makeStrategy() internal virtual returns (address) {
        return ours("FluxStrategy", abi.encode(figures(0.01e18, 0)));
    }

    function figures(uint256 margin, uint256 rate) internal pure returns (FluxStrategy.Figures memory) {
        return FluxStrategy.Figures(0.2e18, 0.1e18, margin, 1.2e18, 0.95e18, rate);
    }

    function vaultWith(address strategy) internal returns (IFluxVault made) {
        bytes memory arguments = abi.encode(usdc, strategy, factory, base, KEEPER, "Flux USDC", "fUSDC");
        made = IFluxVault(ours("FluxVault", arguments));
        factory.addVault(address(made));
    }

    function wrapperOf(string memory kind, address underlying) internal returns (IFluxWrapper made) {
        made = IFluxWrapper(ours(kind, abi.encode(underlying, factory)));
        factory.addWrapper(address(made));
    }

    function priceOf(address token, uint256 price) internal {
        registry.setOracle(token, ours("FixedPriceOracle", abi.encode(price)));
    }

    function then(address target, bytes memory data) internal {
        script.push(FluxScript.Call(target, data));
    }

    function toVault(bytes memory data) internal {
        then(address(vault), data);
    }

    /// The calls so far, which begin anew.
    function calls() internal returns (FluxScript.Call[] memory taken) {
        taken = script;
        delete script;
    }

    function none() internal pure returns (address[] memory) {}

    function one(address wrapper) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = wrapper;
    }

    /// The manager's next script borrows and takes out, posts a bond, and deposits WETH in its wrapper.
    function opening(uint256 bond, uint256 debt, uint256 amount) internal {
        usdc.mint(address(manager), bond);
        weth.mint(address(manager), amount);
        then(address(usdc), abi.encodeCall(usdc.approve, (address(vault), bond)));
        then(address(weth), abi.encodeCall(weth.approve, (address(wethWrapper), amount)));
        toVault(abi.encodeCall(vault.locked_depositBond, (bond)));
        toVault(abi.encodeCall(vault.locked_borrow, (debt)));
        toVault(abi.encodeCall(vault.locked_withdrawFromWrapper, (address(base), 0, debt)));
        toVault(abi.encodeCall(vault.locked_registerWrapper, (address(wethWrapper))));
        toVault(abi.encodeCall(vault.locked_depositToWrapper, (address(wethWrapper), 0, amount)));
    }

    /// Opens at a price that makes it healthy, then the price is as said.
    function open(uint256 bond, uint256 debt, uint256 amount, uint256 price) internal {
        priceOf(address(weth), 1_000_000e18);
        opening(bond, debt, amount);
        manager.unlock(vault, calls());
        priceOf(address(weth), price);
    }

    /// The step-by-step example of the documentation: 20K bond and 12 WETH at 2,500 against 100K.
    function openExample() internal {
        open(20 * K, 100 * K, 12e18, 2_500e18);
    }

    /// The liquidator sells seized WETH to this contract for so much.
    function selling(uint256 amount, uint256 proceeds) internal {
        toVault(abi.encodeCall(vault.locked_withdrawFromWrapper, (address(wethWrapper), 0, amount)));
        then(address(weth), abi.encodeCall(weth.transfer, (address(this), amount)));
        then(address(usdc), abi.encodeCall(usdc.transferFrom, (address(this), address(liquidator), proceeds)));
    }

    /// The liquidator prepares so much as working capital.
    function preparing(uint256 payment) internal {
        then(address(usdc), abi.encodeCall(usdc.approve, (address(base), payment)));
        toVault(abi.encodeCall(vault.locked_depositToWrapper, (address(base), 0, payment)));
    }

    function liquidate() internal {
        liquidator.liquidate(vault, address(manager), none(), calls());
    }

    function expectLiquidate(bytes4 error) internal {
        FluxScript.Call[] memory all = calls();
        vm.expectRevert(error);
        liquidator.liquidate(vault, address(manager), none(), all);
    }

    function expectUnlock(bytes4 error) internal {
        FluxScript.Call[] memory all = calls();
        vm.expectRevert(error);
        manager.unlock(vault, all);
    }

    function evaluated() internal view returns (bool can, uint256 payment, uint256 debt, uint256 value) {
        return IFluxStrategy(vault.STRATEGY()).evaluateLiquidation(address(vault), address(manager));
    }

    /// All that a failed call must leave as it was.
    function digest() internal view returns (bytes32) {
        address[2] memory who = [address(manager), address(liquidator)];
        bytes memory all = abi.encode(vault.cash(), vault.totalDebt(), vault.managerCount(), usdc.balanceOf(address(vault)));
        for (uint256 i; i < 2; ++i) {
            all = bytes.concat(all, abi.encode(vault.trueDebt(who[i]), vault.bondOf(who[i]), vault.workingCapital(who[i])));
            all = bytes.concat(all, abi.encode(vault.wrappersOf(who[i]), usdc.balanceOf(who[i]), weth.balanceOf(who[i])));
            all = bytes.concat(all, abi.encode(wethWrapper.getBalance(address(vault), who[i], 0)));
        }
        return keccak256(all);
    }

    /// Nobody owes anything, and nothing of the two lies in the vault.
    function closed() internal view {
        same("managers", vault.managerCount(), 0);
        same("debts", vault.totalDebt(), 0);
        address[2] memory who = [address(manager), address(liquidator)];
        for (uint256 i; i < 2; ++i) {
            same("debt", vault.trueDebt(who[i]), 0);
            same("bond", vault.bondOf(who[i]), 0);
            same("working capital", vault.workingCapital(who[i]), 0);
            same("wrappers", vault.wrappersOf(who[i]).length, 0);
            same("WETH", wethWrapper.getBalance(address(vault), who[i], 0), 0);
        }
        same("bonds", usdc.balanceOf(address(vault)), vault.cash());
    }
}
