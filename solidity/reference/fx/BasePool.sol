// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";
import {divUp} from "../Amounts.sol";
import {PRECISION, withField} from "./Fields.sol";
import {IConfiguration, IPriceOracle, LiquidateResult, RebalanceResult} from "./IFx.sol";
import {PoolActions} from "./PoolActions.sol";
import {PositionToken} from "./PositionToken.sol";
import {ONE_X96} from "./TickMath.sol";

/// What long and short pools share: positions, the manager's entry points, funding, views and settings.
///
///     PoolManager ──operate, rebalance, liquidate, redeem──▶ pool ──price──▶ oracle
///                                                              └──funding ratio, checkpoint──▶ PoolConfiguration
abstract contract BasePool is PoolActions, PositionToken, Access {
    error ErrorCallerNotPoolManager();
    error ErrorBorrowPaused();
    error ErrorRedeemPaused();
    error ErrorNoSupplyAndNoBorrow();
    error ErrorNotPositionOwner();
    error ErrorDebtRatioTooSmall();
    error ErrorDebtRatioTooLarge();
    error ErrorWithdrawExceedSupply();
    error ErrorRepayExceedDebt();
    error FieldTooLarge();

    event PositionSnapshot(uint256 position, int16 tick, uint256 collShares, uint256 debtShares, uint256 price);

    struct Links {
        address manager;
        address configuration;
    }

    modifier onlyManager() {
        if (msg.sender != _links().manager) revert ErrorCallerNotPoolManager();
        _;
    }

    function poolManager() external view returns (address) {
        return _links().manager;
    }

    function configuration() public view returns (address) {
        return _links().configuration;
    }

    /// Raw amounts at the stored indices.
    function getPosition(uint256 id) public view returns (uint256 rawColls, uint256 rawDebts) {
        (uint256 debtIndex, uint256 collIndex) = getDebtAndCollateralIndex();
        (uint256 colls, uint256 debts,) = _currentShares(positionData[id]);
        return (_rawColl(colls, collIndex), _rawDebt(debts, debtIndex));
    }

    /// At the anchor price, 1e18; not the price that decides a liquidation.
    function getPositionDebtRatio(uint256 id) external view returns (uint256) {
        (uint256 rawColls, uint256 rawDebts) = getPosition(id);
        if (rawDebts == 0) return 0;
        (uint256 anchor,,) = IPriceOracle(priceOracle).getPrice();
        return rawDebts * 1e36 / (anchor * rawColls);
    }

    /// Opens (id 0), changes or closes a position by raw amounts; the smallest int256 withdraws or repays everything.
    /// Gives the amounts that really move: what is withdrawn rounds down, what is repaid up.
    function operate(uint256 id, int256 newRawColl, int256 newRawDebt, address owner)
        external
        onlyManager
        returns (uint256, int256, int256)
    {
        if (newRawColl == 0 && newRawDebt == 0) revert ErrorNoSupplyAndNoBorrow();
        if (newRawDebt > 0 && (isBorrowPaused() || !_mayBorrow())) revert ErrorBorrowPaused();
        Pass memory pass = _begin();
        pass.price = IPriceOracle(priceOracle).getExchangePrice();
        uint256 colls;
        uint256 debts;
        if (id == 0) {
            id = _takePositionId();
            positionMetadata[id] = withField(0, 0, 40, block.timestamp);
            _mintPosition(owner, id);
        } else {
            if (ownerOf(id) != owner) revert ErrorNotPositionOwner();
            uint48 node;
            (colls, debts, node) = _currentShares(positionData[id]);
            if (debts > 0) _takeFromTick(node, colls, debts);
        }
        (colls, newRawColl) = _changeColls(pass, colls, newRawColl);
        (debts, newRawDebt) = _changeDebts(pass, debts, newRawDebt);
        if (debts > 0 && (newRawColl < 0 || newRawDebt > 0)) _checkRatio(pass, colls, debts);
        _settle(pass, id, colls, debts);
        return (id, newRawColl, newRawDebt);
    }

    function redeem(uint256 rawDebts) external onlyManager returns (uint256 actualRawDebts, uint256 rawColls) {
        if (isRedeemPaused()) revert ErrorRedeemPaused();
        return _redeemPool(rawDebts);
    }

    function rebalance(int16 tick, uint256 maxRawDebts) external onlyManager returns (RebalanceResult memory) {
        return _rebalanceTick(tick, maxRawDebts);
    }

    function rebalance(uint256 maxRawDebts) external onlyManager returns (RebalanceResult memory) {
        return _rebalancePool(maxRawDebts);
    }

    function liquidate(uint256 maxRawDebts, uint256 reservedRawColls)
        external
        onlyManager
        returns (LiquidateResult memory)
    {
        return _liquidatePool(maxRawDebts, reservedRawColls);
    }

    function updateRebalanceRatios(uint256 debtRatio, uint256 bonusRatio) external onlyAdmin {
        _setRebalanceRatios(debtRatio, bonusRatio);
    }

    function updateLiquidateRatios(uint256 debtRatio, uint256 bonusRatio) external onlyAdmin {
        _setLiquidateRatios(debtRatio, bonusRatio);
    }

    function updateDebtRatioRange(uint256 minDebtRatio, uint256 maxDebtRatio) external onlyAdmin {
        _setDebtRatioRange(minDebtRatio, maxDebtRatio);
    }

    function updateMaxRedeemRatioPerTick(uint256 ratio) external onlyAdmin {
        _setMaxRedeemRatioPerTick(ratio);
    }

    function updatePriceOracle(address oracle) external onlyAdmin {
        _setOracle(oracle);
    }

    function updateCounterparty(address counterparty_) external onlyAdmin {
        _setCounterparty(counterparty_);
    }

    function updatePauses(bool borrow, bool redeem_) external onlyAdmin {
        _setPauses(borrow, redeem_);
    }

    /// Ratios and bounds as they are configured on mainnet.
    function _startPool(address manager, address configuration_, address collateral, address oracle) internal {
        _startStorage(collateral, oracle);
        Links storage links = _links();
        links.manager = manager;
        links.configuration = configuration_;
        _setRebalanceRatios(0.88e18, 0.025e9);
        _setLiquidateRatios(0.95e18, 0.04e9);
        _setDebtRatioRange(90909090909090909, 866666666666666666);
        _setMaxRedeemRatioPerTick(0.2e9);
        _setFundingTime(block.timestamp);
    }

    // Each kind keeps the time of its last funding elsewhere, and asks for another ratio.

    function _fundingTime() internal view virtual returns (uint256);
    function _setFundingTime(uint256 timestamp) internal virtual;
    function _fundingRatio() internal view virtual returns (uint256);
    function _mayBorrow() internal view virtual returns (bool);

    /// The collateral index grows by the funding of the seconds since the last touch. Funding without collateral divides
    /// by zero, as in the original.
    function _accrue() internal override returns (uint256 debtIndex, uint256 collIndex) {
        (debtIndex, collIndex) = getDebtAndCollateralIndex();
        uint256 elapsed = block.timestamp - _fundingTime();
        if (elapsed == 0) return (debtIndex, collIndex);
        IConfiguration(configuration()).checkpoint(address(this));
        _setFundingTime(block.timestamp);
        uint256 ratio = _fundingRatio();
        if (ratio == 0) return (debtIndex, collIndex);
        (, uint256 shares) = getDebtAndCollateralShares();
        uint256 raw = _rawColl(shares, collIndex);
        uint256 funding = raw * ratio * elapsed / (PRECISION * 365 days);
        collIndex = collIndex * raw / (raw - funding);
        _setIndices(debtIndex, collIndex);
        emit CollateralIndexSnapshot(collIndex);
    }

    function _changeColls(Pass memory pass, uint256 shares, int256 change) private pure returns (uint256, int256) {
        if (change >= 0) {
            uint256 more = _collShares(uint256(change), pass.collIndex);
            pass.collShares += more;
            return (shares + more, change);
        }
        uint256 less = shares;
        if (change == type(int256).min) change = -int256(_rawColl(shares, pass.collIndex));
        else less = divUp(uint256(-change) * pass.collIndex, ONE_X96);
        if (less > shares) revert ErrorWithdrawExceedSupply();
        pass.collShares -= less;
        return (shares - less, change);
    }

    function _changeDebts(Pass memory pass, uint256 shares, int256 change) private pure returns (uint256, int256) {
        if (change >= 0) {
            uint256 more = divUp(uint256(change) * ONE_X96, pass.debtIndex);
            pass.debtShares += more;
            return (shares + more, change);
        }
        uint256 less = shares;
        if (change == type(int256).min) change = -int256(divUp(shares * pass.debtIndex, ONE_X96));
        else less = _debtShares(uint256(-change), pass.debtIndex);
        if (less > shares) revert ErrorRepayExceedDebt();
        pass.debtShares -= less;
        return (shares - less, change);
    }

    function _checkRatio(Pass memory pass, uint256 colls, uint256 debts) private view {
        uint256 debt = _rawDebt(debts, pass.debtIndex) * 1e36;
        uint256 value = _rawColl(colls, pass.collIndex) * pass.price;
        (uint256 low, uint256 high) = getDebtRatioRange();
        if (debt < value * low) revert ErrorDebtRatioTooSmall();
        if (debt > value * high) revert ErrorDebtRatioTooLarge();
    }

    function _settle(Pass memory pass, uint256 id, uint256 colls, uint256 debts) private {
        (int256 tick, uint48 node) = (int256(0), 0);
        if (debts > 0) (tick, node) = _addToTick(colls, debts);
        if (colls > type(uint96).max || debts > type(uint96).max) revert FieldTooLarge();
        positionData[id] = Position(int16(tick), node, uint96(colls), uint96(debts));
        _setTotals(pass.debtShares, pass.collShares);
        emit PositionSnapshot(id, int16(tick), colls, debts, pass.price);
    }

    function _links() internal pure returns (Links storage links) {
        bytes32 slot = keccak256("harrier.reference.fx.pool.links");
        assembly ("memory-safe") {
            links.slot := slot
        }
    }
}
