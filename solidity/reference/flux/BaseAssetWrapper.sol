// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {FungibleWrapper} from "./FungibleWrapper.sol";
import {IFluxFactory} from "./IFlux.sol";
import {WrapperLedger} from "./WrapperLedger.sol";

/// Where a vault's base asset lies that managers have at work: position zero is the working capital [D], out of which a
/// liquidator pays.
contract BaseAssetWrapper is FungibleWrapper {
    constructor(address baseAsset, IFluxFactory factory_) WrapperLedger(baseAsset, factory_) {}

    /// `locked_moveFunds` of a vault ends here. [R]
    function ledgerMove(address account, address subaccount, bytes32 from, bytes32 to, uint256 amount)
        external
        onlyVault(account)
    {
        _debit(account, subaccount, from, amount);
        _credit(account, subaccount, to, amount);
    }
}
