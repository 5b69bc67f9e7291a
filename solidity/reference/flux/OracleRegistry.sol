// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Owned} from "../Owned.sol";
import {IFluxOracle, IFluxToken, IOracleRegistry} from "./IFlux.sol";

/// Prices and values of assets in USD, each from the oracle that the owner set for the asset. [D] as to the functions.
///
///     value = amount * price / 10^decimals, rounded down
contract OracleRegistry is Owned, IOracleRegistry {
    error NoOracle(address asset);

    event OracleSet(address indexed asset, address indexed oracle);

    mapping(address => address) public getOracle;

    function setOracle(address asset, address oracle) external onlyOwner {
        getOracle[asset] = oracle;
        emit OracleSet(asset, oracle);
    }

    function getPriceUSD(address asset) public view returns (uint256) {
        address oracle = getOracle[asset];
        if (oracle == address(0)) revert NoOracle(asset);
        return IFluxOracle(oracle).priceUSD();
    }

    function getValueUSD(address asset, uint256 amount) external view returns (uint256) {
        return amount * getPriceUSD(asset) / 10 ** IFluxToken(asset).decimals();
    }
}
