// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import "../src/Opcodes.sol";
import {Probe} from "../src/Probe.sol";
import {Steps} from "./Steps.sol";
import {IToken, World} from "./World.sol";

interface ISwapV3 {
    function swap(address to, bool zeroForOne, int256 amount, uint160 limit, bytes calldata data)
        external
        returns (int256, int256);
}

/// What the probe says is what the pool then does.
contract ProbeTest is World {
    Probe private probe;

    function setUp() public override {
        super.setUp();
        probe = Probe(ours("Probe", ""));
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata data) external {
        (address token0, address token1) = abi.decode(data, (address, address));
        if (amount0 > 0) IToken(token0).transfer(msg.sender, uint256(amount0));
        if (amount1 > 0) IToken(token1).transfer(msg.sender, uint256(amount1));
    }

    function testFuzz_v3_quotes_are_the_pools_own(uint256 size, bool zeroForOne, bool exactOut) external {
        // From one unit to more than the pool can fill.
        int256 amount = int256(bound(size, 1, exactOut ? 15_000 ether : 60_000 ether));
        if (exactOut) amount = -amount;
        (int256 quoted0, int256 quoted1) = probe.quoteV3(pool, zeroForOne, amount);
        (address token0, address token1) =
            address(weth) < address(col) ? (address(weth), address(col)) : (address(col), address(weth));
        uint160 limit =
            zeroForOne ? 4295128740 : 1461446703485210103287273052203988822378723970341;
        (int256 amount0, int256 amount1) =
            ISwapV3(pool).swap(address(this), zeroForOne, amount, limit, abi.encode(token0, token1));
        so("amount0", quoted0 == amount0);
        so("amount1", quoted1 == amount1);
    }

    function testFuzz_v2_quotes_are_what_the_pair_pays(uint256 amount) external {
        amount = bound(amount, 1e6, 90 ether);
        uint256 quoted = probe.quoteV2(pair, address(weth), amount, 3000);
        // The pair pays exactly the quote: the least output holds, and one more would not.
        weth.transfer(address(executor), 100 ether);
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (address(col), address(weth));
        uint256 gained = run(
            0,
            0,
            tokens,
            Steps.swapIn(SWAP_UNISWAP_V2, 3000, pair, address(weth), address(col), Steps.exact(amount), quoted)
        );
        same("paid", gained, quoted);
    }

    function test_a_pool_that_reverts_speaks_for_itself() external {
        vm.expectRevert(abi.encodeWithSignature("Error(string)", "AS"));
        probe.quoteV3(pool, true, 0);
    }
}
