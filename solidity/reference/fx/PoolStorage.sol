// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {field, withField} from "./Fields.sol";
import {ONE_X96, NO_TICK} from "./TickMath.sol";

/// Slots 0 to 200 of a long or short pool, their getters and their setters.
///
///    0 collateral token    1 oracle          2 flags, top tick, next ids, bounds   3 rebalance and liquidation ratios
///    4 indices             5 total shares    6 positions                           7 their opening times
///    8 bitmap              9 tick -> node   10 nodes                              11 counterparty
abstract contract PoolStorage {
    event UpdateRebalanceRatios(uint256 debtRatio, uint256 bonusRatio);
    event UpdateLiquidateRatios(uint256 debtRatio, uint256 bonusRatio);
    event UpdateMaxRedeemRatioPerTick(uint256 ratio);
    event UpdatePriceOracle(address oldOracle, address newOracle);
    event UpdateRedeemStatus(bool status);
    event UpdateBorrowStatus(bool status);
    event UpdateCounterparty(address oldCounterparty, address newCounterparty);
    event DebtIndexSnapshot(uint256 index);
    event CollateralIndexSnapshot(uint256 index);

    /// Shares as they were when the position was last touched; its worth now is found through the nodes.
    struct Position {
        int16 tick;
        uint48 nodeId;
        uint96 colls;
        uint96 debts;
    }

    /// metadata: 0-47 parent, 48-63 tick, 64-127 collateral ratio, 128-191 debt ratio (both times 2^60).
    /// value: 0-127 collateral shares, 128-255 debt shares.
    struct Node {
        uint256 metadata;
        uint256 value;
    }

    address public collateralToken;
    address public priceOracle;
    uint256 private misc;
    uint256 private ratios;
    uint256 private indices;
    uint256 private totals;
    mapping(uint256 => Position) public positionData;
    mapping(uint256 => uint256) public positionMetadata;
    mapping(int8 => uint256) public tickBitmap;
    mapping(int256 => uint48) public tickData;
    mapping(uint256 => Node) public tickTreeData;
    address public counterparty;
    uint256[189] private gap; // to slot 200

    function isBorrowPaused() public view returns (bool) {
        return field(misc, 0, 1) == 1;
    }

    function isRedeemPaused() public view returns (bool) {
        return field(misc, 1, 1) == 1;
    }

    /// The highest tick with debt; -32768 when there is none.
    function getTopTick() public view returns (int16) {
        return int16(uint16(field(misc, 2, 16)));
    }

    function getNextPositionId() public view returns (uint32) {
        return uint32(field(misc, 18, 32));
    }

    function getNextTreeNodeId() public view returns (uint48) {
        return uint48(field(misc, 50, 48));
    }

    /// The debt ratios between which a position may be opened, 1e18.
    function getDebtRatioRange() public view returns (uint256 minDebtRatio, uint256 maxDebtRatio) {
        return (field(misc, 98, 60), field(misc, 158, 60));
    }

    /// The part of a tick's debt that one visit may redeem, 1e9.
    function getMaxRedeemRatioPerTick() public view returns (uint256) {
        return field(misc, 218, 30);
    }

    function getRebalanceRatios() public view returns (uint256 debtRatio, uint256 bonusRatio) {
        return (field(ratios, 0, 60), field(ratios, 60, 30));
    }

    function getLiquidateRatios() public view returns (uint256 debtRatio, uint256 bonusRatio) {
        return (field(ratios, 90, 60), field(ratios, 150, 30));
    }

    /// Both start at 2^96 and are as of the last touch.
    function getDebtAndCollateralIndex() public view returns (uint256 debtIndex, uint256 collIndex) {
        return (field(indices, 0, 128), field(indices, 128, 128));
    }

    function getDebtAndCollateralShares() public view returns (uint256 debtShares, uint256 collShares) {
        return (field(totals, 0, 128), field(totals, 128, 128));
    }

    function getTotalRawCollaterals() external view returns (uint256) {
        (, uint256 collIndex) = getDebtAndCollateralIndex();
        (, uint256 shares) = getDebtAndCollateralShares();
        return _rawColl(shares, collIndex);
    }

    function getTotalRawDebts() external view returns (uint256) {
        (uint256 debtIndex,) = getDebtAndCollateralIndex();
        (uint256 shares,) = getDebtAndCollateralShares();
        return _rawDebt(shares, debtIndex);
    }

    // Shares and raw amounts, all rounded down.

    function _rawColl(uint256 shares, uint256 collIndex) internal pure returns (uint256) {
        return shares * ONE_X96 / collIndex;
    }

    function _rawDebt(uint256 shares, uint256 debtIndex) internal pure returns (uint256) {
        return shares * debtIndex / ONE_X96;
    }

    function _collShares(uint256 raw, uint256 collIndex) internal pure returns (uint256) {
        return raw * collIndex / ONE_X96;
    }

    function _debtShares(uint256 raw, uint256 debtIndex) internal pure returns (uint256) {
        return raw * ONE_X96 / debtIndex;
    }

    function _startStorage(address collateralToken_, address oracle) internal {
        collateralToken = collateralToken_;
        priceOracle = oracle;
        uint256 word = withField(0, 2, 16, uint16(NO_TICK));
        word = withField(word, 18, 32, 1);
        misc = withField(word, 50, 48, 1);
        indices = ONE_X96 << 128 | ONE_X96;
    }

    function _setTopTick(int256 tick) internal {
        misc = withField(misc, 2, 16, uint16(int16(tick)));
    }

    function _takePositionId() internal returns (uint256 id) {
        id = field(misc, 18, 32);
        misc = withField(misc, 18, 32, id + 1);
    }

    function _takeNodeId() internal returns (uint48 id) {
        id = getNextTreeNodeId();
        misc = withField(misc, 50, 48, uint256(id) + 1);
    }

    function _setIndices(uint256 debtIndex, uint256 collIndex) internal {
        indices = withField(withField(0, 0, 128, debtIndex), 128, 128, collIndex);
    }

    function _setTotals(uint256 debtShares, uint256 collShares) internal {
        totals = withField(withField(0, 0, 128, debtShares), 128, 128, collShares);
    }

    function _setCounterparty(address counterparty_) internal {
        emit UpdateCounterparty(counterparty, counterparty_);
        counterparty = counterparty_;
    }

    function _setOracle(address oracle) internal {
        emit UpdatePriceOracle(priceOracle, oracle);
        priceOracle = oracle;
    }

    function _setRebalanceRatios(uint256 debtRatio, uint256 bonusRatio) internal {
        ratios = withField(withField(ratios, 0, 60, debtRatio), 60, 30, bonusRatio);
        emit UpdateRebalanceRatios(debtRatio, bonusRatio);
    }

    function _setLiquidateRatios(uint256 debtRatio, uint256 bonusRatio) internal {
        ratios = withField(withField(ratios, 90, 60, debtRatio), 150, 30, bonusRatio);
        emit UpdateLiquidateRatios(debtRatio, bonusRatio);
    }

    function _setDebtRatioRange(uint256 minDebtRatio, uint256 maxDebtRatio) internal {
        misc = withField(withField(misc, 98, 60, minDebtRatio), 158, 60, maxDebtRatio);
    }

    function _setMaxRedeemRatioPerTick(uint256 ratio) internal {
        misc = withField(misc, 218, 30, ratio);
        emit UpdateMaxRedeemRatioPerTick(ratio);
    }

    function _setPauses(bool borrow, bool redeem) internal {
        misc = withField(withField(misc, 0, 1, borrow ? 1 : 0), 1, 1, redeem ? 1 : 0);
        emit UpdateBorrowStatus(borrow);
        emit UpdateRedeemStatus(redeem);
    }
}
