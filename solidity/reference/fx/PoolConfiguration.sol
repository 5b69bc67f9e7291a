// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";
import {min} from "../Amounts.sol";
import {FEE_PRECISION, PRECISION} from "./Fields.sol";
import {IBasePool, IPool, IShortPool} from "./IFx.sol";
import {readFeed} from "./Feeds.sol";

interface ILendingPool {
    /// The borrow index, 1e27, as of now.
    function getReserveNormalizedVariableDebt(address asset) external view returns (uint256);
}

interface IPegOracle {
    function isPriceAboveMaxDeviation() external view returns (bool);
    function isPriceBelowMaxDeviation() external view returns (bool);
}

/// The lock of both managers, the gates of stable repayment and redemption, and the funding ratios.
///
///     funding ratio of a pool, 1e18 a year = floor + average borrow rate * slope * share
///        share, long:  of fxUSD in the base pool; all of it while fxUSD is below its band
///        share, short: of collateral value that is borrowed;  nothing while fxUSD is below its band
contract PoolConfiguration is Access {
    error ErrorPoolManagerLocked();
    error ErrorNotPoolManager();

    event UpdateFunding(address indexed pool, uint256 floor, uint256 slope);
    event BorrowRateSnapshot(uint256 borrowIndex, uint256 rate);

    /// floor: 1e18 a year. slope: 1e9.
    struct Funding {
        uint128 floor;
        uint128 slope;
    }

    /// The lending pool's index when it was last read, and the average rate up to then, 1e18 a year.
    struct Snapshot {
        uint128 borrowIndex;
        uint80 rate;
        uint48 timestamp;
    }

    uint256 private constant SHORTEST_AVERAGE = 30 minutes;

    address public longManager;
    address public shortManager;
    address public fxBASE;
    address public fxUSDPriceOracle;
    address public lendingPool;
    address public stable;
    uint256 public stableFeed;
    /// USDC below it may not repay, 1e18.
    uint256 public stableDepegPrice;
    Snapshot public borrowRateSnapshot;
    mapping(address => Funding) public funding;

    bool private transient isLocked;

    function initialize(
        address[2] calldata managers, // long, short
        address fxBASE_,
        address fxUSDPriceOracle_,
        address lendingPool_,
        address stable_,
        uint256 stableFeed_
    ) external once {
        (longManager, shortManager) = (managers[0], managers[1]);
        (fxBASE, fxUSDPriceOracle) = (fxBASE_, fxUSDPriceOracle_);
        (lendingPool, stable, stableFeed) = (lendingPool_, stable_, stableFeed_);
        stableDepegPrice = 0.995e18;
        uint256 index = ILendingPool(lendingPool_).getReserveNormalizedVariableDebt(stable_);
        borrowRateSnapshot = Snapshot(uint128(index), 0, uint48(block.timestamp));
    }

    /// Taken by a manager for the rest of the transaction.
    function lock() external {
        if (msg.sender != longManager && msg.sender != shortManager) revert ErrorNotPoolManager();
        if (isLocked) revert ErrorPoolManagerLocked();
        isLocked = true;
    }

    function updateFunding(address pool, uint128 floor, uint128 slope) external onlyAdmin {
        funding[pool] = Funding(floor, slope);
        emit UpdateFunding(pool, floor, slope);
    }

    /// Averages the lending pool's rate over at least half an hour.
    function checkpoint(address) external {
        Snapshot memory last = borrowRateSnapshot;
        uint256 elapsed = block.timestamp - last.timestamp;
        if (elapsed < SHORTEST_AVERAGE) return;
        uint256 index = ILendingPool(lendingPool).getReserveNormalizedVariableDebt(stable);
        uint256 rate = (index - last.borrowIndex) * PRECISION * 365 days / last.borrowIndex / elapsed;
        rate = min(rate, type(uint80).max);
        borrowRateSnapshot = Snapshot(uint128(index), uint80(rate), uint48(block.timestamp));
        emit BorrowRateSnapshot(index, rate);
    }

    /// USDC may be used when fxUSD is above its band and USDC itself is at peg.
    function isStableRepayAllowed() external view returns (bool) {
        return readFeed(stableFeed) >= stableDepegPrice && IPegOracle(fxUSDPriceOracle).isPriceAboveMaxDeviation();
    }

    /// fxUSD may be redeemed when it is below its band.
    function isRedeemAllowed() external view returns (bool) {
        return IPegOracle(fxUSDPriceOracle).isPriceBelowMaxDeviation();
    }

    function getLongPoolFundingRatio(address pool) external view returns (uint256) {
        Funding memory terms = funding[pool];
        if (terms.slope == 0) return terms.floor;
        uint256 fxUSD = IBasePool(fxBASE).totalYieldToken();
        uint256 all = fxUSD + IBasePool(fxBASE).totalStableToken() * IBasePool(fxBASE).getStableTokenPriceWithScale() / PRECISION;
        uint256 share = all == 0 ? 0 : fxUSD * PRECISION / all;
        if (IPegOracle(fxUSDPriceOracle).isPriceBelowMaxDeviation()) share = PRECISION;
        return _ratio(terms, share);
    }

    function getShortPoolFundingRatio(address pool) external view returns (uint256) {
        Funding memory terms = funding[pool];
        if (terms.slope == 0) return terms.floor;
        if (IPegOracle(fxUSDPriceOracle).isPriceBelowMaxDeviation()) return terms.floor;
        uint256 lendable = IPool(IShortPool(pool).counterparty()).getTotalRawCollaterals();
        uint256 share = lendable == 0 ? 0 : min(IPool(pool).getTotalRawDebts() * PRECISION / lendable, PRECISION);
        return _ratio(terms, share);
    }

    function _ratio(Funding memory terms, uint256 share) private view returns (uint256) {
        return terms.floor + borrowRateSnapshot.rate * uint256(terms.slope) / FEE_PRECISION * share / PRECISION;
    }
}
