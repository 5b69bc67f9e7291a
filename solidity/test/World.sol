// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import "../src/Opcodes.sol";
import {Executor} from "../src/Executor.sol";
import {Aggregator} from "../reference/Aggregator.sol";
import {TestToken} from "../reference/TestToken.sol";
import {Steps} from "./Steps.sol";
import {Test} from "./Vm.sol";

interface IToken {
    function balanceOf(address who) external view returns (uint256);
    function allowance(address owner, address spender) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
}

interface IWeth9 is IToken {
    function deposit() external payable;
}

struct MarketParams {
    address loanToken;
    address collateralToken;
    address oracle;
    address irm;
    uint256 lltv;
}

interface IMorphoFull {
    function enableIrm(address irm) external;
    function enableLltv(uint256 lltv) external;
    function createMarket(MarketParams calldata market) external;
    function supply(MarketParams calldata market, uint256 assets, uint256 shares, address onBehalf, bytes calldata data)
        external
        returns (uint256, uint256);
    function supplyCollateral(MarketParams calldata market, uint256 assets, address onBehalf, bytes calldata data)
        external;
    function borrow(MarketParams calldata market, uint256 assets, uint256 shares, address onBehalf, address receiver)
        external
        returns (uint256, uint256);
    function position(bytes32 id, address user)
        external
        view
        returns (uint256 supplyShares, uint128 borrowShares, uint128 collateral);
    function liquidate(MarketParams calldata market, address borrower, uint256 seized, uint256 shares, bytes calldata data)
        external
        returns (uint256, uint256);
}

interface IFactoryV3 {
    function createPool(address a, address b, uint24 fee) external returns (address);
}

interface IPoolV3 {
    function initialize(uint160 sqrtPriceX96) external;
    function mint(address to, int24 low, int24 high, uint128 liquidity, bytes calldata data)
        external
        returns (uint256, uint256);
    function token0() external view returns (address);
    function token1() external view returns (address);
}

interface IFactoryV2 {
    function createPair(address a, address b) external returns (address);
}

interface IPairV2 {
    function mint(address to) external returns (uint256);
}

