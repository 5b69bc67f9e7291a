// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {IUniswapV2Pair, IUniswapV3Pool} from "./Interfaces.sol";

/// Asks pools what a swap would give. Never deployed: a simulation puts this code at an unused address.
///
/// A Uniswap V3 pool computes the whole swap before it asks for the payment in its callback; there the probe stops it
/// by a revert that carries the amounts. So they are the pool's own, ticks crossed and all, and nothing changes.
contract Probe {
    /// The amounts of a swap that was stopped at its payment.
    error Quote(int256 amount0, int256 amount1);
    error NotStopped();

    uint160 private constant LOWEST_SQRT_PRICE = 4295128739 + 1;
    uint160 private constant HIGHEST_SQRT_PRICE = 1461446703485210103287273052203988822378723970342 - 1;

    /// @param amountSpecified exact input when positive, exact output when negative
    /// @return amount0 what the pool would gain (positive) or pay (negative) of its first token; amount1 likewise.
    /// When the pool has too little liquidity they are smaller than what was asked for.
    function quoteV3(address pool, bool zeroForOne, int256 amountSpecified)
        external
        returns (int256 amount0, int256 amount1)
    {
        try IUniswapV3Pool(pool).swap(
            address(this), zeroForOne, amountSpecified, zeroForOne ? LOWEST_SQRT_PRICE : HIGHEST_SQRT_PRICE, ""
        ) {
            revert NotStopped();
        } catch (bytes memory reason) {
            if (reason.length != 68 || bytes4(reason) != Quote.selector) {
                assembly ("memory-safe") {
                    revert(add(reason, 32), mload(reason))
                }
            }
            assembly ("memory-safe") {
                amount0 := mload(add(reason, 36))
                amount1 := mload(add(reason, 68))
            }
        }
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata) external pure {
        revert Quote(amount0, amount1);
    }

    /// What a pair pays for an exact input, by its reserves and a fee in units of 1e-6.
    function quoteV2(address pair, address tokenIn, uint256 amountIn, uint256 feePips)
        external
        view
        returns (uint256 amountOut)
    {
        (uint256 reserveIn, uint256 reserveOut,) = IUniswapV2Pair(pair).getReserves();
        if (IUniswapV2Pair(pair).token0() != tokenIn) (reserveIn, reserveOut) = (reserveOut, reserveIn);
        uint256 paid = amountIn * (1e6 - feePips);
        amountOut = paid * reserveOut / (reserveIn * 1e6 + paid);
    }
}
