// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {FluxBooks} from "./FluxBooks.sol";
import {IFluxExecutor, IFluxFactory, IFluxStrategy} from "./IFlux.sol";

/// One lock a vault. While it is held, its holder's executor is called back and may use the `locked_*` operations; nothing else
/// changes the vault.
///
///     _take ──▶ executor's callback ──▶ _endCallback ──▶ what is owed is taken ──▶ _release: the holder must be healthy
///
/// Healthy means that the strategy would not liquidate. [R]
abstract contract FluxLock is FluxBooks {
    /// The manager whose position is changed.
    address internal transient holder;
    /// Who may use the operations; nobody before and after the callback.
    address private transient executor;

    modifier whileUnlocked() {
        if (holder != address(0)) revert Locked();
        _;
    }

    modifier byExecutor() {
        if (msg.sender != executor) revert NotLockHolder();
        _;
    }

    /// For the caller, whose executor is the one that the factory has for it. [R]
    function _take() internal whileUnlocked returns (IFluxExecutor) {
        address active = IFluxFactory(factory).getExecutor(msg.sender);
        if (active == address(0)) revert NoExecutorRegistered();
        (holder, executor) = (msg.sender, active);
        return IFluxExecutor(active);
    }

    function _endCallback() internal {
        executor = address(0);
    }

    function _release() internal {
        if (trueDebt(holder) != 0) {
            (bool canLiquidate,,,) = IFluxStrategy(STRATEGY).evaluateLiquidation(address(this), holder);
            if (canLiquidate) revert PositionNotHealthy();
        }
        holder = address(0);
    }
}
