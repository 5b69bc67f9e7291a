// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

// What the f(x) reference contracts share: scales, and words made of bit fields (counted from the least significant bit).

// 1e18: prices, debt ratios, rates.
uint256 constant PRECISION = 1e18;
// 1e9: bonus, fee and expense ratios.
uint256 constant FEE_PRECISION = 1e9;

error FieldOverflow();

/// `width` bits of `word` from bit `offset` on.
function field(uint256 word, uint256 offset, uint256 width) pure returns (uint256) {
    return word >> offset & (1 << width) - 1;
}

/// `word` with those bits replaced; a value that does not fit reverts.
function withField(uint256 word, uint256 offset, uint256 width, uint256 value) pure returns (uint256) {
    uint256 mask = (1 << width) - 1;
    if (value > mask) revert FieldOverflow();
    return word & ~(mask << offset) | value << offset;
}
