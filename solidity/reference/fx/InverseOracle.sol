// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";
import {IPriceOracle, IRateProvider} from "./IFx.sol";
import {PRECISION} from "./Fields.sol";

/// The price of fxUSD in a short pool's debt token, 1e18: one over the long pool's price times the token's rate, so that
/// the least becomes the most.
contract InverseOracle is IPriceOracle, Access {
    address public longOracle;
    /// Zero for a token that needs no rate.
    address public rateProvider;

    function initialize(address longOracle_, address rateProvider_) external once {
        longOracle = longOracle_;
        rateProvider = rateProvider_;
    }

    function getPrice() public view returns (uint256 anchorPrice, uint256 minPrice, uint256 maxPrice) {
        (anchorPrice, minPrice, maxPrice) = IPriceOracle(longOracle).getPrice();
        return (_inverse(anchorPrice), _inverse(maxPrice), _inverse(minPrice));
    }

    function getExchangePrice() external view returns (uint256 price) {
        (, price,) = getPrice();
    }

    function getLiquidatePrice() external view returns (uint256 price) {
        (, price,) = getPrice();
    }

    function getRedeemPrice() external view returns (uint256 price) {
        (,, price) = getPrice();
    }

    function _inverse(uint256 price) private view returns (uint256) {
        uint256 rate = rateProvider == address(0) ? PRECISION : IRateProvider(rateProvider).getRate();
        return 1e36 / (price * rate / PRECISION);
    }
}
