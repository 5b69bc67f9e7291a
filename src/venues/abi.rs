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

    /// Curve's StableSwap pools of all generations; the probing getters are answered by some of them.
    interface ICurvePool {
        function coins(uint256 index) external view returns (address);
        function gamma() external view returns (uint256);
        function D_ma_time() external view returns (uint256);
        function get_balances() external view returns (uint256[] memory);
        function A_precise() external view returns (uint256);
        function A() external view returns (uint256);
        function get_dy(int128 i, int128 j, uint256 dx) external view returns (uint256);
        function exchange(int128 i, int128 j, uint256 dx, uint256 min_dy) external payable returns (uint256);
    }

    /// Wrapped staked ether.
    interface IWstEth {
        function stETH() external view returns (address);
        function getStETHByWstETH(uint256 amount) external view returns (uint256);
        function getWstETHByStETH(uint256 amount) external view returns (uint256);
        function wrap(uint256 amount) external returns (uint256);
        function unwrap(uint256 amount) external returns (uint256);
    }
}
