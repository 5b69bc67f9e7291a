// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {IFluxEvents} from "../reference/flux/IFlux.sol";
import {FluxScript} from "../reference/flux/FluxScript.sol";
import {mulDivDown, rootAt} from "../reference/flux/UniswapV3Amounts.sol";
import {UniswapV3Wrapper} from "../reference/flux/UniswapV3Wrapper.sol";
import {TestToken} from "../reference/TestToken.sol";
import {FluxWorld} from "./FluxWorld.sol";

struct Mint {
    address token0;
    address token1;
    uint24 fee;
    int24 tickLower;
    int24 tickUpper;
    uint256 amount0Desired;
    uint256 amount1Desired;
    uint256 amount0Min;
    uint256 amount1Min;
    address recipient;
    uint256 deadline;
}

struct Decrease {
    uint256 tokenId;
    uint128 liquidity;
    uint256 amount0Min;
    uint256 amount1Min;
    uint256 deadline;
}

interface IPositionManagerFull {
    function createAndInitializePoolIfNecessary(address token0, address token1, uint24 fee, uint160 root)
        external
        payable
        returns (address);
    function mint(Mint calldata) external payable returns (uint256 id, uint128 liquidity, uint256 amount0, uint256 amount1);
    function decreaseLiquidity(Decrease calldata) external payable returns (uint256 amount0, uint256 amount1);
    function approve(address to, uint256 id) external;
    function ownerOf(uint256 id) external view returns (address);
    function transferFrom(address from, address to, uint256 id) external;
}

interface IPoolSwap {
    function swap(address to, bool zeroForOne, int256 amount, uint160 limit, bytes calldata data)
        external
        returns (int256, int256);
}

