// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {IFluxOracle} from "./IFlux.sol";

interface IAggregatorRounds {
    function decimals() external view returns (uint8);
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

/// A Chainlink aggregator's answer in 18 decimals, one of the documented kinds of feeds. It reverts while the answer is not
/// positive or older than the heartbeat. [R]
contract AggregatorOracle is IFluxOracle {
    error InvalidAnswer(int256 answer);
    error TooOld(uint256 updatedAt);

    IAggregatorRounds public immutable aggregator;
    uint256 public immutable heartbeat;
    uint256 private immutable scale;

    constructor(IAggregatorRounds aggregator_, uint256 heartbeat_) {
        aggregator = aggregator_;
        heartbeat = heartbeat_;
        scale = 10 ** (18 - aggregator_.decimals());
    }

    function priceUSD() external view returns (uint256) {
        (, int256 answer,, uint256 updatedAt,) = aggregator.latestRoundData();
        if (answer <= 0) revert InvalidAnswer(answer);
        if (block.timestamp > updatedAt + heartbeat) revert TooOld(updatedAt);
        return uint256(answer) * scale;
    }
}
