// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

/// An EIP-1967 proxy whose implementation changes: the usual form of tokens and vaults, and how all contracts of f(x) lie.
contract UpgradeableProxy {
    error NotAdmin();
    error NoCode();

    event Upgraded(address indexed implementation);

    bytes32 private constant IMPLEMENTATION = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;
    address private immutable deployer = msg.sender;

    /// `data`, when there is any, is called on the implementation at once.
    constructor(address implementation, bytes memory data) payable {
        _set(implementation);
        if (data.length == 0) return;
        (bool ok, bytes memory answer) = implementation.delegatecall(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    /// By the deployer only, whose calls of this selector never reach the implementation.
    function upgradeTo(address implementation) external {
        if (msg.sender != deployer) revert NotAdmin();
        _set(implementation);
    }

    receive() external payable {
        _delegate();
    }

    fallback() external payable {
        _delegate();
    }

    function _set(address implementation) private {
        if (implementation.code.length == 0) revert NoCode();
        assembly ("memory-safe") {
            sstore(IMPLEMENTATION, implementation)
        }
        emit Upgraded(implementation);
    }

    function _delegate() private {
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), sload(IMPLEMENTATION), 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(ok) { revert(0, returndatasize()) }
            return(0, returndatasize())
        }
    }
}
