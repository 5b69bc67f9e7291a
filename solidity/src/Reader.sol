// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

/// A cursor over packed calldata that never reads past its end.
///
///   number:  n (1 byte, 0..32), then n bytes, big-endian
///   amount:  a number whose length byte may carry GAINED; GAINED with n = 0 has no cap
struct Reader {
    uint256 at; // absolute offset in calldata
    uint256 end;
}

using {read, number, amount, account, slice, rest, more} for Reader global;

// Set in an amount's length byte: not exactly this much, but min(this, gained).
uint256 constant GAINED = 0x80;

/// The plan's bytes do not follow the encoding.
error Malformed();

function readerOf(bytes calldata data) pure returns (Reader memory r) {
    uint256 at;
    assembly ("memory-safe") {
        at := data.offset
    }
    r.at = at;
    r.end = at + data.length;
}

/// Moves over `size` bytes and says where they began.
function _take(Reader memory r, uint256 size) pure returns (uint256 at) {
    at = r.at;
    if (size > r.end - at) revert Malformed();
    unchecked {
        r.at = at + size;
    }
}

/// A big-endian integer of `size` bytes, at most 32.
function read(Reader memory r, uint256 size) pure returns (uint256 value) {
    uint256 at = _take(r, size);
    assembly ("memory-safe") {
        value := shr(sub(256, shl(3, size)), calldataload(at))
    }
}

function number(Reader memory r) pure returns (uint256) {
    uint256 size = r.read(1);
    if (size > 32) revert Malformed();
    return r.read(size);
}

/// (value, gained?): exactly `value`, or at most `value` of what was gained.
function amount(Reader memory r) pure returns (uint256 value, bool gained) {
    uint256 tag = r.read(1);
    gained = tag & GAINED != 0;
    uint256 size = tag & ~GAINED;
    if (size > 32) revert Malformed();
    value = gained && size == 0 ? type(uint256).max : r.read(size);
}

function account(Reader memory r) pure returns (address) {
    return address(uint160(r.read(20)));
}

function slice(Reader memory r, uint256 size) pure returns (bytes calldata part) {
    uint256 at = _take(r, size);
    assembly ("memory-safe") {
        part.offset := at
        part.length := size
    }
}

/// Everything that is left.
function rest(Reader memory r) pure returns (bytes calldata) {
    return r.slice(r.end - r.at);
}

function more(Reader memory r) pure returns (bool) {
    return r.at < r.end;
}
