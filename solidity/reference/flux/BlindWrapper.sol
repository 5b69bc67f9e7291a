// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {FungibleWrapper} from "./FungibleWrapper.sol";
import {IFluxFactory} from "./IFlux.sol";
import {WrapperLedger} from "./WrapperLedger.sol";

/// A wrapper whose value can't be had once it was blinded, for tests: the positions in it can't be evaluated, others can.
contract BlindWrapper is FungibleWrapper {
    error Blinded();

    bool public blinded;

    constructor(address token, IFluxFactory factory_) WrapperLedger(token, factory_) {}

    /// By anybody: it is a test's wrapper.
    function setBlinded(bool blinded_) external {
        blinded = blinded_;
    }

    function getValue(address account, address subaccount, bytes32 positionId) public view override returns (uint256) {
        if (blinded) revert Blinded();
        return super.getValue(account, subaccount, positionId);
    }
}