/// One lending market of the real Morpho Blue (WETH lent against COL), a real Uniswap V3 pool and V2 pair between
/// the two tokens, and an executor with its people. Our own contracts are deployed from the committed artifacts:
/// what is tested is what is shipped (run `node compile.js` after a change, `--check` proves it). COL is worth one WETH; Bob borrowed 80 WETH against 100 COL.
abstract contract World is Test {
    address internal constant OWNER = address(0x0a11ce);
    address internal constant OPERATOR = address(0x0b0b);
    address internal constant RECEIVER = address(0x7ea5);
    address internal constant BOB = address(0xb0b);
    address internal constant STRANGER = address(0x57a);
    address internal constant BUILDER = address(0xb111de4);

    uint256 internal constant LLTV = 0.86e18;

    Executor internal executor;
    IWeth9 internal weth;
    TestToken internal col;
    Aggregator internal feed;
    IMorphoFull internal morpho;
    address internal pool; // Uniswap V3, fee 500
    address internal pair; // Uniswap V2
    MarketParams internal market;
    Steps.Market internal named; // the same market as a step names it

    function setUp() public virtual {
        vm.coinbase(BUILDER);
        vm.deal(address(this), 1_000_000 ether);
        address[] memory operators = new address[](1);
        operators[0] = OPERATOR;
        executor = Executor(
            payable(ours("Executor", abi.encode(OWNER, RECEIVER, operators, new address[](0))))
        );

        weth = IWeth9(create(package("node_modules/canonical-weth/build/contracts/WETH9.json"), ""));
        weth.deposit{value: 500_000 ether}();
        col = makeCollateral();
        col.mint(address(this), 1_000_000 ether);

        feed = Aggregator(ours("Aggregator", abi.encode(8, "COL / WETH", address(this), 1e8)));
        morpho = IMorphoFull(create(package("out/packages/Morpho.json"), abi.encode(address(this))));
        address irm = ours("AdaptiveIrm", abi.encode(address(morpho)));
        address oracle = ours("FeedOracle", abi.encode(address(col), address(weth), address(feed), address(0)));
        market = MarketParams(address(weth), address(col), oracle, irm, LLTV);
        named = Steps.Market(address(morpho), 0xcf7ea196, address(weth), address(col), oracle, irm, LLTV);
        morpho.enableIrm(irm);
        morpho.enableLltv(LLTV);
        morpho.createMarket(market);
        weth.approve(address(morpho), type(uint256).max);
        col.approve(address(morpho), type(uint256).max);
        morpho.supply(market, 10_000 ether, 0, address(this), "");
        borrow(BOB, 100 ether, 80 ether);

        address factory = create(
            package("node_modules/@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json"), ""
        );
        pool = IFactoryV3(factory).createPool(address(weth), address(col), 500);
        IPoolV3(pool).initialize(1 << 96);
        IPoolV3(pool).mint(address(this), -20000, 20000, 20_000 ether, "");

        string memory v2 = vm.readFile("node_modules/@uniswap/v2-core/build/UniswapV2Factory.json");
        bytes memory code = vm.parseBytes(string.concat("0x", vm.parseJsonString(v2, ".evm.bytecode.object")));
        pair = IFactoryV2(create(code, abi.encode(address(this)))).createPair(address(weth), address(col));
        weth.transfer(pair, 10_000 ether);
        col.transfer(pair, 10_000 ether);
        IPairV2(pair).mint(address(this));
    }

    function makeCollateral() internal virtual returns (TestToken) {
        return TestToken(ours("TestToken", abi.encode("Collateral", "COL", 18)));
    }

    function uniswapV3MintCallback(uint256 amount0, uint256 amount1, bytes calldata) external {
        IToken(IPoolV3(msg.sender).token0()).transfer(msg.sender, amount0);
        IToken(IPoolV3(msg.sender).token1()).transfer(msg.sender, amount1);
    }

    function borrow(address who, uint256 collateral, uint256 debt) internal {
        morpho.supplyCollateral(market, collateral, who, "");
        vm.prank(who);
        morpho.borrow(market, debt, 0, who, who);
    }

    function priceFallsTo(int256 price8) internal {
        feed.transmit(price8);
    }

    function debtShares(address who) internal view returns (uint256 shares) {
        (, shares,) = morpho.position(keccak256(abi.encode(market)), who);
    }

    function sellCollateral() internal view returns (bytes memory) {
        return Steps.swapIn(
            SWAP_UNISWAP_V3, 0, pool, address(col), address(weth), Steps.gained(Steps.ALL), 0
        );
    }

    /// All of Bob's debt is repaid out of the seized collateral, all of which is sold.
    function liquidateBob() internal view returns (bytes memory) {
        return Steps.liquidate(named, BOB, 0, debtShares(BOB), Steps.ALL, sellCollateral());
    }

    function both() internal view returns (address[] memory tokens) {
        tokens = new address[](2);
        tokens[0] = address(weth);
        tokens[1] = address(col);
    }

    function run(uint256 minGain, uint256 payment, address[] memory tokens, bytes memory steps)
        internal
        returns (uint256)
    {
        vm.prank(OPERATOR);
        return executor.execute(0, type(uint64).max, minGain, payment, tokens, steps);
    }

    function run(bytes memory steps) internal returns (uint256) {
        return run(0, 0, both(), steps);
    }

    function expectRun(bytes memory error, bytes memory steps) internal {
        vm.expectRevert(error);
        this.runFromOutside(0, 0, both(), steps);
    }

    function expectRun(bytes4 error, bytes memory steps) internal {
        expectRun(abi.encodePacked(error), steps);
    }

    /// One call deep, so that `vm.expectRevert` meets the plan and not a getter in front of it.
    function runFromOutside(uint256 minGain, uint256 payment, address[] memory tokens, bytes memory steps)
        external
        returns (uint256)
    {
        return run(minGain, payment, tokens, steps);
    }

    function empty() internal view {
        same("ether left", address(executor).balance, 0);
        same("WETH left", weth.balanceOf(address(executor)), 0);
        same("COL left", col.balanceOf(address(executor)), 0);
        address[4] memory spenders = [address(morpho), pool, pair, address(executor)];
        for (uint256 i; i < spenders.length; ++i) {
            same("WETH approved", weth.allowance(address(executor), spenders[i]), 0);
            same("COL approved", col.allowance(address(executor), spenders[i]), 0);
        }
    }
}

