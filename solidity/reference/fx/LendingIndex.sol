// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";

/// The one answer of Aave's pool that funding depends on: an asset's borrow index, growing at a set rate.
contract LendingIndex is Access {
    event RateSet(address indexed asset, uint256 rate);

    /// index: 1e27 as of `timestamp`. rate: 1e27 a year.
    struct Reserve {
        uint128 index;
        uint128 rate;
        uint256 timestamp;
    }

    mapping(address => Reserve) public reserves;

    function initialize() external once {}

    function setRate(address asset, uint128 rate) external onlyAdmin {
        uint256 index = getReserveNormalizedVariableDebt(asset);
        reserves[asset] = Reserve(uint128(index), rate, block.timestamp);
        emit RateSet(asset, rate);
    }

    function getReserveNormalizedVariableDebt(address asset) public view returns (uint256) {
        Reserve memory reserve = reserves[asset];
        if (reserve.index == 0) return 1e27;
        uint256 growth = uint256(reserve.rate) * (block.timestamp - reserve.timestamp) / 365 days;
        return reserve.index * (1e27 + growth) / 1e27;
    }
}
