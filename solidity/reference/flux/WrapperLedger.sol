// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {IFluxFactory, IFluxWrapper, IOracleRegistry} from "./IFlux.sol";

/// Who owns what inside a wrapper: `balances[account][subaccount][positionId]` [D], and which positions a subaccount has. [R]
///
///   0 balances    1 positions of each subaccount    2 where each position is listed, counted from one
///
/// An account, which is a vault, speaks for its subaccounts; only vaults of the wrapper's factory are heard.
abstract contract WrapperLedger is IFluxWrapper {
    error NotTheVault();
    error InsufficientBalance();

    uint256 internal constant WAD = 1e18;

    mapping(address => mapping(address => mapping(bytes32 => uint256))) private balances;
    mapping(address => mapping(address => bytes32[])) private positions;
    mapping(address => mapping(address => mapping(bytes32 => uint256))) private listed;

    address public immutable underlyingAsset;
    IFluxFactory public immutable factory;

    modifier onlyVault(address account) {
        if (msg.sender != account || !factory.isVault(account)) revert NotTheVault();
        _;
    }

    constructor(address underlying, IFluxFactory factory_) {
        underlyingAsset = underlying;
        factory = factory_;
    }

    function getBalance(address account, address subaccount, bytes32 positionId) public view returns (uint256) {
        return balances[account][subaccount][positionId];
    }

    /// The positions with a balance, in no order. [R]
    function positionsOf(address account, address subaccount) public view returns (bytes32[] memory) {
        return positions[account][subaccount];
    }

    function _registry() internal view returns (IOracleRegistry) {
        return IOracleRegistry(factory.oracleRegistry());
    }

    function _credit(address account, address subaccount, bytes32 id, uint256 amount) internal {
        if (amount == 0) return;
        uint256 before = balances[account][subaccount][id];
        balances[account][subaccount][id] = before + amount;
        if (before != 0) return;
        positions[account][subaccount].push(id);
        listed[account][subaccount][id] = positions[account][subaccount].length;
    }

    function _debit(address account, address subaccount, bytes32 id, uint256 amount) internal {
        uint256 before = balances[account][subaccount][id];
        if (before < amount) revert InsufficientBalance();
        balances[account][subaccount][id] = before - amount;
        if (before != amount || amount == 0) return;
        bytes32[] storage all = positions[account][subaccount];
        bytes32 last = all[all.length - 1];
        uint256 place = listed[account][subaccount][id];
        all[place - 1] = last;
        listed[account][subaccount][last] = place;
        listed[account][subaccount][id] = 0;
        all.pop();
    }
}
