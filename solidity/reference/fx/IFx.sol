// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

// What the f(x) reference contracts call on each other.

interface IToken {
    function balanceOf(address owner) external view returns (uint256);
    function decimals() external view returns (uint8);
    function totalSupply() external view returns (uint256);
}

interface IRateProvider {
    /// What one token is worth in the units of its price, times 1e18.
    function getRate() external view returns (uint256);
}

interface IPriceOracle {
    function getPrice() external view returns (uint256 anchorPrice, uint256 minPrice, uint256 maxPrice);
    function getExchangePrice() external view returns (uint256);
    function getLiquidatePrice() external view returns (uint256);
    function getRedeemPrice() external view returns (uint256);
}

/// Amounts are raw: 18 decimals.
struct RebalanceResult {
    uint256 rawColls;
    uint256 rawDebts;
    uint256 bonusRawColls;
}

/// Amounts are raw; `rawColls` and the bonus include what the reserve pays.
struct LiquidateResult {
    uint256 rawColls;
    uint256 rawDebts;
    uint256 bonusRawColls;
    uint256 bonusFromReserve;
}

interface IPool {
    function collateralToken() external view returns (address);
    function counterparty() external view returns (address);
    function getTotalRawCollaterals() external view returns (uint256);
    function getTotalRawDebts() external view returns (uint256);
    function operate(uint256 positionId, int256 newRawColl, int256 newRawDebt, address owner)
        external
        returns (uint256 id, int256 rawColl, int256 rawDebt);
    function redeem(uint256 rawDebts) external returns (uint256 actualRawDebts, uint256 rawColls);
    function rebalance(int16 tick, uint256 maxRawDebts) external returns (RebalanceResult memory);
    function rebalance(uint256 maxRawDebts) external returns (RebalanceResult memory);
    function liquidate(uint256 maxRawDebts, uint256 reservedRawColls) external returns (LiquidateResult memory);
}

interface IShortPool is IPool {
    function debtToken() external view returns (address);
    function creditNote() external view returns (address);
    function isKilled() external view returns (bool);
    function isUnderCollateral() external returns (bool underCollateral, uint256 shortfall);
    function redeemByCreditNote(uint256 rawDebts) external returns (uint256 actualRawDebts, uint256 rawColls);
    function kill() external returns (uint256 rawColls, uint256 rawDebts);
}

interface ILongManager {
    function borrow(address longPool, address shortPool, uint256 amount, address receiver) external;
    function repay(address longPool, address shortPool, uint256 amount) external;
    function repayByCreditNote(address longPool, address shortPool, uint256 amount) external;
    function rebalance(address pool, address receiver, int16 tick, uint256 maxFxUSD, uint256 maxStable)
        external
        returns (uint256 colls, uint256 fxUSDUsed, uint256 stableUsed);
    function rebalance(address pool, address receiver, uint256 maxFxUSD, uint256 maxStable)
        external
        returns (uint256 colls, uint256 fxUSDUsed, uint256 stableUsed);
    function liquidate(address pool, address receiver, uint256 maxFxUSD, uint256 maxStable)
        external
        returns (uint256 colls, uint256 fxUSDUsed, uint256 stableUsed);
}

interface IConfiguration {
    function lock() external;
    function checkpoint(address pool) external;
    function isStableRepayAllowed() external view returns (bool);
    function isRedeemAllowed() external view returns (bool);
    function getLongPoolFundingRatio(address pool) external view returns (uint256);
    function getShortPoolFundingRatio(address pool) external view returns (uint256);
}

interface IBasePool {
    function totalSupply() external view returns (uint256);
    function totalYieldToken() external view returns (uint256);
    function totalStableToken() external view returns (uint256);
    function getStableTokenPriceWithScale() external view returns (uint256);
}

interface IReservePool {
    function getBalance(address token) external view returns (uint256);
    function requestBonus(address token, address receiver, uint256 amount) external;
}

interface IMintable {
    function mint(address to, uint256 amount) external;
    function burn(address from, uint256 amount) external;
}

interface IFxUSD is IMintable {
    function onRebalanceWithStable(uint256 stableAmount, uint256 fxUSDAmount) external;
}
