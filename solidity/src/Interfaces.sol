// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

// Only the functions that Executor.sol and Probe.sol call, as the contracts on chain have them.

interface IERC20 {
    function balanceOf(address account) external view returns (uint256);
    function allowance(address owner, address spender) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
}

interface IWETH {
    function deposit() external payable;
    function withdraw(uint256 amount) external;
}

/// Morpho Blue and its fork Moolah; only the callbacks' names differ.
interface IMorpho {
    struct MarketParams {
        address loanToken;
        address collateralToken;
        address oracle;
        address irm;
        uint256 lltv;
    }

    function liquidate(
        MarketParams calldata market,
        address borrower,
        uint256 seizedAssets,
        uint256 repaidShares,
        bytes calldata data
    ) external returns (uint256 seized, uint256 repaid);
    function flashLoan(address token, uint256 assets, bytes calldata data) external;
}

interface IERC3156Lender {
    function flashLoan(address receiver, address token, uint256 amount, bytes calldata data) external returns (bool);
}

interface IBalancerV2Vault {
    function flashLoan(address recipient, address[] calldata tokens, uint256[] calldata amounts, bytes calldata data)
        external;
}

interface IBalancerV3Vault {
    function unlock(bytes calldata data) external returns (bytes memory);
    function sendTo(address token, address to, uint256 amount) external;
    function settle(address token, uint256 amountHint) external returns (uint256 credit);
}

interface IAaveV3Pool {
    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16 referral)
        external;
}

interface IUniswapV2Pair {
    function token0() external view returns (address);
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 blockTimestampLast);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

interface IUniswapV3Pool {
    function token0() external view returns (address);
    function swap(address recipient, bool zeroForOne, int256 amountSpecified, uint160 sqrtPriceLimitX96, bytes calldata data)
        external
        returns (int256 amount0, int256 amount1);
    function flash(address recipient, uint256 amount0, uint256 amount1, bytes calldata data) external;
}

/// What lenders, protocols and pools call back, by their own names; `onBalancerV3Unlock` is ours, because that vault
/// calls whatever it was told to.
interface ICallbacks {
    function onMorphoLiquidate(uint256 repaid, bytes calldata data) external;
    function onMoolahLiquidate(uint256 repaid, bytes calldata data) external;
    function onMorphoFlashLoan(uint256 assets, bytes calldata data) external;
    function onMoolahFlashLoan(uint256 assets, bytes calldata data) external;
    function onFlashLoan(address initiator, address token, uint256 amount, uint256 fee, bytes calldata data)
        external
        returns (bytes32);
    function executeOperation(address asset, uint256 amount, uint256 premium, address initiator, bytes calldata data)
        external
        returns (bool);
    function receiveFlashLoan(
        address[] calldata tokens,
        uint256[] calldata amounts,
        uint256[] calldata fees,
        bytes calldata data
    ) external;
    function onBalancerV3Unlock(bytes calldata data) external;
    function uniswapV2Call(address sender, uint256 amount0, uint256 amount1, bytes calldata data) external;
    function uniswapV3FlashCallback(uint256 fee0, uint256 fee1, bytes calldata data) external;
    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata data) external;
    function fluxUnlockCallback(bytes calldata data) external;
    function fluxUnlockCallback(uint256 minPayment, uint256 trueDebt, bytes calldata data) external;
}
