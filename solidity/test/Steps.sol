// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import "../src/Opcodes.sol";

/// Writes steps as src/executor/encode.rs does; Encoding.t.sol holds the two together.
library Steps {
    struct Market {
        address lender;
        bytes4 callback;
        address loan;
        address collateral;
        address oracle;
        address irm;
        uint256 lltv;
    }

    uint256 internal constant ALL = type(uint256).max;

    function _trimmed(uint256 value) private pure returns (bytes memory out) {
        uint256 size;
        while (size < 32 && value >> (8 * size) != 0) ++size;
        out = new bytes(size);
        for (uint256 i; i < size; ++i) out[i] = bytes1(uint8(value >> (8 * (size - 1 - i))));
    }

    function exact(uint256 value) internal pure returns (bytes memory) {
        bytes memory trimmed = _trimmed(value);
        return abi.encodePacked(uint8(trimmed.length), trimmed);
    }

    function gained(uint256 cap) internal pure returns (bytes memory) {
        if (cap == ALL) return hex"80";
        if (cap == 0) return hex"8100";
        bytes memory trimmed = _trimmed(cap);
        return abi.encodePacked(uint8(0x80 | trimmed.length), trimmed);
    }

    function step(uint256 opcode, bytes memory payload) internal pure returns (bytes memory) {
        return abi.encodePacked(uint8(opcode), uint24(payload.length), payload);
    }

    function liquidate(Market memory m, address borrower, uint256 seized, uint256 shares, uint256 most, bytes memory inside)
        internal
        pure
        returns (bytes memory)
    {
        return step(
            LIQUIDATE,
            bytes.concat(
                abi.encodePacked(m.lender, m.callback, m.loan, m.collateral, m.oracle, m.irm, exact(m.lltv), borrower),
                exact(seized),
                exact(shares),
                exact(most),
                inside
            )
        );
    }

    function flash(uint256 kind, address lender, address token, uint256 amount, uint256 maxFee, bytes memory inside)
        internal
        pure
        returns (bytes memory)
    {
        return step(FLASH, abi.encodePacked(uint8(kind), lender, token, exact(amount), exact(maxFee), inside));
    }

    function swapIn(uint256 kind, uint24 fee, address pool, address from, address to, bytes memory amount, uint256 least)
        internal
        pure
        returns (bytes memory)
    {
        return step(SWAP_IN, abi.encodePacked(uint8(kind), fee, pool, from, to, amount, exact(least)));
    }

    function swapOut(uint256 kind, uint24 fee, address pool, address from, address to, uint256 out, uint256 most)
        internal
        pure
        returns (bytes memory)
    {
        return step(SWAP_OUT, abi.encodePacked(uint8(kind), fee, pool, from, to, exact(out), exact(most)));
    }

    function wrap(address weth, bytes memory amount) internal pure returns (bytes memory) {
        return step(WRAP, abi.encodePacked(weth, amount));
    }

    function unwrap(address weth, bytes memory amount) internal pure returns (bytes memory) {
        return step(UNWRAP, abi.encodePacked(weth, amount));
    }

    function assertGained(address token, uint256 least) internal pure returns (bytes memory) {
        return step(ASSERT_GAINED, abi.encodePacked(token, exact(least)));
    }

    function approval(address token, address spender, bytes memory amount) internal pure returns (bytes memory) {
        return abi.encodePacked(token, spender, amount);
    }

    function patch(address token, uint256 cap, uint24 offset) internal pure returns (bytes memory) {
        return abi.encodePacked(token, exact(cap), offset);
    }

    function callback(bytes4 selector, address token, uint256 most, bytes memory inside)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(uint8(1), selector, token, exact(most), inside);
    }

    /// `approvals` and `patches` are concatenated; `back` is empty or from `callback`.
    function call(
        address target,
        uint256 value,
        uint8 approvalCount,
        bytes memory approvals,
        uint8 patchCount,
        bytes memory patches,
        bytes memory data,
        bytes memory back
    ) internal pure returns (bytes memory) {
        return step(
            CALL,
            bytes.concat(
                abi.encodePacked(target, exact(value), approvalCount, approvals, patchCount, patches),
                abi.encodePacked(uint24(data.length), data),
                back.length == 0 ? bytes(hex"00") : back
            )
        );
    }
}
