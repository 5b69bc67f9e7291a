// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {IFluxOracle} from "./IFlux.sol";

/// A price that never changes, one of the documented kinds of feeds.
contract FixedPriceOracle is IFluxOracle {
    uint256 public immutable priceUSD;

    constructor(uint256 price) {
        priceUSD = price;
    }
}
