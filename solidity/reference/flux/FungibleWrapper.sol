// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {pullToken, sendToken} from "../Amounts.sol";
import {IFluxToken} from "./IFlux.sol";
import {WrapperLedger} from "./WrapperLedger.sol";

/// Balances of one ERC-20 token, worth what the registry says. A health counts position zero; what lies in another one is set
/// apart, counts nothing, and is seized with the rest. [R]
abstract contract FungibleWrapper is WrapperLedger {
    error NothingToClaim();
    error NoInteraction();

    /// What is owned inside; tokens above it are there to be claimed.
    uint256 public booked; // slot 3

    function getValue(address account, address subaccount, bytes32 positionId) public view virtual returns (uint256) {
        return _registry().getValueUSD(underlyingAsset, getBalance(account, subaccount, positionId));
    }

    function deposit(address account, address subaccount, bytes32 positionId, uint256 amount, address from)
        external
        onlyVault(account)
    {
        pullToken(underlyingAsset, from, address(this), amount);
        _claim(account, subaccount, positionId, amount);
    }

    function withdraw(address account, address subaccount, bytes32 positionId, uint256 amount, address to)
        external
        onlyVault(account)
    {
        _debit(account, subaccount, positionId, amount);
        booked -= amount;
        sendToken(underlyingAsset, to, amount);
    }

    function claim(address account, address subaccount, bytes32 positionId, uint256 amount) external onlyVault(account) {
        _claim(account, subaccount, positionId, amount);
    }

    function customInteraction(address, address, bytes calldata, address) external pure {
        revert NoInteraction();
    }

    function ledgerTransferFraction(address account, address from, address to, uint256 fractionWad)
        external
        onlyVault(account)
    {
        bytes32[] memory ids = positionsOf(account, from);
        for (uint256 i; i < ids.length; ++i) {
            uint256 amount = getBalance(account, from, ids[i]) * fractionWad / WAD;
            _debit(account, from, ids[i], amount);
            _credit(account, to, ids[i], amount);
        }
    }

    /// A token that keeps a part of a transfer has not arrived in full, and is refused here.
    function _claim(address account, address subaccount, bytes32 id, uint256 amount) private {
        booked += amount;
        if (IFluxToken(underlyingAsset).balanceOf(address(this)) < booked) revert NothingToClaim();
        _credit(account, subaccount, id, amount);
    }
}
