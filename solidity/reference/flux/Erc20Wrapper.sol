// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {FungibleWrapper} from "./FungibleWrapper.sol";
import {IFluxFactory} from "./IFlux.sol";
import {WrapperLedger} from "./WrapperLedger.sol";

/// A wrapper of any ERC-20 token that managers may hold.
contract Erc20Wrapper is FungibleWrapper {
    constructor(address token, IFluxFactory factory_) WrapperLedger(token, factory_) {}
}
