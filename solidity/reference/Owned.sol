// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

/// Whoever deploys a reference contract owns it.
abstract contract Owned {
    error NotOwner();

    address public owner = msg.sender;

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner();
        _;
    }
}
