// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {min} from "../Amounts.sol";
import {FluxBooks} from "./FluxBooks.sol";
import {FluxLiquidations} from "./FluxLiquidations.sol";
import {FluxOperations} from "./FluxOperations.sol";
import {FluxShares} from "./FluxShares.sol";
import {IFluxStrategy} from "./IFlux.sol";

/// A Flux vault: lenders' base asset, lent to managers against a bond. A stand-in, written from the public documentation, whose
/// gaps were filled as the marks say: the contracts on chain are not public.
///
///     FluxBooks ◀── FluxLock ◀─┬─ FluxShares          lenders
///                              ├─ FluxOperations      managers, and liquidators inside the callback
///                              └─ FluxLiquidations    liquidators
///
/// Deleveraging [R], the keeper's action, is here: no swap, no capital, no callback.
contract FluxVault is FluxShares, FluxOperations, FluxLiquidations {
    /// Who may deleverage; zero is anybody.
    address public immutable adlManager;

    constructor(
        address asset_,
        address strategy,
        address factory_,
        address baseAssetWrapper_,
        address adlManager_,
        string memory name_,
        string memory symbol_
    ) FluxBooks(asset_, strategy, factory_, baseAssetWrapper_) FluxShares(name_, symbol_) {
        adlManager = adlManager_;
    }

    /// Repays a manager's debt out of its own base assets, the working capital first.
    function adl(address manager) external whileUnlocked returns (uint256 repaid) {
        if (adlManager != address(0) && msg.sender != adlManager) revert NotADLManager();
        bool canDeleverage;
        _touch(manager);
        (canDeleverage, repaid) = IFluxStrategy(STRATEGY).evaluateADL(address(this), manager);
        if (!canDeleverage) revert PositionNotADLable();
        uint256 fromCapital = min(repaid, workingCapital(manager));
        bondOf[manager] -= repaid - fromCapital;
        _repay(manager, repaid);
        _takeWorkingCapital(manager, fromCapital);
        emit AutoDeleveraged(manager, msg.sender, repaid);
    }
}
