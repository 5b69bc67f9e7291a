// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {BasePool} from "./BasePool.sol";
import {field, withField} from "./Fields.sol";
import {IConfiguration} from "./IFx.sol";

/// A pool of collateral tokens against fxUSD.
///
///   201 unused    202 borrow snapshot: 0-127 index, 128-207 rate, 208-255 time of the last funding
contract LongPool is BasePool {
    uint256 private unused; // slot 201
    uint256 private snapshot; // slot 202

    function initialize(address manager, address configuration_, address collateral, address oracle) external once {
        _startPool(manager, configuration_, collateral, oracle);
    }

    /// Index and rate are kept by the configuration now; the time is that of the last funding.
    function borrowRateSnapshot() external view returns (uint128 borrowIndex, uint80 lastInterestRate, uint48 timestamp) {
        return (uint128(snapshot), uint80(field(snapshot, 128, 80)), uint48(field(snapshot, 208, 48)));
    }

    function _fundingTime() internal view override returns (uint256) {
        return field(snapshot, 208, 48);
    }

    function _setFundingTime(uint256 timestamp) internal override {
        snapshot = withField(snapshot, 208, 48, timestamp);
    }

    function _fundingRatio() internal view override returns (uint256) {
        return IConfiguration(configuration()).getLongPoolFundingRatio(address(this));
    }

    function _mayBorrow() internal pure override returns (bool) {
        return true;
    }
}
