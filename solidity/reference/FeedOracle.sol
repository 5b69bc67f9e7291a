// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

interface IFeed {
    function decimals() external view returns (uint8);
    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80);
}

interface IDecimals {
    function decimals() external view returns (uint8);
}

/// A Morpho market's oracle out of one or two feeds: what one unit of collateral is worth in units of the loan token,
/// scaled by 1e36.
///
///   price = 10^(36 + loan decimals - collateral decimals) * (collateral's feed / loan's feed), rounded down
///
/// Without a loan feed the collateral's feed already quotes in the loan token. It reverts when a feed does, and when
/// an answer is negative; a zero answer is a zero price, as in the oracles on mainnet.
contract FeedOracle {
    error NegativeAnswer();
    error ScaleTooSmall();

    IFeed public immutable collateralFeed;
    IFeed public immutable loanFeed;
    uint256 public immutable scale;

    constructor(address collateralToken, address loanToken, IFeed collateralFeed_, IFeed loanFeed_) {
        collateralFeed = collateralFeed_;
        loanFeed = loanFeed_;
        uint256 up = 36 + uint256(IDecimals(loanToken).decimals());
        uint256 down = uint256(IDecimals(collateralToken).decimals()) + collateralFeed_.decimals();
        if (address(loanFeed_) != address(0)) up += loanFeed_.decimals();
        if (up < down) revert ScaleTooSmall();
        scale = 10 ** (up - down);
    }

    function price() external view returns (uint256) {
        uint256 value = scale * _answer(collateralFeed);
        return address(loanFeed) == address(0) ? value : value / _answer(loanFeed);
    }

    function _answer(IFeed feed) private view returns (uint256) {
        (, int256 answer,,,) = feed.latestRoundData();
        if (answer < 0) revert NegativeAnswer();
        return uint256(answer);
    }
}
