// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {divUp, min} from "../Amounts.sol";
import {FluxLock} from "./FluxLock.sol";
import {IFluxExecutor, IFluxFactory, IFluxStrategy, IFluxWrapper} from "./IFlux.sol";

/// Closing a manager's position in the documented order: collateral first, payment last. [D]
///
///     interest ─▶ strategy: liquidatable? ─▶ bond, working capital and wrappers to the liquidator, in the ledgers
///              ─▶ liquidator's callback ─▶ payment out of its working capital ─▶ bad debt ─▶ the position is gone
///
/// A fraction of it is [X]: the payment rounds up, everything else down, and all of it is the full call.
abstract contract FluxLiquidations is FluxLock {
    struct Terms {
        uint256 value; // USD, of all of the position
        uint256 payment;
        uint256 principal; // cleared, as is the interest
        uint256 interest;
    }

    function liquidate(address manager, address[] calldata additionalWrappers, bytes calldata data) external {
        _liquidate(manager, WAD, additionalWrappers, data);
    }

    function liquidatePartial(
        address manager,
        uint256 fractionWad,
        address[] calldata additionalWrappers,
        bytes calldata data
    ) external {
        if (fractionWad == 0 || fractionWad > WAD) revert InvalidFraction();
        _liquidate(manager, fractionWad, additionalWrappers, data);
    }

    function _liquidate(address manager, uint256 fraction, address[] calldata additional, bytes calldata data) private {
        IFluxExecutor executor = _take();
        if (manager == msg.sender) revert SelfLiquidation();
        Terms memory terms = _terms(manager, fraction);
        _seize(manager, fraction, additional);
        executor.fluxUnlockCallback(terms.payment, terms.principal + terms.interest, data);
        _endCallback();
        if (workingCapital(holder) < terms.payment) revert InsufficientPayment();
        _takeWorkingCapital(holder, terms.payment);
        cash += terms.payment;
        _close(manager, fraction, terms);
        _release();
    }

    function _terms(address manager, uint256 fraction) private returns (Terms memory terms) {
        Loan storage loan = _touch(manager);
        if (loan.principal == 0 && loan.interest == 0) revert PositionNotActive();
        bool canLiquidate;
        uint256 minPayment;
        (canLiquidate, minPayment,, terms.value) = IFluxStrategy(STRATEGY).evaluateLiquidation(address(this), manager);
        if (!canLiquidate) revert PositionNotLiquidatable();
        terms.payment = divUp(minPayment * fraction, WAD);
        terms.principal = loan.principal * fraction / WAD;
        terms.interest = loan.interest * fraction / WAD;
    }

    /// To the lock's holder. What the manager holds in wrappers that it did not register is only seized when named; one that is
    /// named without need is passed over. [R]
    function _seize(address manager, uint256 fraction, address[] calldata additional) private {
        uint256 bond = bondOf[manager] * fraction / WAD;
        bondOf[manager] -= bond;
        bondOf[holder] += bond;
        if (bond != 0) _changed(holder);
        _moveFraction(baseAssetWrapper, manager, fraction);
        address[] storage registered = wrappers[manager];
        for (uint256 i; i < registered.length; ++i) {
            _moveFraction(registered[i], manager, fraction);
        }
        for (uint256 i; i < additional.length; ++i) {
            if (_seized(manager, additional, i)) continue;
            if (!IFluxFactory(factory).isWrapper(additional[i])) revert WrapperNotAllowed();
            _moveFraction(additional[i], manager, fraction);
        }
    }

    function _moveFraction(address wrapper, address manager, uint256 fraction) private {
        IFluxWrapper(wrapper).ledgerTransferFraction(address(this), manager, holder, fraction);
    }

    /// Whether that additional wrapper's turn has been: nothing is seized twice.
    function _seized(address manager, address[] calldata additional, uint256 index) private view returns (bool) {
        address wrapper = additional[index];
        if (wrapper == baseAssetWrapper) return true;
        for (uint256 i; i < index; ++i) {
            if (additional[i] == wrapper) return true;
        }
        address[] storage registered = wrappers[manager];
        for (uint256 i; i < registered.length; ++i) {
            if (registered[i] == wrapper) return true;
        }
        return false;
    }

    /// What was not paid of the cleared debt is the lenders' loss: it leaves the total and nothing takes its place.
    function _close(address manager, uint256 fraction, Terms memory terms) private {
        uint256 cleared = terms.principal + terms.interest;
        uint256 badDebt = cleared - min(cleared, terms.payment);
        if (fraction == WAD) delete wrappers[manager];
        _lower(manager, terms.principal, terms.interest);
        emit Liquidated(manager, holder, fraction, terms.value, cleared, terms.payment, badDebt);
    }
}
