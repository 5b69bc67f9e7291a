// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {divUp} from "../Amounts.sol";

// Uniswap V3's geometry: a tick is a power of 1.0001, prices are square roots times 2^96, and what a liquidity between two of
// them holds of either token.

uint256 constant Q96 = 1 << 96;
int24 constant LAST_TICK = 887272;

error TickOutOfRange(int24 tick);
error ProductTooLarge();

/// 2^128 / 1.0001^(2^bit / 2), to the nearest.
function rootFactor(uint256 bit) pure returns (uint256) {
    if (bit == 0) return 0xfffcb933bd6fad37aa2d162d1a594001;
    if (bit == 1) return 0xfff97272373d413259a46990580e213a;
    if (bit == 2) return 0xfff2e50f5f656932ef12357cf3c7fdcc;
    if (bit == 3) return 0xffe5caca7e10e4e61c3624eaa0941cd0;
    if (bit == 4) return 0xffcb9843d60f6159c9db58835c926644;
    if (bit == 5) return 0xff973b41fa98c081472e6896dfb254c0;
    if (bit == 6) return 0xff2ea16466c96a3843ec78b326b52861;
    if (bit == 7) return 0xfe5dee046a99a2a811c461f1969c3053;
    if (bit == 8) return 0xfcbe86c7900a88aedcffc83b479aa3a4;
    if (bit == 9) return 0xf987a7253ac413176f2b074cf7815e54;
    if (bit == 10) return 0xf3392b0822b70005940c7a398e4b70f3;
    if (bit == 11) return 0xe7159475a2c29b7443b29c7fa6e889d9;
    if (bit == 12) return 0xd097f3bdfd2022b8845ad8f792aa5825;
    if (bit == 13) return 0xa9f746462d870fdf8a65dc1f90e061e5;
    if (bit == 14) return 0x70d869a156d2a1b890bb3df62baf32f7;
    if (bit == 15) return 0x31be135f97d08fd981231505542fcfa6;
    if (bit == 16) return 0x9aa508b5b7a84e1c677de54f3e99bc9;
    if (bit == 17) return 0x5d6af8dedb81196699c329225ee604;
    if (bit == 18) return 0x2216e584f5fa1ea926041bedfe98;
    return 0x48a170391f7dc42444e8fa2;
}

/// The square root of the price at `tick` times 2^96, rounded up.
function rootAt(int24 tick) pure returns (uint160) {
    if (tick > LAST_TICK || tick < -LAST_TICK) revert TickOutOfRange(tick);
    uint256 magnitude = uint256(int256(tick < 0 ? -tick : tick));
    uint256 root = 1 << 128;
    for (uint256 bit; bit < 20; ++bit) {
        if (magnitude >> bit & 1 == 1) root = root * rootFactor(bit) >> 128;
    }
    if (tick > 0) root = type(uint256).max / root;
    return uint160(divUp(root, 1 << 32));
}

/// What a liquidity between the roots `low` and `high` holds at the root `price`, rounded down as a withdrawal is.
function amountsOf(uint128 liquidity, uint160 price, uint160 low, uint160 high)
    pure
    returns (uint256 amount0, uint256 amount1)
{
    uint160 at = price < low ? low : price > high ? high : price;
    amount0 = mulDivDown(uint256(liquidity) << 96, high - at, high) / at;
    amount1 = mulDivDown(liquidity, at - low, Q96);
}

/// a * b / c rounded down, where the product may have 512 bits and the result has 256.
function mulDivDown(uint256 a, uint256 b, uint256 c) pure returns (uint256) {
    unchecked {
        uint256 low = a * b;
        uint256 modulo = mulmod(a, b, type(uint256).max);
        // The product modulo 2^256 - 1 is the sum of its halves: the upper one is what is above the lower.
        uint256 high = modulo - low - (modulo < low ? 1 : 0);
        if (high == 0) return low / c;
        if (high >= c) revert ProductTooLarge();
        // Without the remainder the division is exact, so it is a multiplication by the inverse modulo 2^256.
        uint256 rest = mulmod(a, b, c);
        if (rest > low) --high;
        low -= rest;
        uint256 two = c & (0 - c); // the largest power of two in c
        c /= two;
        low = low / two + high * ((0 - two) / two + 1);
        uint256 inverse = c * 3 ^ 2; // right in 4 bits, and in twice as many after each step
        for (uint256 bits = 4; bits < 256; bits *= 2) {
            inverse *= 2 - c * inverse;
        }
        return low * inverse;
    }
}
