//! Interfaces of the contracts that venues call.
#![allow(missing_docs, reason = "the interfaces' own names")]

use alloy::sol;

sol! {
    /// `solidity/src/Probe.sol`: runs a pool's own swap and undoes it.
    interface IProbe {
        function quoteV3(address pool, bool zeroForOne, int256 amountSpecified) external returns (int256 amount0, int256 amount1);
    }

    /// Uniswap V3 factory.
    interface IUniswapV3Factory {
        function getPool(address tokenA, address tokenB, uint24 fee) external view returns (address pool);
    }

    /// Uniswap V3 pool.
    interface IUniswapV3Pool {
        function factory() external view returns (address);
        function token0() external view returns (address);
        function token1() external view returns (address);
        function fee() external view returns (uint24);
    }
}
