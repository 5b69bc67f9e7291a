// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {pullToken, sendToken} from "../Amounts.sol";
import {FluxLock} from "./FluxLock.sol";
import {IFluxBaseWrapper, IFluxFactory, IFluxWrapper} from "./IFlux.sol";

/// What a lock's holder does with its own position. Names and arguments are [D]; where tokens come from and go to is [R]: the
/// executor, who allows the vault the bond and a wrapper what is deposited there.
///
///     executor ◀──bond──▶ vault ◀──borrow, repay──▶ base-asset wrapper ◀──deposit, withdraw──▶ executor
abstract contract FluxOperations is FluxLock {
    function unlock(bytes calldata data) external {
        _take().fluxUnlockCallback(data);
        _endCallback();
        _release();
    }

    /// Raises principal and working capital. [D] Sent and claimed, not approved: the base asset may be a token that answers nothing.
    function locked_borrow(uint256 amount) external byExecutor {
        if (amount > cash) revert InsufficientLiquidity();
        cash -= amount;
        _raise(holder, amount);
        sendToken(asset, baseAssetWrapper, amount);
        IFluxWrapper(baseAssetWrapper).claim(address(this), holder, 0, amount);
    }

    /// Out of the working capital. [D]
    function locked_repay(uint256 amount) external byExecutor {
        _repay(holder, amount);
        _takeWorkingCapital(holder, amount);
    }

    function locked_depositBond(uint256 amount) external byExecutor {
        bondOf[holder] += amount;
        _touch(holder);
        _changed(holder);
        pullToken(asset, msg.sender, address(this), amount);
    }

    function locked_withdrawBond(uint256 amount) external byExecutor {
        if (bondOf[holder] < amount) revert InsufficientBond();
        bondOf[holder] -= amount;
        _touch(holder);
        _changed(holder);
        sendToken(asset, msg.sender, amount);
    }

    /// From now on what lies in the wrapper counts in the health.
    function locked_registerWrapper(address wrapper) external byExecutor {
        if (wrapper == baseAssetWrapper || !IFluxFactory(factory).isWrapper(wrapper)) revert WrapperNotAllowed();
        address[] storage all = wrappers[holder];
        for (uint256 i; i < all.length; ++i) {
            if (all[i] == wrapper) return;
        }
        all.push(wrapper);
        emit WrapperRegistered(holder, wrapper);
    }

    /// What lies in the wrapper stays there and counts no more.
    function locked_deregisterWrapper(address wrapper) external byExecutor {
        address[] storage all = wrappers[holder];
        for (uint256 i; i < all.length; ++i) {
            if (all[i] != wrapper) continue;
            all[i] = all[all.length - 1];
            all.pop();
            return;
        }
        revert WrapperNotAllowed();
    }

    function locked_depositToWrapper(address wrapper, bytes32 positionId, uint256 amount) external byExecutor {
        _known(wrapper).deposit(address(this), holder, positionId, amount, msg.sender);
    }

    function locked_withdrawFromWrapper(address wrapper, bytes32 positionId, uint256 amount) external byExecutor {
        _known(wrapper).withdraw(address(this), holder, positionId, amount, msg.sender);
    }

    /// Books what was sent to the wrapper before. [R]
    function locked_claimFromWrapper(address wrapper, bytes32 positionId, uint256 amountOrTokenId) external byExecutor {
        _known(wrapper).claim(address(this), holder, positionId, amountOrTokenId);
    }

    function locked_interactWithWrapper(address wrapper, bytes calldata data) external byExecutor {
        _known(wrapper).customInteraction(address(this), holder, data, msg.sender);
    }

    /// Between positions in the base-asset wrapper, of which zero is the working capital. [R]
    function locked_moveFunds(bytes32 fromPositionId, bytes32 toPositionId, uint256 amount) external byExecutor {
        IFluxBaseWrapper(baseAssetWrapper).ledgerMove(address(this), holder, fromPositionId, toPositionId, amount);
    }

    function _known(address wrapper) private view returns (IFluxWrapper) {
        if (wrapper != baseAssetWrapper && !IFluxFactory(factory).isWrapper(wrapper)) revert WrapperNotAllowed();
        return IFluxWrapper(wrapper);
    }
}
