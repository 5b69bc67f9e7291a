// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

/// A stand-in for Morpho's adaptive-curve interest rate model, written from its published formulas.
///
///   utilisation u ──▶ error e in [-1, 1] around the target 0.9
///   rate at target moves by exp(speed * e * elapsed) within its bounds; its mean over the time since the last
///   update (trapezoid of start, middle and end) times the curve at e is the rate of the period
///
/// Signed fixed point with 18 decimals; every division truncates toward zero.
contract AdaptiveIrm {
    struct MarketParams {
        address loanToken;
        address collateralToken;
        address oracle;
        address irm;
        uint256 lltv;
    }

    struct Market {
        uint128 totalSupplyAssets;
        uint128 totalSupplyShares;
        uint128 totalBorrowAssets;
        uint128 totalBorrowShares;
        uint128 lastUpdate;
        uint128 fee;
    }

    error NotMorpho();

    event BorrowRateUpdate(bytes32 indexed id, uint256 avgBorrowRate, uint256 rateAtTarget);

    int256 private constant WAD = 1e18;
    int256 private constant YEAR = 365 days;
    int256 private constant STEEPNESS = 4e18;
    int256 private constant SPEED = 50e18 / YEAR;
    int256 private constant TARGET = 0.9e18;
    int256 private constant INITIAL_RATE = 0.04e18 / YEAR;
    int256 private constant LOWEST_RATE = 0.001e18 / YEAR;
    int256 private constant HIGHEST_RATE = 2e18 / YEAR;

    int256 private constant LN_2 = 693147180559945309;
    int256 private constant EXP_LOWEST = -41446531673892822312;
    int256 private constant EXP_HIGHEST = 93859467695000404319;
    int256 private constant EXP_HIGHEST_VALUE = 57716089161558943949701069502944508345128422502756744429568;

    /// Per second, by market.
    mapping(bytes32 => int256) public rateAtTarget; // slot 0, as in the original

    address public immutable MORPHO;

    constructor(address morpho) {
        MORPHO = morpho;
    }

    /// The rate per second since the last update; only the market's contract may ask, because the rate at target moves.
    function borrowRate(MarketParams calldata params, Market calldata market) external returns (uint256) {
        if (msg.sender != MORPHO) revert NotMorpho();
        bytes32 id = keccak256(abi.encode(params));
        (int256 rate, int256 end) = _borrowRate(id, market);
        rateAtTarget[id] = end;
        emit BorrowRateUpdate(id, uint256(rate), uint256(end));
        return uint256(rate);
    }

    function borrowRateView(MarketParams calldata params, Market calldata market) external view returns (uint256) {
        (int256 rate,) = _borrowRate(keccak256(abi.encode(params)), market);
        return uint256(rate);
    }

    function _borrowRate(bytes32 id, Market calldata market) private view returns (int256 rate, int256 end) {
        int256 utilisation = market.totalSupplyAssets == 0
            ? int256(0)
            : int256(uint256(market.totalBorrowAssets) * uint256(WAD) / market.totalSupplyAssets);
        int256 err = (utilisation - TARGET) * WAD / (utilisation > TARGET ? WAD - TARGET : TARGET);

        int256 start = rateAtTarget[id];
        int256 mean;
        if (start == 0) {
            (mean, end) = (INITIAL_RATE, INITIAL_RATE);
        } else {
            int256 exponent = SPEED * err / WAD * int256(block.timestamp - market.lastUpdate);
            if (exponent == 0) {
                (mean, end) = (start, start);
            } else {
                end = _moved(start, exponent);
                int256 middle = _moved(start, exponent / 2);
                mean = (start + end + 2 * middle) / 4;
            }
        }
        int256 slope = err < 0 ? WAD - WAD * WAD / STEEPNESS : STEEPNESS - WAD;
        rate = (slope * err / WAD + WAD) * mean / WAD;
    }

    function _moved(int256 start, int256 exponent) private pure returns (int256 moved) {
        moved = start * _exp(exponent) / WAD;
        if (moved < LOWEST_RATE) return LOWEST_RATE;
        if (moved > HIGHEST_RATE) return HIGHEST_RATE;
    }

    /// e^x: x = q ln 2 + r with |r| <= ln 2 / 2, and e^r by its second-order series.
    function _exp(int256 x) private pure returns (int256) {
        if (x < EXP_LOWEST) return 0;
        if (x >= EXP_HIGHEST) return EXP_HIGHEST_VALUE;
        int256 q = (x + (x < 0 ? -(LN_2 / 2) : LN_2 / 2)) / LN_2;
        int256 r = x - q * LN_2;
        int256 expR = WAD + r + r * r / WAD / 2;
        return q >= 0 ? expR << uint256(q) : expR >> uint256(-q);
    }
}
