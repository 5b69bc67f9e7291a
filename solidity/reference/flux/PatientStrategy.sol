// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {FluxStrategy} from "./FluxStrategy.sol";

/// A custom strategy, for tests: a strategy may have any rule, so that whoever predicts by formula must still ask. This one
/// closes nothing before a block, and from then on also healthy positions that are worth less than a least value.
contract PatientStrategy is FluxStrategy {
    uint256 public immutable firstBlock;
    /// USD of 18 decimals.
    uint256 public immutable leastValue;

    constructor(Figures memory figures, uint256 firstBlock_, uint256 leastValue_) FluxStrategy(figures) {
        firstBlock = firstBlock_;
        leastValue = leastValue_;
    }

    function evaluateLiquidation(address vault, address manager)
        public
        view
        override
        returns (bool canLiquidate, uint256 minPayment, uint256 trueDebt, uint256 positionValueUsd)
    {
        (canLiquidate, minPayment, trueDebt, positionValueUsd) = super.evaluateLiquidation(vault, manager);
        if (trueDebt != 0 && positionValueUsd < leastValue) canLiquidate = true;
        if (block.number < firstBlock) canLiquidate = false;
    }
}
