// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Owned} from "../Owned.sol";
import {IFluxFactory} from "./IFlux.sol";

/// The registry of executors, and which vaults and wrappers belong together.
///
///     manager ──registerExecutor──▶ FluxFactory ◀──getExecutor── vault, before it calls back
///
/// A wrapper trusts the vaults of its factory, and a vault the wrappers of its: both are added by the owner. [R]
contract FluxFactory is Owned, IFluxFactory {
    error NotManager();

    event ExecutorRegistered(address indexed manager, address indexed executor);
    event VaultAdded(address indexed vault);
    event WrapperAdded(address indexed wrapper);

    /// [D]; how a vault takes the fee is not documented, so this one takes none. [R]
    uint256 public constant protocolFeeRate = 0;

    address public immutable oracleRegistry;
    mapping(address => address) public getExecutor;
    mapping(address => bool) public isVault;
    mapping(address => bool) public isWrapper;

    constructor(address oracleRegistry_) {
        oracleRegistry = oracleRegistry_;
    }

    /// Whoever is to be called back for a manager. Only the manager says so. [R]
    function registerExecutor(address manager, address executor) external {
        if (msg.sender != manager) revert NotManager();
        getExecutor[manager] = executor;
        emit ExecutorRegistered(manager, executor);
    }

    function addVault(address vault) external onlyOwner {
        isVault[vault] = true;
        emit VaultAdded(vault);
    }

    function addWrapper(address wrapper) external onlyOwner {
        isWrapper[wrapper] = true;
        emit WrapperAdded(wrapper);
    }
}
