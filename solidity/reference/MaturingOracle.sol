// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

interface IRounds {
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

/// The price of something that pays out at a date, as principal tokens have it: the feed's answer less a discount that
/// shrinks with every second. It reverts while the feed's answer is older than the heartbeat allows.
contract MaturingOracle {
    error TooOld(uint256 updatedAt);

    IRounds public immutable feed;
    uint256 public immutable maturity;
    /// Discount a year, 1e18 is all of it.
    uint256 public immutable yearly;
    uint256 public immutable heartbeat;

    constructor(IRounds feed_, uint256 maturity_, uint256 yearly_, uint256 heartbeat_) {
        feed = feed_;
        maturity = maturity_;
        yearly = yearly_;
        heartbeat = heartbeat_;
    }

    function price() external view returns (uint256) {
        (, int256 answer,, uint256 updatedAt,) = feed.latestRoundData();
        if (block.timestamp > updatedAt + heartbeat) revert TooOld(updatedAt);
        uint256 left = block.timestamp < maturity ? maturity - block.timestamp : 0;
        uint256 discount = yearly * left / 365 days;
        return discount < 1e18 ? uint256(answer) * (1e18 - discount) / 1e18 : 0;
    }
}
