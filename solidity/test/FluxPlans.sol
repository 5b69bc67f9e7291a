// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import "../src/Opcodes.sol";
import {CallbackStack} from "../src/CallbackStack.sol";
import {Executor} from "../src/Executor.sol";
import {HostileToken} from "../reference/HostileToken.sol";
import {TestToken} from "../reference/TestToken.sol";
import {IFluxVault, IFluxWrapper} from "../reference/flux/IFlux.sol";
import {FluxWorld} from "./FluxWorld.sol";
import {Steps} from "./Steps.sol";
import {IFactoryV3, IPoolV3} from "./World.sol";

/// The shipped executor as a Flux liquidator: registered by a plan of its own, selling WETH to a real Uniswap V3 pool, borrowing from
/// the real Morpho Blue. Both tokens call whatever they were armed with while they are transferred.
///
///     liquidation(terms, inside) ──CALL with a callback──▶ vault ──fluxUnlockCallback──▶ inside: locked_* calls, swap
abstract contract FluxPlans is FluxWorld {
    address internal constant OWNER = address(0x0a11ce);
    address internal constant OPERATOR = address(0x0b0b);
    address internal constant RECEIVER = address(0x7ea5);

    bytes4 internal constant UNLOCKED = bytes4(keccak256("fluxUnlockCallback(bytes)"));
    bytes4 internal constant SEIZED = bytes4(keccak256("fluxUnlockCallback(uint256,uint256,bytes)"));

    /// What the example's manager has to pay, and what lies with it.
    uint256 internal constant PAYMENT = 49_500e6;
    uint256 internal constant SEIZED_WETH = 12e18;

    Executor internal executor;
    address internal pool;
    address internal morpho;

    function setUp() public virtual override {
        super.setUp();
        address[] memory operators = new address[](1);
        operators[0] = OPERATOR;
        address[] memory targets = new address[](2);
        (targets[0], targets[1]) = (address(vault), address(factory));
        executor = Executor(payable(ours("Executor", abi.encode(OWNER, RECEIVER, operators, targets))));
        register();

        address pools = create(
            package("node_modules/@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json"), ""
        );
        pool = IFactoryV3(pools).createPool(address(weth), address(usdc), 500);
        // 2,500 USDC a WETH: the root of 2,500e6 / 1e18 is 5e-5, that of the inverse 2e4.
        bool wethFirst = IPoolV3(pool).token0() == address(weth);
        IPoolV3(pool).initialize(uint160(wethFirst ? (uint256(5) << 96) / 1e5 : uint256(2e4) << 96));
        weth.mint(address(this), 1e30);
        usdc.mint(address(this), 1e30);
        IPoolV3(pool).mint(address(this), -887270, 887270, 5e18, "");

        morpho = create(package("out/packages/Morpho.json"), abi.encode(address(this)));
        usdc.mint(morpho, 1_000 * K);
    }

    function makeUsdc() internal override returns (TestToken) {
        return TestToken(ours("HostileToken", abi.encode("USD Coin", "USDC", 6)));
    }

    function makeWeth() internal override returns (TestToken) {
        return TestToken(ours("HostileToken", abi.encode("Wrapped Ether", "WETH", 18)));
    }

    function uniswapV3MintCallback(uint256 amount0, uint256 amount1, bytes calldata) external {
        TestToken(IPoolV3(msg.sender).token0()).transfer(msg.sender, amount0);
        TestToken(IPoolV3(msg.sender).token1()).transfer(msg.sender, amount1);
    }

    /// As `harrier executor register-flux` does it.
    function register() internal {
        bytes memory data = abi.encodeCall(factory.registerExecutor, (address(executor), address(executor)));
        run(Steps.call(address(factory), 0, 0, "", 0, "", data, ""));
    }

    // ------------------------------------------------------------ steps

    /// A call of the vault, to stand inside a callback.
    function locked(bytes memory data) internal view returns (bytes memory) {
        return Steps.call(address(vault), 0, 0, "", 0, "", data, "");
    }

    function borrow(uint256 amount) internal view returns (bytes memory) {
        return locked(abi.encodeCall(vault.locked_borrow, (amount)));
    }

    function repay(uint256 amount) internal view returns (bytes memory) {
        return locked(abi.encodeCall(vault.locked_repay, (amount)));
    }

    function takeBond(uint256 amount) internal view returns (bytes memory) {
        return locked(abi.encodeCall(vault.locked_withdrawBond, (amount)));
    }

    function take(IFluxWrapper wrapper, uint256 amount) internal view returns (bytes memory) {
        return locked(abi.encodeCall(vault.locked_withdrawFromWrapper, (address(wrapper), 0, amount)));
    }

    /// USDC of the executor into its working capital, the wrapper allowed exactly that.
    function prepare(uint256 amount) internal view returns (bytes memory) {
        bytes memory allowed = Steps.approval(address(usdc), address(base), Steps.exact(amount));
        bytes memory data = abi.encodeCall(vault.locked_depositToWrapper, (address(base), 0, amount));
        return Steps.call(address(vault), 0, 1, allowed, 0, "", data, "");
    }

    function sell() internal view returns (bytes memory) {
        return Steps.swapIn(SWAP_UNISWAP_V3, 0, pool, address(weth), address(usdc), Steps.gained(Steps.ALL), 0);
    }

    /// All of the example that is worth something, as USDC at the executor.
    function seize(uint256 bond, uint256 amount) internal view returns (bytes memory) {
        return bytes.concat(takeBond(bond), take(wethWrapper, amount), sell());
    }

    /// `liquidate`, the data left out: the executor appends the steps inside.
    function liquidation(uint256 most, bytes memory inside) internal view returns (bytes memory) {
        bytes memory data =
            abi.encodePacked(vault.liquidate.selector, abi.encode(address(manager), 0x60, 0x80), uint256(0));
        return called(address(vault), data, SEIZED, most, inside);
    }

    function liquidationOf(uint256 fraction, uint256 most, bytes memory inside) internal view returns (bytes memory) {
        bytes memory heads = abi.encode(address(manager), fraction, 0x80, 0xa0);
        bytes memory data = abi.encodePacked(vault.liquidatePartial.selector, heads, uint256(0));
        return called(address(vault), data, SEIZED, most, inside);
    }

    /// A liquidation that seizes what lies in one wrapper more.
    function liquidationWith(address additional, uint256 most, bytes memory inside) internal view returns (bytes memory) {
        bytes memory heads = abi.encode(address(manager), 0x60, 0xa0);
        bytes memory data = abi.encodePacked(vault.liquidate.selector, heads, abi.encode(1, additional));
        return called(address(vault), data, SEIZED, most, inside);
    }

    function unlocked(bytes memory inside) internal view returns (bytes memory) {
        return called(address(vault), abi.encodePacked(vault.unlock.selector, uint256(0x20)), UNLOCKED, 0, inside);
    }

    function called(address target, bytes memory data, bytes4 back, uint256 most, bytes memory inside)
        internal
        view
        returns (bytes memory)
    {
        return Steps.call(target, 0, 0, "", 0, "", data, Steps.callback(back, address(usdc), most, inside));
    }

    function seizeFirst() internal view returns (bytes memory) {
        return liquidation(PAYMENT, bytes.concat(seize(20 * K, SEIZED_WETH), prepare(PAYMENT)));
    }

    function borrowFirst() internal view returns (bytes memory) {
        return liquidation(
            PAYMENT, bytes.concat(borrow(PAYMENT), seize(20 * K, SEIZED_WETH), prepare(PAYMENT), repay(PAYMENT))
        );
    }

    // ------------------------------------------------------------ plans

    function tokens() internal view returns (address[] memory all) {
        all = new address[](2);
        (all[0], all[1]) = (address(usdc), address(weth));
    }

    function run(bytes memory steps) internal returns (uint256 gained) {
        address[] memory all = tokens();
        vm.prank(OPERATOR);
        return executor.execute(0, type(uint64).max, 0, 0, all, steps);
    }

    function expectRun(bytes memory error, bytes memory steps) internal {
        bytes32 before = digest();
        address[] memory all = tokens();
        vm.expectRevert(error);
        vm.prank(OPERATOR);
        executor.execute(0, type(uint64).max, 0, 0, all, steps);
        so("as it was", digest() == before);
    }

    function expectRun(bytes4 error, bytes memory steps) internal {
        expectRun(abi.encodePacked(error), steps);
    }

    /// Runs a plan that sells to the pool and pays so much; what reaches the receiver is the rest, to the unit.
    function gains(uint256 bonds, uint256 paid, bytes memory steps) internal {
        uint256 inPool = usdc.balanceOf(pool);
        uint256 there = usdc.balanceOf(RECEIVER);
        uint256 gained = run(steps);
        uint256 sold = inPool - usdc.balanceOf(pool);
        same("gained", gained, bonds + sold - paid);
        same("at the receiver", usdc.balanceOf(RECEIVER), there + gained);
        so("some", gained != 0);
        nothingLeft();
    }

    /// Neither in the vault's books, nor in a wrapper, nor at the executor, nor allowed to anybody.
    function nothingLeft() internal view {
        address us = address(executor);
        same("own debt", vault.trueDebt(us), 0);
        same("own bond", vault.bondOf(us), 0);
        same("own working capital", vault.workingCapital(us), 0);
        same("own wrappers", vault.wrappersOf(us).length, 0);
        same("own WETH inside", wethWrapper.getBalance(address(vault), us, 0), 0);
        same("USDC here", usdc.balanceOf(us), 0);
        same("WETH here", weth.balanceOf(us), 0);
        same("ether here", us.balance, 0);
        address[5] memory spenders = [address(vault), address(base), address(wethWrapper), pool, morpho];
        for (uint256 i; i < spenders.length; ++i) {
            same("USDC allowed", usdc.allowance(us, spenders[i]), 0);
            same("WETH allowed", weth.allowance(us, spenders[i]), 0);
        }
    }

    // ------------------------------------------------------------ attacks

    function unexpected(address caller, bytes4 selector) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(CallbackStack.UnexpectedCallback.selector, caller, selector);
    }

    /// One call that a token makes whenever the executor receives it.
    function arm(TestToken token, address target, bytes memory data) internal {
        HostileToken.Attack[] memory attacks = new HostileToken.Attack[](1);
        attacks[0] = HostileToken.Attack(target, 0, data);
        HostileToken(payable(address(token))).arm(address(executor), false, attacks);
    }

    /// It was made so often and failed, the last time with exactly this.
    function foiled(TestToken token, uint256 times, bytes memory error) internal view {
        HostileToken hostile = HostileToken(payable(address(token)));
        same("attempts", hostile.attempts(), times);
        same("successes", hostile.successes(), 0);
        so("as said", keccak256(hostile.lastResult()) == keccak256(error));
    }
}
