// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {divUp, pullToken, sendToken} from "../Amounts.sol";
import {FEE_PRECISION, PRECISION, field, withField} from "./Fields.sol";
import {
    ILongManager,
    IPool,
    IReservePool,
    IShortPool,
    LiquidateResult,
    RebalanceResult
} from "./IFx.sol";
import {ManagerStorage} from "./ManagerStorage.sol";

/// The manager of short pools: holds their fxUSD; the debt tokens are the long manager's collateral.
///
///     caller ──debt tokens──▶ PoolManager (burns as many notes)     ShortPoolManager ──fxUSD──▶ receiver
///     caller ──credit notes──▶ burned                               ShortPoolManager ──fxUSD──▶ caller
///
///  155 what a killed pool held
contract ShortPoolManager is ManagerStorage {
    error ErrorDebtsTooSmall();
    error ErrorUnderCollateral();
    error ErrorPoolKilled();
    error ErrorRedeemExceedTotalDebt();
    error ErrorInsufficientRedeemedCollateral();

    event RebalanceTick(address indexed pool, int16 indexed tick, uint256 colls, uint256 debts);
    event Rebalance(address indexed pool, uint256 colls, uint256 debts);
    event Liquidate(address indexed pool, uint256 colls, uint256 debts);
    event RedeemByCreditNote(address indexed pool, uint256 colls, uint256 debts, uint256 fees);
    event KillPool(address indexed pool, uint256 rawColls, uint256 rawDebts);

    struct KillData {
        uint128 rawColls;
        uint128 rawDebts;
    }

    mapping(address => KillData) public killPoolData; // slot 155

    function initialize(
        address[5] calldata common, // fxUSD, configuration, treasury, revenue pool, reserve pool
        address longManager
    ) external once {
        _startManager(common[0], common[1], common[2], common[3], common[4]);
        _setLongManager(longManager);
    }

    /// The manager of long pools.
    function counterparty() public view returns (address manager) {
        bytes32 slot = keccak256("harrier.reference.fx.manager.short");
        assembly ("memory-safe") {
            manager := sload(slot)
        }
    }

    /// fxUSD, and raw debt.
    function getPoolInfo(address pool)
        external
        view
        returns (uint256 collCapacity, uint256 collBalance, uint256 rawDebtCapacity, uint256 rawDebtBalance)
    {
        PoolWords memory words = pools[pool];
        return (
            field(words.first, 0, 96), field(words.first, 96, 96), field(words.second, 0, 96), field(words.second, 96, 96)
        );
    }

    /// The least raw debt that a rebalance, a liquidation or a redemption may name.
    function getMinRawDebt(address pool) public view returns (uint256) {
        return field(pools[pool].second, 192, 64);
    }

    function registerPool(address pool, uint256 collCapacity, uint256 rawDebtCapacity, uint256 minRawDebt)
        external
        onlyAdmin
    {
        _register(pool);
        uint256 second = withField(withField(0, 0, 96, rawDebtCapacity), 192, 64, minRawDebt);
        pools[pool] = PoolWords(withField(0, 0, 96, collCapacity), second);
    }

    /// Opens, changes or closes a position: fxUSD against the debt token's units; the smallest int256 means all.
    function operate(address pool, uint256 positionId, int256 newColl, int256 newDebt)
        external
        onlyTopLevelCall
        onlyRegistered(pool)
        nonReentrant
        whenNotPaused
        locked
        returns (uint256 id)
    {
        address token = IShortPool(pool).debtToken();
        uint256 scale = getTokenScalingFactor(token);
        if (newColl > 0) pullToken(fxUSD(), msg.sender, address(this), uint256(newColl));
        int256 rawDebt = newDebt == type(int256).min ? newDebt : newDebt * int256(scale) / int256(PRECISION);
        (id, newColl, rawDebt) = IPool(pool).operate(positionId, newColl, rawDebt, msg.sender);
        _book(pool, newColl, rawDebt);
        address longPool = IPool(pool).counterparty();
        if (newDebt > 0) {
            ILongManager(counterparty()).borrow(longPool, pool, uint256(newDebt), msg.sender);
        } else if (newDebt < 0) {
            uint256 repaid = divUp(uint256(-rawDebt) * PRECISION, scale);
            _repay(pool, token, repaid);
            newDebt = -int256(repaid);
        }
        if (newColl < 0) sendToken(fxUSD(), msg.sender, uint256(-newColl));
        emit Operate(pool, id, newColl, newDebt, 0);
    }

    function rebalance(address pool, address receiver, int16 tick, uint256 maxRawDebts)
        external
        onlyRegistered(pool)
        nonReentrant
        whenNotPaused
        returns (uint256 colls, uint256 debts)
    {
        _checkSize(pool, maxRawDebts);
        (colls, debts) = _finish(pool, receiver, _without(IPool(pool).rebalance(tick, maxRawDebts)));
        emit RebalanceTick(pool, tick, colls, debts);
    }

    function rebalance(address pool, address receiver, uint256 maxRawDebts)
        external
        onlyRegistered(pool)
        nonReentrant
        whenNotPaused
        locked
        returns (uint256 colls, uint256 debts)
    {
        _checkSize(pool, maxRawDebts);
        (colls, debts) = _finish(pool, receiver, _without(IPool(pool).rebalance(maxRawDebts)));
        emit Rebalance(pool, colls, debts);
    }

    /// Closed while the whole pool is under water.
    function liquidate(address pool, address receiver, uint256 maxRawDebts)
        external
        onlyRegistered(pool)
        nonReentrant
        whenNotPaused
        locked
        returns (uint256 colls, uint256 debts)
    {
        _checkSize(pool, maxRawDebts);
        (bool isUnder,) = IShortPool(pool).isUnderCollateral();
        if (isUnder) revert ErrorUnderCollateral();
        uint256 reserve = IReservePool(reservePool).getBalance(fxUSD());
        (colls, debts) = _finish(pool, receiver, IPool(pool).liquidate(maxRawDebts, reserve));
        emit Liquidate(pool, colls, debts);
    }

    /// Burns `debts` notes, in debt token units, and pays fxUSD for the debt that could be redeemed: maybe for less.
    function redeemByCreditNote(address pool, uint256 debts, uint256 minColls)
        external
        onlyRegistered(pool)
        nonReentrant
        whenNotPaused
        returns (uint256 colls)
    {
        if (IShortPool(pool).isKilled()) revert ErrorPoolKilled();
        pullToken(IShortPool(pool).creditNote(), msg.sender, address(this), debts);
        uint256 raw = debts * getTokenScalingFactor(IShortPool(pool).debtToken()) / PRECISION;
        if (raw > IPool(pool).getTotalRawDebts()) revert ErrorRedeemExceedTotalDebt();
        _checkSize(pool, raw);
        (, uint256 rawColls) = IShortPool(pool).redeemByCreditNote(raw);
        ILongManager(counterparty()).repayByCreditNote(IPool(pool).counterparty(), pool, debts);
        _book(pool, -int256(rawColls), -int256(raw));
        uint256 fee = rawColls * getRedeemFeeRatio() / FEE_PRECISION;
        fees[pool] += fee;
        colls = rawColls - fee;
        if (colls < minColls) revert ErrorInsufficientRedeemedCollateral();
        sendToken(fxUSD(), msg.sender, colls);
        emit RedeemByCreditNote(pool, colls, debts, fee);
    }

    function killPool(address pool) external onlyAdmin onlyRegistered(pool) {
        (uint256 rawColls, uint256 rawDebts) = IShortPool(pool).kill();
        killPoolData[pool] = KillData(uint128(rawColls), uint128(rawDebts));
        emit KillPool(pool, rawColls, rawDebts);
    }

    function _checkSize(address pool, uint256 rawDebts) private view {
        if (rawDebts < getMinRawDebt(pool)) revert ErrorDebtsTooSmall();
    }

    /// Takes the debt tokens, burns notes, pays fxUSD.
    function _finish(address pool, address receiver, LiquidateResult memory result)
        private
        returns (uint256 colls, uint256 debts)
    {
        address token = IShortPool(pool).debtToken();
        debts = result.rawDebts * PRECISION / getTokenScalingFactor(token);
        if (result.bonusFromReserve > 0) {
            IReservePool(reservePool).requestBonus(fxUSD(), address(this), result.bonusFromReserve);
        }
        colls = result.rawColls + result.bonusRawColls;
        _book(pool, int256(result.bonusFromReserve) - int256(colls), -int256(result.rawDebts));
        uint256 fee = _expense(result.bonusRawColls);
        fees[pool] += fee;
        colls -= fee;
        _repay(pool, token, debts);
        if (colls > 0) sendToken(fxUSD(), receiver, colls);
    }

    function _repay(address pool, address token, uint256 amount) private {
        address longManager = counterparty();
        pullToken(token, msg.sender, longManager, amount);
        ILongManager(longManager).repay(IPool(pool).counterparty(), pool, amount);
    }

    function _book(address pool, int256 colls, int256 rawDebts) private {
        PoolWords storage words = pools[pool];
        words.first = _move(words.first, 96, 96, 96, colls, ErrorCollateralExceedCapacity.selector);
        words.second = _move(words.second, 96, 96, 96, rawDebts, ErrorDebtExceedCapacity.selector);
    }

    function _without(RebalanceResult memory result) private pure returns (LiquidateResult memory) {
        return LiquidateResult(result.rawColls, result.rawDebts, result.bonusRawColls, 0);
    }

    function _setLongManager(address manager) private {
        bytes32 slot = keccak256("harrier.reference.fx.manager.short");
        assembly ("memory-safe") {
            sstore(slot, manager)
        }
    }
}
