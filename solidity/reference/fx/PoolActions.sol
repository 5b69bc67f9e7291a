// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {min} from "../Amounts.sol";
import {FEE_PRECISION, PRECISION} from "./Fields.sol";
import {IPriceOracle, LiquidateResult, RebalanceResult} from "./IFx.sol";
import {PoolTicks} from "./PoolTicks.sol";
import {NO_TICK, ONE_X96} from "./TickMath.sol";

/// Rebalancing, liquidation and redemption of ticks. All amounts are raw (18 decimals), all divisions round down.
///
///     debt ratio = debt * 1e36 / (collateral * price), compared by cross multiplication
///
///     ..... T ═══ rebalance ═══ L ═══ liquidate ═══▶      T, L: the two debt ratios, 1e18
abstract contract PoolActions is PoolTicks {
    error ErrorRebalanceDebtRatioNotReached();
    error ErrorRebalanceOnLiquidatableTick();
    error ErrorPoolUnderCollateral();

    /// Raw debt, or debt shares in a redemption, below which a tick is passed over.
    uint256 private constant DUST = 1e9;

    /// What stays the same, and what runs along, during one call.
    struct Pass {
        uint256 price;
        uint256 debtIndex;
        uint256 collIndex;
        uint256 debtShares;
        uint256 collShares;
        uint256 debtRatio;
        uint256 bonusRatio;
    }

    /// Accrues funding, then gives the indices.
    function _accrue() internal virtual returns (uint256 debtIndex, uint256 collIndex);

    function _rebalanceTick(int256 tick, uint256 maxRawDebts) internal returns (RebalanceResult memory result) {
        Pass memory pass = _begin();
        (, pass.price,) = IPriceOracle(priceOracle).getPrice();
        (uint256 rawColls, uint256 rawDebts) = _rawTick(pass, tick);
        (uint256 liquidateRatio,) = getLiquidateRatios();
        (pass.debtRatio, pass.bonusRatio) = getRebalanceRatios();
        if (rawDebts * 1e36 < pass.debtRatio * rawColls * pass.price) revert ErrorRebalanceDebtRatioNotReached();
        if (rawDebts * 1e36 >= liquidateRatio * rawColls * pass.price) revert ErrorRebalanceOnLiquidatableTick();
        _rebalanceOne(pass, tick, rawColls, rawDebts, maxRawDebts, result);
        _setTotals(pass.debtShares, pass.collShares);
    }

    /// From the top tick down; nothing eligible is a success with zeros.
    function _rebalancePool(uint256 maxRawDebts) internal returns (RebalanceResult memory result) {
        Pass memory pass = _begin();
        (, pass.price,) = IPriceOracle(priceOracle).getPrice();
        (uint256 liquidateRatio,) = getLiquidateRatios();
        (pass.debtRatio, pass.bonusRatio) = getRebalanceRatios();
        int256 tick = getTopTick();
        while (maxRawDebts > 0 && tick != NO_TICK) {
            (uint256 rawColls, uint256 rawDebts) = _rawTick(pass, tick);
            bool isLiquidatable = rawColls * pass.price * liquidateRatio <= rawDebts * 1e36;
            if (!isLiquidatable && rawDebts >= DUST) {
                if (rawColls * pass.price * pass.debtRatio > rawDebts * 1e36) break;
                maxRawDebts -= _rebalanceOne(pass, tick, rawColls, rawDebts, maxRawDebts, result);
            }
            tick = _nextTick(tick - 1);
        }
        _setTotals(pass.debtShares, pass.collShares);
    }

    /// Repays what brings the tick back to the rebalance ratio, at most `maxRawDebts`.
    function _rebalanceOne(
        Pass memory pass,
        int256 tick,
        uint256 rawColls,
        uint256 rawDebts,
        uint256 maxRawDebts,
        RebalanceResult memory result
    ) private returns (uint256 repaid) {
        uint256 above = rawDebts * 1e36 - pass.debtRatio * pass.price * rawColls;
        repaid = above / (1e36 - PRECISION * pass.debtRatio * (FEE_PRECISION + pass.bonusRatio) / FEE_PRECISION);
        repaid = min(repaid, maxRawDebts);
        uint256 colls = repaid * PRECISION / pass.price;
        uint256 bonus = min(colls * pass.bonusRatio / FEE_PRECISION, rawColls - colls);
        _take(pass, tick, _collShares(colls + bonus, pass.collIndex), _debtShares(repaid, pass.debtIndex));
        result.rawColls += colls;
        result.rawDebts += repaid;
        result.bonusRawColls += bonus;
    }

    /// From the top tick down; `reserved` is what the reserve can add to the collateral.
    function _liquidatePool(uint256 maxRawDebts, uint256 reserved) internal returns (LiquidateResult memory result) {
        Pass memory pass = _begin();
        pass.price = IPriceOracle(priceOracle).getLiquidatePrice();
        (pass.debtRatio, pass.bonusRatio) = getLiquidateRatios();
        int256 tick = getTopTick();
        while (maxRawDebts > 0 && tick != NO_TICK) {
            (uint256 rawColls, uint256 rawDebts) = _rawTick(pass, tick);
            if (rawColls * pass.price * pass.debtRatio > rawDebts * 1e36) {
                if (rawDebts >= DUST) break;
            } else {
                (uint256 repaid, uint256 used) = _liquidateOne(pass, tick, min(rawDebts, maxRawDebts), reserved, result);
                maxRawDebts -= repaid;
                reserved -= used;
            }
            tick = _nextTick(tick - 1);
        }
        _setTotals(pass.debtShares, pass.collShares);
        _setIndices(pass.debtIndex, pass.collIndex);
        emit DebtIndexSnapshot(pass.debtIndex);
    }

    /// Repays `repaid` of a tick's debt. Debt that is left without collateral is spread over all other debt.
    function _liquidateOne(Pass memory pass, int256 tick, uint256 repaid, uint256 reserved, LiquidateResult memory result)
        private
        returns (uint256, uint256 used)
    {
        (uint256 collShares, uint256 debtShares) = _tickShares(tick);
        uint256 rawColls = _rawColl(collShares, pass.collIndex);
        uint256 takenDebts = repaid == _rawDebt(debtShares, pass.debtIndex) ? debtShares : _debtShares(repaid, pass.debtIndex);
        uint256 takenColls = collShares;
        uint256 colls = repaid * PRECISION / pass.price;
        uint256 bonus;
        if (rawColls + reserved <= colls) {
            // The debt is worth more than tick and reserve together: all of both, no bonus.
            colls = rawColls + reserved;
            used = reserved;
            repaid = colls * pass.price / PRECISION;
            takenDebts = _debtShares(repaid, pass.debtIndex);
        } else {
            bonus = min(colls * pass.bonusRatio / FEE_PRECISION, rawColls + reserved - colls);
            if (colls + bonus >= rawColls) used = colls + bonus - rawColls;
            else takenColls = _collShares(colls + bonus, pass.collIndex);
        }
        result.rawDebts += repaid;
        result.rawColls += colls;
        result.bonusRawColls += bonus;
        result.bonusFromReserve += used;
        if (takenColls == collShares && takenDebts < debtShares) {
            uint256 bad = _rawDebt(debtShares - takenDebts, pass.debtIndex);
            _take(pass, tick, takenColls, debtShares);
            pass.debtIndex += bad * ONE_X96 / pass.debtShares;
        } else {
            _take(pass, tick, takenColls, takenDebts);
        }
        return (repaid, used);
    }

    /// Redeems debt from the top tick down: of each visited tick a part, none of a tick that is worth less than its debt.
    function _redeemPool(uint256 rawDebts) internal returns (uint256 actualRawDebts, uint256 rawColls) {
        Pass memory pass = _begin();
        pass.price = IPriceOracle(priceOracle).getRedeemPrice();
        uint256 allDebts = _rawDebt(pass.debtShares, pass.debtIndex);
        if (allDebts * PRECISION >= _rawColl(pass.collShares, pass.collIndex) * pass.price) revert ErrorPoolUnderCollateral();
        uint256 left = _debtShares(rawDebts, pass.debtIndex);
        int256 tick = getTopTick();
        while (left > 0 && tick != NO_TICK) {
            (uint256 tickColls, uint256 tickDebts) = _rawTick(pass, tick);
            (, uint256 shares) = _tickShares(tick);
            if (tickDebts * PRECISION <= tickColls * pass.price && shares >= DUST) {
                shares = min(left, shares * getMaxRedeemRatioPerTick() / FEE_PRECISION);
                uint256 debts = _rawDebt(shares, pass.debtIndex);
                uint256 colls = debts * PRECISION / pass.price;
                _take(pass, tick, _collShares(colls, pass.collIndex), shares);
                left -= shares;
                actualRawDebts += debts;
                rawColls += colls;
            }
            tick = _nextTick(tick - 1);
        }
        _setTotals(pass.debtShares, pass.collShares);
    }

    function _begin() internal returns (Pass memory pass) {
        (pass.debtIndex, pass.collIndex) = _accrue();
        (pass.debtShares, pass.collShares) = getDebtAndCollateralShares();
    }

    function _rawTick(Pass memory pass, int256 tick) private view returns (uint256 rawColls, uint256 rawDebts) {
        (uint256 colls, uint256 debts) = _tickShares(tick);
        return (_rawColl(colls, pass.collIndex), _rawDebt(debts, pass.debtIndex));
    }

    function _take(Pass memory pass, int256 tick, uint256 colls, uint256 debts) private {
        _moveTick(tick, colls, debts, pass.price);
        pass.collShares -= colls;
        pass.debtShares -= debts;
    }
}
