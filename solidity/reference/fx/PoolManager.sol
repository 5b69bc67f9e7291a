// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {divUp, min, pullToken, sendToken} from "../Amounts.sol";
import {FEE_PRECISION, PRECISION, field, withField} from "./Fields.sol";
import {
    IBasePool,
    IConfiguration,
    IFxUSD,
    IMintable,
    IPool,
    IReservePool,
    IShortPool,
    IToken,
    LiquidateResult,
    RebalanceResult
} from "./IFx.sol";
import {ManagerStorage} from "./ManagerStorage.sol";

/// The manager of long pools: holds their collateral, mints and burns fxUSD, lends collateral to short pools.
///
///     FxUSDBasePool ──rebalance, liquidate──▶ PoolManager ──▶ LongPool
///                     collateral, or credit notes for what is lent out ──▶ receiver
///     ShortPoolManager ──borrow (collateral out, notes in), repay (notes burned)──▶ PoolManager
///
///  155 threshold of permissioned liquidation    156 what short pools may borrow of a pool's collateral, 1e9
contract PoolManager is ManagerStorage {
    error ErrorCallerNotFxUSDSave();
    error ErrorCallerNotShortPoolManager();
    error ErrorRebalanceDebtsTooSmall();
    error ErrorLiquidateDebtsTooSmall();
    error ErrorStableRepayNotAllowed();
    error ErrorRedeemNotAllowed();
    error ErrorInsufficientRedeemedCollateral();
    error ErrorBorrowExceedCapacity();

    event RebalanceTick(address indexed pool, int16 indexed tick, uint256 colls, uint256 fxUSDDebts, uint256 stableDebts);
    event Rebalance(address indexed pool, uint256 colls, uint256 fxUSDDebts, uint256 stableDebts);
    event Liquidate(address indexed pool, uint256 colls, uint256 fxUSDDebts, uint256 stableDebts);
    event Redeem(address indexed pool, uint256 colls, uint256 debts, uint256 protocolFees);
    event UpdatePermissionedLiquidationThreshold(uint256 oldThreshold, uint256 newThreshold);

    /// Raw debt, 1 fxUSD.
    uint256 private constant MIN_REPAY = 1e18;

    /// What a repayment is settled by.
    struct Repayment {
        address pool;
        address receiver;
        uint256 maxFxUSD;
        uint256 maxStable;
        uint256 stablePrice;
        uint256 scale;
    }

    struct LongLinks {
        address fxBASE;
        address shortManager;
        address stable;
        mapping(address => uint256) lent;
    }

    uint256 public permissionedLiquidationThreshold; // slot 155
    mapping(address => uint256) public shortBorrowCapacityRatio;

    modifier onlyShortManager() {
        if (msg.sender != counterparty()) revert ErrorCallerNotShortPoolManager();
        _;
    }

    /// fxBASE, or anybody while it has hardly any shares.
    modifier onlyLiquidator() {
        address base = fxBASE();
        if (msg.sender != base && IBasePool(base).totalSupply() >= permissionedLiquidationThreshold) {
            revert ErrorCallerNotFxUSDSave();
        }
        _;
    }

    function initialize(
        address[5] calldata common, // fxUSD, configuration, treasury, revenue pool, reserve pool
        address fxBASE_,
        address shortManager,
        address stable
    ) external once {
        _startManager(common[0], common[1], common[2], common[3], common[4]);
        LongLinks storage links = _long();
        links.fxBASE = fxBASE_;
        links.shortManager = shortManager;
        links.stable = stable;
        updatePermissionedLiquidationThreshold(10_000e18);
    }

    function fxBASE() public view returns (address) {
        return _long().fxBASE;
    }

    /// The manager of short pools.
    function counterparty() public view returns (address) {
        return _long().shortManager;
    }

    /// Collateral in token units, rawColl and debt with 18 decimals.
    function getPoolInfo(address pool)
        external
        view
        returns (uint256 collCapacity, uint256 collBalance, uint256 rawColl, uint256 debtCapacity, uint256 debtBalance)
    {
        PoolWords memory words = pools[pool];
        return (
            field(words.first, 0, 85),
            field(words.first, 85, 85),
            field(words.first, 170, 86),
            field(words.second, 0, 96),
            field(words.second, 96, 96)
        );
    }

    function registerPool(address pool, uint256 collCapacity, uint256 debtCapacity, uint256 shortRatio) external onlyAdmin {
        _register(pool);
        pools[pool] = PoolWords(withField(0, 0, 85, collCapacity), withField(0, 0, 96, debtCapacity));
        shortBorrowCapacityRatio[pool] = shortRatio;
    }

    function updatePermissionedLiquidationThreshold(uint256 threshold) public onlyAdmin {
        emit UpdatePermissionedLiquidationThreshold(permissionedLiquidationThreshold, threshold);
        permissionedLiquidationThreshold = threshold;
    }

    /// Opens, changes or closes a position: collateral in token units, debt in fxUSD; the smallest int256 means all.
    function operate(address pool, uint256 positionId, int256 newColl, int256 newDebt)
        external
        onlyTopLevelCall
        onlyRegistered(pool)
        nonReentrant
        whenNotPaused
        locked
        returns (uint256 id)
    {
        address token = IPool(pool).collateralToken();
        uint256 scale = getTokenScalingFactor(token);
        if (newColl > 0) pullToken(token, msg.sender, address(this), uint256(newColl));
        int256 rawColl = newColl == type(int256).min ? newColl : _scaled(newColl, scale, PRECISION);
        (id, rawColl, newDebt) = IPool(pool).operate(positionId, rawColl, newDebt, msg.sender);
        if (newColl < 0) newColl = _scaled(rawColl, PRECISION, scale);
        _book(pool, newColl, rawColl, newDebt);
        if (newColl < 0) _pay(pool, token, uint256(-newColl), msg.sender);
        if (newDebt > 0) IMintable(fxUSD()).mint(msg.sender, uint256(newDebt));
        if (newDebt < 0) IMintable(fxUSD()).burn(msg.sender, uint256(-newDebt));
        emit Operate(pool, id, newColl, newDebt, 0);
    }

    /// Redeems fxUSD for collateral; open only while the configuration allows it.
    function redeem(address pool, uint256 debts, uint256 minColls)
        external
        onlyRegistered(pool)
        nonReentrant
        whenNotPaused
        locked
        returns (uint256 colls)
    {
        if (!IConfiguration(configuration()).isRedeemAllowed()) revert ErrorRedeemNotAllowed();
        address token = IPool(pool).collateralToken();
        (uint256 rawDebts, uint256 rawColls) = IPool(pool).redeem(debts);
        colls = rawColls * PRECISION / getTokenScalingFactor(token);
        uint256 fee = colls * getRedeemFeeRatio() / FEE_PRECISION;
        _book(pool, -int256(colls), -int256(rawColls), -int256(rawDebts));
        fees[pool] += fee;
        emit Redeem(pool, colls, rawDebts, fee);
        colls -= fee;
        if (colls < minColls) revert ErrorInsufficientRedeemedCollateral();
        IMintable(fxUSD()).burn(msg.sender, rawDebts);
        _pay(pool, token, colls, msg.sender);
    }

    function rebalance(address pool, address receiver, int16 tick, uint256 maxFxUSD, uint256 maxStable)
        external
        onlyRegistered(pool)
        nonReentrant
        whenNotPaused
        onlyLiquidator
        returns (uint256 colls, uint256 fxUSDUsed, uint256 stableUsed)
    {
        (Repayment memory repayment, uint256 budget) = _prepare(pool, receiver, maxFxUSD, maxStable);
        if (budget < MIN_REPAY) revert ErrorRebalanceDebtsTooSmall();
        (colls, fxUSDUsed, stableUsed) = _finish(repayment, _without(IPool(pool).rebalance(tick, budget)));
        emit RebalanceTick(pool, tick, colls, fxUSDUsed, stableUsed);
    }

    function rebalance(address pool, address receiver, uint256 maxFxUSD, uint256 maxStable)
        external
        onlyRegistered(pool)
        nonReentrant
        whenNotPaused
        onlyLiquidator
        locked
        returns (uint256 colls, uint256 fxUSDUsed, uint256 stableUsed)
    {
        (Repayment memory repayment, uint256 budget) = _prepare(pool, receiver, maxFxUSD, maxStable);
        if (budget < MIN_REPAY) revert ErrorRebalanceDebtsTooSmall();
        (colls, fxUSDUsed, stableUsed) = _finish(repayment, _without(IPool(pool).rebalance(budget)));
        emit Rebalance(pool, colls, fxUSDUsed, stableUsed);
    }

    function liquidate(address pool, address receiver, uint256 maxFxUSD, uint256 maxStable)
        external
        onlyRegistered(pool)
        nonReentrant
        whenNotPaused
        onlyLiquidator
        locked
        returns (uint256 colls, uint256 fxUSDUsed, uint256 stableUsed)
    {
        (Repayment memory repayment, uint256 budget) = _prepare(pool, receiver, maxFxUSD, maxStable);
        if (budget < MIN_REPAY) revert ErrorLiquidateDebtsTooSmall();
        uint256 reserve = IReservePool(reservePool).getBalance(IPool(pool).collateralToken());
        LiquidateResult memory result = IPool(pool).liquidate(budget, reserve * repayment.scale / PRECISION);
        (colls, fxUSDUsed, stableUsed) = _finish(repayment, result);
        emit Liquidate(pool, colls, fxUSDUsed, stableUsed);
    }

    /// Lends collateral to a short pool's borrower against notes that stay here.
    function borrow(address longPool, address shortPool, uint256 amount, address receiver) external onlyShortManager {
        uint256 lent = _long().lent[longPool] + amount;
        uint256 balance = field(pools[longPool].first, 85, 85);
        if (lent > balance * shortBorrowCapacityRatio[longPool] / FEE_PRECISION) revert ErrorBorrowExceedCapacity();
        _long().lent[longPool] = lent;
        IMintable(IShortPool(shortPool).creditNote()).mint(address(this), amount);
        sendToken(IPool(longPool).collateralToken(), receiver, amount);
    }

    /// The debt tokens have arrived here; as many notes are burned.
    function repay(address longPool, address shortPool, uint256 amount) external onlyShortManager {
        _returnLent(longPool, amount);
        IMintable(IShortPool(shortPool).creditNote()).burn(address(this), amount);
    }

    /// The notes come from their holder, by way of the short manager: no token comes back.
    function repayByCreditNote(address longPool, address shortPool, uint256 amount) external onlyShortManager {
        _returnLent(longPool, amount);
        IMintable(IShortPool(shortPool).creditNote()).burn(msg.sender, amount);
    }

    function _prepare(address pool, address receiver, uint256 maxFxUSD, uint256 maxStable)
        private
        view
        returns (Repayment memory repayment, uint256 budget)
    {
        repayment = Repayment({
            pool: pool,
            receiver: receiver,
            maxFxUSD: maxFxUSD,
            maxStable: maxStable,
            stablePrice: IBasePool(fxBASE()).getStableTokenPriceWithScale(),
            scale: getTokenScalingFactor(IPool(pool).collateralToken())
        });
        budget = maxFxUSD + maxStable * repayment.stablePrice / PRECISION;
    }

    /// Takes the debt from the caller, fxUSD first, and pays the collateral out. Tokens are never more than the reserve has.
    function _finish(Repayment memory repayment, LiquidateResult memory result)
        private
        returns (uint256 colls, uint256 fxUSDUsed, uint256 stableUsed)
    {
        address token = IPool(repayment.pool).collateralToken();
        colls = (result.rawColls + result.bonusRawColls) * PRECISION / repayment.scale;
        uint256 fromReserve;
        if (result.bonusFromReserve > 0) {
            fromReserve = result.bonusFromReserve * PRECISION / repayment.scale;
            fromReserve = min(fromReserve, IReservePool(reservePool).getBalance(token));
            IReservePool(reservePool).requestBonus(token, address(this), fromReserve);
        }
        int256 rawOut = int256(result.rawColls + result.bonusRawColls - result.bonusFromReserve);
        _book(repayment.pool, int256(fromReserve) - int256(colls), -rawOut, -int256(result.rawDebts));
        uint256 fee = _expense(result.bonusRawColls * PRECISION / repayment.scale);
        fees[repayment.pool] += fee;
        colls -= fee;

        fxUSDUsed = min(result.rawDebts, repayment.maxFxUSD);
        IFxUSD dollar = IFxUSD(fxUSD());
        if (fxUSDUsed > 0) dollar.burn(msg.sender, fxUSDUsed);
        if (result.rawDebts > fxUSDUsed) {
            if (!IConfiguration(configuration()).isStableRepayAllowed()) revert ErrorStableRepayNotAllowed();
            stableUsed = divUp((result.rawDebts - fxUSDUsed) * PRECISION, repayment.stablePrice);
            pullToken(_long().stable, msg.sender, address(dollar), stableUsed);
            dollar.onRebalanceWithStable(stableUsed, result.rawDebts - fxUSDUsed);
        }
        _pay(repayment.pool, token, colls, repayment.receiver);
    }

    /// Pays collateral; what is lent out is paid in the short pool's notes.
    function _pay(address pool, address token, uint256 amount, address receiver) private {
        uint256 balance = IToken(token).balanceOf(address(this));
        if (balance < amount) {
            address short = IPool(pool).counterparty();
            if (short == address(0)) {
                // The original asks the token's strategy here, and there is none.
                assembly ("memory-safe") {
                    revert(0, 0)
                }
            }
            sendToken(IShortPool(short).creditNote(), receiver, amount - balance);
            amount = balance;
        }
        if (amount > 0) sendToken(token, receiver, amount);
    }

    function _book(address pool, int256 colls, int256 rawColls, int256 debts) private {
        PoolWords storage words = pools[pool];
        uint256 first = _move(words.first, 85, 85, 85, colls, ErrorCollateralExceedCapacity.selector);
        int256 raw = int256(field(first, 170, 86)) + rawColls;
        words.first = withField(first, 170, 86, raw < 0 ? 0 : uint256(raw));
        words.second = _move(words.second, 96, 96, 96, debts, ErrorDebtExceedCapacity.selector);
    }

    function _returnLent(address longPool, uint256 amount) private {
        uint256 lent = _long().lent[longPool];
        _long().lent[longPool] = lent - min(lent, amount);
    }

    function _without(RebalanceResult memory result) private pure returns (LiquidateResult memory) {
        return LiquidateResult(result.rawColls, result.rawDebts, result.bonusRawColls, 0);
    }

    /// Rounds towards zero.
    function _scaled(int256 amount, uint256 times, uint256 by) private pure returns (int256) {
        return amount * int256(times) / int256(by);
    }

    function _long() private pure returns (LongLinks storage links) {
        bytes32 slot = keccak256("harrier.reference.fx.manager.long");
        assembly ("memory-safe") {
            links.slot := slot
        }
    }
}
