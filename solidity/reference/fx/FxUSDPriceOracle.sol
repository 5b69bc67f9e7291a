// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";
import {PRECISION} from "./Fields.sol";
import {IStableSwap, readFeed} from "./Feeds.sol";

/// Whether fxUSD is at its peg: the moving average of the USDC/fxUSD pool times USDC/USD, 1e18.
contract FxUSDPriceOracle is Access {
    event UpdateMaxPriceDeviation(uint256 above, uint256 below);

    address public curvePool;
    uint256 public stableFeed;
    /// Deviations from 1 that are still at peg, 1e18.
    uint256 public maxAbove;
    uint256 public maxBelow;

    function initialize(address curvePool_, uint256 stableFeed_, uint256 above, uint256 below) external once {
        curvePool = curvePool_;
        stableFeed = stableFeed_;
        updateMaxPriceDeviation(above, below);
    }

    function updateMaxPriceDeviation(uint256 above, uint256 below) public onlyAdmin {
        (maxAbove, maxBelow) = (above, below);
        emit UpdateMaxPriceDeviation(above, below);
    }

    /// Whether the price is inside its band, and the price.
    function getPrice() external view returns (bool isPegged, uint256 price) {
        price = _price();
        isPegged = price <= PRECISION + maxAbove && price + maxBelow >= PRECISION;
    }

    function isPriceAboveMaxDeviation() external view returns (bool) {
        return _price() > PRECISION + maxAbove;
    }

    function isPriceBelowMaxDeviation() external view returns (bool) {
        return _price() + maxBelow < PRECISION;
    }

    function _price() private view returns (uint256) {
        return IStableSwap(curvePool).price_oracle(0) * readFeed(stableFeed) / PRECISION;
    }
}