/// Positions of the real Uniswap V3 as Flux collateral: what they are worth is what the real position manager pays out for them.
contract FluxUniswapTest is FluxWorld {
    uint24 private constant FEE = 3000;

    UniswapV3Wrapper private wrapper;
    IPositionManagerFull private positions;
    address private pool;
    address private token0;
    address private token1;

    function setUp() public override {
        super.setUp();
        string memory core = "node_modules/@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json";
        string memory periphery =
            "node_modules/@uniswap/v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/NonfungiblePositionManager.json";
        address pools = create(package(core), "");
        positions = IPositionManagerFull(create(package(periphery), abi.encode(pools, STRANGER, STRANGER)));
        wrapper = UniswapV3Wrapper(address(wrapperOf("UniswapV3Wrapper", address(positions))));
        (token0, token1) = address(usdc) < address(weth)
            ? (address(usdc), address(weth))
            : (address(weth), address(usdc));
        // 2,500 USDC a WETH: the root of 2,500e6 / 1e18 is 5e-5, that of the inverse 2e4.
        uint160 root = uint160(token0 == address(weth) ? (uint256(5) << 96) / 1e5 : uint256(2e4) << 96);
        pool = positions.createAndInitializePoolIfNecessary(token0, token1, FEE, root);
        priceOf(address(weth), 2_500e18);
        weth.mint(address(this), 1e30);
        usdc.mint(address(this), 1e24);
        weth.approve(address(positions), type(uint256).max);
        usdc.approve(address(positions), type(uint256).max);
        mint(-887220, 887220, 1_000e18, 2_500_000e6, address(this));
    }

    function mint(int24 low, int24 high, uint256 amountWeth, uint256 amountUsdc, address to)
        private
        returns (uint256 id, uint128 liquidity)
    {
        (uint256 amount0, uint256 amount1) =
            token0 == address(weth) ? (amountWeth, amountUsdc) : (amountUsdc, amountWeth);
        (id, liquidity,,) =
            positions.mint(Mint(token0, token1, FEE, low, high, amount0, amount1, 0, 0, to, block.timestamp));
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata) external {
        if (amount0 > 0) TestToken(token0).transfer(msg.sender, uint256(amount0));
        if (amount1 > 0) TestToken(token1).transfer(msg.sender, uint256(amount1));
    }

    function swap(bool zeroForOne, int256 amount) private {
        uint160 limit = zeroForOne ? 4295128740 : 1461446703485210103287273052203988822378723970341;
        IPoolSwap(pool).swap(address(this), zeroForOne, amount, limit, "");
    }

    /// Any range, any liquidity, any price: what the wrapper sees is what the position manager pays out.
    function testFuzz_holdings_are_what_is_paid_out(int24 a, int24 b, uint256 amount, bool zeroForOne, uint256 swapped)
        external
    {
        (int24 low, int24 high) = (aligned(a), aligned(b));
        if (low > high) (low, high) = (high, low);
        if (low == high) high += 60;
        (uint256 id, uint128 liquidity) = tryMint(low, high, bound(amount, 1e6, 1e23));
        vm.assume(liquidity != 0);
        swapped = bound(swapped, 1, zeroForOne == (token0 == address(weth)) ? 10_000e18 : 25_000_000e6);
        swap(zeroForOne, int256(swapped));
        UniswapV3Wrapper.Holding memory held = wrapper.holdingOf(id);
        (uint256 amount0, uint256 amount1) =
            positions.decreaseLiquidity(Decrease(id, liquidity, 0, 0, block.timestamp));
        same("token 0", held.amount0, amount0);
        same("token 1", held.amount1, amount1);
        // Now it is owed, with the fees.
        held = wrapper.holdingOf(id);
        so("owed", held.amount0 >= amount0 && held.amount1 >= amount1);
    }

    /// The first and the last root are those that the pool's swaps end at.
    function test_roots_at_the_ends() external pure {
        same("first", rootAt(-887272), 4295128739);
        same("middle", rootAt(0), 1 << 96);
        same("last", rootAt(887272), 1461446703485210103287273052203988822378723970342);
    }

    function tryMint(int24 low, int24 high, uint256 amount) private returns (uint256 id, uint128 liquidity) {
        Mint memory order = Mint(token0, token1, FEE, low, high, amount, amount, 0, 0, address(this), block.timestamp);
        try positions.mint(order) returns (uint256 id_, uint128 liquidity_, uint256, uint256) {
            (id, liquidity) = (id_, liquidity_);
        } catch {} // no liquidity comes of so little
    }

    function aligned(int24 tick) private pure returns (int24) {
        return tick % 887200 / 60 * 60;
    }

    function test_values_and_ids() external {
        (uint256 id, uint128 liquidity) = deposited();
        same("positions", wrapper.positionsOf(address(vault), address(manager)).length, 1);
        UniswapV3Wrapper.Holding memory held = wrapper.holdingOf(id);
        uint256 value = registry.getValueUSD(held.token0, held.amount0) + registry.getValueUSD(held.token1, held.amount1);
        so("about 40K", value > 39_999e18 && value <= 40_000e18);
        same("of all", wrapper.getValue(address(vault), address(manager), 0), value);
        same("of this", wrapper.getValue(address(vault), address(manager), bytes32(id)), value);
        same("of another", wrapper.getValue(address(vault), address(manager), bytes32(uint256(1))), 0);
        same("of another manager", wrapper.getValue(address(vault), address(liquidator), bytes32(id)), 0);
        same("counted", vault.positionValueUsd(address(manager)), 20_000e18 + value);
        so("liquidity", liquidity != 0);
    }

    /// A swap in the position's own pool moves its value, with no oracle changing.
    function test_a_swap_moves_the_value() external {
        deposited();
        uint256 before = vault.positionValueUsd(address(manager));
        swap(token0 == address(weth), 2_000e18);
        so("other", vault.positionValueUsd(address(manager)) != before);
    }

    /// The NFT is seized, and comes out as such or as what is in it; a part of it can't be.
    function test_liquidation_of_an_nft() external {
        (uint256 id, uint128 liquidity) = deposited();
        toVault(abi.encodeCall(vault.locked_borrow, (54 * K)));
        toVault(abi.encodeCall(vault.locked_withdrawFromWrapper, (address(base), 0, 54 * K)));
        manager.unlock(vault, calls());
        priceOf(address(weth), 1_500e18);
        uint256 value = vault.positionValueUsd(address(manager));
        (bool can, uint256 payment,,) = evaluated();
        so("liquidatable", can);
        same("payment", payment, (value * 99 + 1e14 - 1) / 1e14);
        FluxScript.Call[] memory plan = calls();
        vm.expectRevert(UniswapV3Wrapper.Indivisible.selector);
        liquidator.liquidatePartial(vault, address(manager), WAD - 1, none(), plan);

        UniswapV3Wrapper.Holding memory held = wrapper.holdingOf(id);
        toVault(abi.encodeCall(vault.locked_interactWithWrapper, (address(wrapper), abi.encode(id, liquidity))));
        toVault(abi.encodeCall(vault.locked_withdrawFromWrapper, (address(wrapper), bytes32(id), 1)));
        toVault(abi.encodeCall(vault.locked_withdrawBond, (20 * K)));
        preparing(payment);
        usdc.mint(address(liquidator), payment);
        liquidate();
        uint256 owned = token0 == address(weth) ? held.amount0 : held.amount1;
        same("WETH", weth.balanceOf(address(liquidator)), owned);
        owned = token0 == address(weth) ? held.amount1 : held.amount0;
        same("USDC", usdc.balanceOf(address(liquidator)), owned + 20 * K);
        same("owner", positions.ownerOf(id), address(liquidator));
        same("worth nothing", wrapper.valueOf(id), 0);
        closed();
    }

    function test_nfts_that_are_refused() external {
        (uint256 id,) = deposited();
        toVault(abi.encodeCall(vault.locked_depositToWrapper, (address(wrapper), bytes32(id), 2)));
        expectUnlock(UniswapV3Wrapper.OnlyOne.selector);
        toVault(abi.encodeCall(vault.locked_claimFromWrapper, (address(wrapper), bytes32(id), id)));
        expectUnlock(UniswapV3Wrapper.NothingToClaim.selector);
        toVault(abi.encodeCall(vault.locked_interactWithWrapper, (address(wrapper), abi.encode(id + 1, uint128(1)))));
        expectUnlock(UniswapV3Wrapper.NotYours.selector);
        // Sent there by its owner, it is claimed by id.
        (uint256 sent,) = mint(-887220, 887220, 1e18, 2_500e6, address(this));
        positions.transferFrom(address(this), address(wrapper), sent);
        toVault(abi.encodeCall(vault.locked_claimFromWrapper, (address(wrapper), 0, sent)));
        manager.unlock(vault, calls());
        same("positions", wrapper.positionsOf(address(vault), address(manager)).length, 2);
    }

    /// The manager has 20K of bond and an NFT worth 40K, over the whole range.
    function deposited() private returns (uint256 id, uint128 liquidity) {
        (id, liquidity) = mint(-887220, 887220, 8e18, 20 * K, address(manager));
        usdc.mint(address(manager), 20 * K);
        then(address(usdc), abi.encodeCall(usdc.approve, (address(vault), 20 * K)));
        then(address(positions), abi.encodeCall(positions.approve, (address(wrapper), id)));
        toVault(abi.encodeCall(vault.locked_depositBond, (20 * K)));
        toVault(abi.encodeCall(vault.locked_registerWrapper, (address(wrapper))));
        toVault(abi.encodeCall(vault.locked_depositToWrapper, (address(wrapper), bytes32(id), 1)));
        manager.unlock(vault, calls());
    }

    /// q = mulDivDown(a, b, c) is right when a * b - q * c is below c: checked modulo 2^256 and modulo 2^256 - 1.
    function testFuzz_products_of_512_bits(uint256 a, uint256 b, uint256 c) external pure {
        if (c == 0) return;
        uint256 top = type(uint256).max;
        unchecked {
            uint256 low = a * b;
            uint256 sum = mulmod(a, b, top);
            if (sum - low - (sum < low ? 1 : 0) >= c) a %= c;
        }
        uint256 q = mulDivDown(a, b, c);
        uint256 rest = mulmod(a, b, c);
        unchecked {
            same("modulo 2^256", q * c + rest, a * b);
        }
        same("modulo 2^256 - 1", addmod(mulmod(q, c, top), rest, top), mulmod(a, b, top));
    }
}
