// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

/// Who may configure a reference contract, and that it is set up once. Its storage lies at a hash, so that the low slots
/// are those of the contract; a contract behind a proxy is set up through the proxy.
abstract contract Access {
    error NotAdmin();
    error AlreadySetUp();

    struct AccessStorage {
        address admin;
    }

    modifier onlyAdmin() {
        if (msg.sender != admin()) revert NotAdmin();
        _;
    }

    /// The first call of a contract's `initialize`: its caller becomes the administrator.
    modifier once() {
        AccessStorage storage access = _access();
        if (access.admin != address(0)) revert AlreadySetUp();
        access.admin = msg.sender;
        _;
    }

    function admin() public view returns (address) {
        return _access().admin;
    }

    function _access() private pure returns (AccessStorage storage access) {
        bytes32 slot = keccak256("harrier.reference.fx.access");
        assembly ("memory-safe") {
            access.slot := slot
        }
    }
}
