// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {BasePool} from "./BasePool.sol";
import {PRECISION} from "./Fields.sol";
import {IConfiguration, IPriceOracle} from "./IFx.sol";

/// A pool of fxUSD against a token borrowed from the long pool's collateral.
///
///   201 debt token    202 credit note    203 time of the last funding    204 killed
contract ShortPool is BasePool {
    error ErrorPoolKilled();

    address public debtToken; // slot 201
    address public creditNote;
    uint256 public lastFundingTimestamp;
    bool public isKilled;

    function initialize(
        address manager,
        address configuration_,
        address fxUSD,
        address oracle,
        address debtToken_,
        address creditNote_
    ) external once {
        debtToken = debtToken_;
        creditNote = creditNote_;
        _startPool(manager, configuration_, fxUSD, oracle);
    }

    /// Whether the whole pool owes at least what it holds at the liquidation price, and the collateral that is missing.
    /// Accrues funding first.
    function isUnderCollateral() external onlyManager returns (bool underCollateral, uint256 shortfall) {
        Pass memory pass = _begin();
        pass.price = IPriceOracle(priceOracle).getLiquidatePrice();
        uint256 debt = _rawDebt(pass.debtShares, pass.debtIndex) * PRECISION;
        uint256 value = _rawColl(pass.collShares, pass.collIndex) * pass.price;
        if (debt < value) return (false, 0);
        return (true, (debt - value) / pass.price);
    }

    /// As `redeem`, without its pause flag.
    function redeemByCreditNote(uint256 rawDebts)
        external
        onlyManager
        returns (uint256 actualRawDebts, uint256 rawColls)
    {
        if (isKilled) revert ErrorPoolKilled();
        return _redeemPool(rawDebts);
    }

    /// Ends the pool: nothing can be redeemed or borrowed any more.
    function kill() external onlyManager returns (uint256 rawColls, uint256 rawDebts) {
        if (isKilled) revert ErrorPoolKilled();
        Pass memory pass = _begin();
        isKilled = true;
        return (_rawColl(pass.collShares, pass.collIndex), _rawDebt(pass.debtShares, pass.debtIndex));
    }

    function _fundingTime() internal view override returns (uint256) {
        return lastFundingTimestamp;
    }

    function _setFundingTime(uint256 timestamp) internal override {
        lastFundingTimestamp = timestamp;
    }

    function _fundingRatio() internal view override returns (uint256) {
        return IConfiguration(configuration()).getShortPoolFundingRatio(address(this));
    }

    function _mayBorrow() internal view override returns (bool) {
        return !isKilled;
    }
}
