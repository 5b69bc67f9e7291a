// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

/// Which calls into this contract are expected, in transient storage: one record for each announced callback.
///
///   step:      _announce(caller, selector, hash of data, token, most, principal)   height h -> h + 1
///   callback:  _accept(data) - everything must match the top record, once          height h + 1 -> h
///   step ends: the height is h again, or the promised callback never came
///
/// A callback is accepted only between the two, from the announced contract, by the announced name, with exactly
/// the announced bytes. So steps inside it are the ones the operator signed.
abstract contract CallbackStack {
    struct Expected {
        address token; // what the caller is owed
        uint256 most; // the most it may be owed
        uint256 principal; // what was lent, 0 if nothing
    }

    /// Nobody announced this call, or something in it differs from what was announced.
    error UnexpectedCallback(address caller, bytes4 selector);

    /// Records are 5 words each, far away from the compiler's own transient slots and from the tracked tokens.
    uint256 private constant RECORDS = 1 << 192;

    uint256 internal transient height;

    function _announce(address from, bytes4 selector, bytes32 dataHash, address token, uint256 most, uint256 principal)
        internal
    {
        uint256 h = height;
        assembly ("memory-safe") {
            let slot := add(RECORDS, mul(h, 5))
            tstore(slot, or(selector, from)) // selector in the upper 4 bytes, caller in the lower 20
            tstore(add(slot, 1), dataHash)
            tstore(add(slot, 2), token)
            tstore(add(slot, 3), most)
            tstore(add(slot, 4), principal)
        }
        height = h + 1;
    }

    /// Takes the top record if `msg.sender`, `msg.sig` and `data` are the announced ones.
    function _accept(bytes calldata data) internal returns (Expected memory expected) {
        uint256 h = height;
        if (h == 0) revert UnexpectedCallback(msg.sender, msg.sig);
        h -= 1;
        bytes32 dataHash = keccak256(data);
        bytes4 selector = msg.sig;
        bool matches;
        address token;
        uint256 most;
        uint256 principal;
        assembly ("memory-safe") {
            let slot := add(RECORDS, mul(h, 5))
            matches := and(eq(tload(slot), or(selector, caller())), eq(tload(add(slot, 1)), dataHash))
            token := tload(add(slot, 2))
            most := tload(add(slot, 3))
            principal := tload(add(slot, 4))
        }
        if (!matches) revert UnexpectedCallback(msg.sender, msg.sig);
        height = h;
        expected = Expected(token, most, principal);
    }
}
