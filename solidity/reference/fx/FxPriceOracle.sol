// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";
import {PRECISION} from "./Fields.sol";
import {IPriceOracle} from "./IFx.sol";
import {Source, readPath} from "./Feeds.sol";

/// The price of a long pool's collateral in USD, 1e18: an anchor out of feeds and averages, and the lowest and highest
/// price of anchor and spot pools. One that is further from the anchor than the largest deviation is the anchor instead.
///
///     anchor: [stETH/ETH average, ETH/USD feed]      spot: [[Uniswap v3 pool], [Curve spot, ETH/USD feed], …]
contract FxPriceOracle is IPriceOracle, Access {
    event UpdateMaxPriceDeviation(uint256 oldDeviation, uint256 newDeviation);

    /// 1e18; 1 % on mainnet.
    uint256 public maxPriceDeviation;
    Source[] private anchor;
    Source[][] private spot;
    /// Not empty for WBTC: BTC/USD, which lifts the anchor of a redemption while the first factor of the anchor
    /// (WBTC/BTC) is within 2 % of one.
    Source[] private lifted;

    function initialize(uint256 maxDeviation, Source[] calldata anchor_, Source[][] calldata spot_, Source[] calldata lifted_)
        external
        once
    {
        for (uint256 i; i < anchor_.length; ++i) {
            anchor.push(anchor_[i]);
        }
        for (uint256 i; i < lifted_.length; ++i) {
            lifted.push(lifted_[i]);
        }
        updateMaxPriceDeviation(maxDeviation);
        updateSpotSources(spot_);
    }

    function updateMaxPriceDeviation(uint256 maxDeviation) public onlyAdmin {
        emit UpdateMaxPriceDeviation(maxPriceDeviation, maxDeviation);
        maxPriceDeviation = maxDeviation;
    }

    function updateSpotSources(Source[][] calldata paths) public onlyAdmin {
        delete spot;
        for (uint256 i; i < paths.length; ++i) {
            spot.push();
            for (uint256 k; k < paths[i].length; ++k) {
                spot[i].push(paths[i][k]);
            }
        }
    }

    function getPrice() public view returns (uint256 anchorPrice, uint256 minPrice, uint256 maxPrice) {
        return _around(readPath(anchor));
    }

    function getExchangePrice() external view returns (uint256 price) {
        (, price,) = getPrice();
    }

    function getLiquidatePrice() external view returns (uint256 price) {
        (, price,) = getPrice();
    }

    function getRedeemPrice() external view returns (uint256 price) {
        uint256 anchorPrice = readPath(anchor);
        if (lifted.length > 0) {
            Source[] memory first = new Source[](1);
            first[0] = anchor[0];
            uint256 peg = readPath(first);
            uint256 higher = readPath(lifted);
            if (peg * 100 >= PRECISION * 98 && peg * 100 <= PRECISION * 102 && higher > anchorPrice) anchorPrice = higher;
        }
        (,, price) = _around(anchorPrice);
    }

    function _around(uint256 anchorPrice) private view returns (uint256, uint256 low, uint256 high) {
        (low, high) = (anchorPrice, anchorPrice);
        for (uint256 i; i < spot.length; ++i) {
            uint256 price = readPath(spot[i]);
            if (price < low) low = price;
            if (price > high) high = price;
        }
        uint256 most = anchorPrice * maxPriceDeviation;
        if ((anchorPrice - low) * PRECISION > most) low = anchorPrice;
        if ((high - anchorPrice) * PRECISION > most) high = anchorPrice;
        return (anchorPrice, low, high);
    }
}
