// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

// What the parts of Flux call of each other, and what a searcher sees. The protocol's own ABI is not public as a whole:
//
//   [D] documented: name and arguments are stated in the public documentation
//   [R] reference: chosen here, because the documentation does not say
//   [X] extension: wanted by a searcher's scope, no documented counterpart
//
// Amounts are in units of their token, USD and ratios have 18 decimals. An account is a vault, a subaccount a manager.

/// Events are all [R]; of the errors the first five are [D], the others [R].
interface IFluxEvents {
    event PositionUpdated(address indexed manager, uint256 principal, uint256 interest, uint256 bond);
    event WrapperRegistered(address indexed manager, address indexed wrapper);
    event Liquidated(
        address indexed manager,
        address indexed liquidator,
        uint256 fractionWad,
        uint256 positionValueUsd,
        uint256 debtCleared,
        uint256 payment,
        uint256 badDebt
    );
    event AutoDeleveraged(address indexed manager, address indexed caller, uint256 repaid);

    error NoExecutorRegistered();
    error PositionNotHealthy();
    error PositionNotActive();
    error PositionNotLiquidatable();
    error InsufficientPayment();

    error Locked();
    error NotLockHolder();
    error InsufficientLiquidity();
    error SelfLiquidation();
    error InvalidFraction();
    error NotADLManager();
    error PositionNotADLable();
    /// Less bond than is to be withdrawn.
    error InsufficientBond();
    /// More than is owed.
    error RepaymentAboveDebt();
    /// A wrapper that the factory does not know, or the base asset's where another is meant.
    error WrapperNotAllowed();
}

interface IFluxVault is IFluxEvents {
    function unlock(bytes calldata data) external; // [D]
    function liquidate(address manager, address[] calldata additionalWrappers, bytes calldata data) external; // [D]
    function liquidatePartial(
        address manager,
        uint256 fractionWad,
        address[] calldata additionalWrappers,
        bytes calldata data
    ) external; // [X]
    function adl(address manager) external returns (uint256 repaid); // [R]

    // [D], all of them
    function locked_borrow(uint256 amount) external;
    function locked_repay(uint256 amount) external;
    function locked_depositBond(uint256 amount) external;
    function locked_withdrawBond(uint256 amount) external;
    function locked_registerWrapper(address wrapper) external;
    function locked_deregisterWrapper(address wrapper) external;
    function locked_depositToWrapper(address wrapper, bytes32 positionId, uint256 amount) external;
    function locked_withdrawFromWrapper(address wrapper, bytes32 positionId, uint256 amount) external;
    function locked_claimFromWrapper(address wrapper, bytes32 positionId, uint256 amountOrTokenId) external;
    function locked_interactWithWrapper(address wrapper, bytes calldata data) external;
    function locked_moveFunds(bytes32 fromPositionId, bytes32 toPositionId, uint256 amount) external;

    function STRATEGY() external view returns (address); // [D]
    function asset() external view returns (address); // ERC-4626
    function totalAssets() external view returns (uint256); // ERC-4626

    // [R], all of them
    function trueDebt(address manager) external view returns (uint256);
    function positionValueUsd(address manager) external view returns (uint256);
    function bondOf(address manager) external view returns (uint256);
    function workingCapital(address manager) external view returns (uint256);
    function wrappersOf(address manager) external view returns (address[] memory);
    function managerCount() external view returns (uint256);
    function managerAt(uint256 index) external view returns (address);
    function cash() external view returns (uint256);
    function totalDebt() external view returns (uint256);
    function baseAssetWrapper() external view returns (address);
    function factory() external view returns (address);
    function adlManager() external view returns (address);
}

interface IFluxStrategy {
    function minBondRatio() external view returns (uint256); // [D]
    function liquidationBuffer() external view returns (uint256); // [R], as what follows
    function liquidationThreshold() external view returns (uint256);
    function liquidationProfitMargin() external view returns (uint256);
    function adlThreshold() external view returns (uint256);
    function adlUtilizationThreshold() external view returns (uint256);
    function yearlyRate() external view returns (uint256);
    function evaluateLiquidation(address vault, address manager)
        external
        view
        returns (bool canLiquidate, uint256 minPayment, uint256 trueDebt, uint256 positionValueUsd);
    function evaluateADL(address vault, address manager) external view returns (bool canDeleverage, uint256 repay);
}

/// Called back while the lock is held: the first by `unlock`, the second by a liquidation. [D] as to the names; the documentation
/// gives both lists of arguments, so there are two functions. [R]
interface IFluxExecutor {
    function fluxUnlockCallback(bytes calldata data) external;
    function fluxUnlockCallback(uint256 minPayment, uint256 trueDebt, bytes calldata data) external;
}

/// `underlyingAsset` and `getValue` are [D]; of the others the names are, as far as they are documented, and the arguments are [R].
interface IFluxWrapper {
    function underlyingAsset() external view returns (address);
    function getBalance(address account, address subaccount, bytes32 positionId) external view returns (uint256);
    /// USD, rounded down.
    function getValue(address account, address subaccount, bytes32 positionId) external view returns (uint256);
    /// Pulls from `from`, who allows the wrapper to.
    function deposit(address account, address subaccount, bytes32 positionId, uint256 amount, address from) external;
    function withdraw(address account, address subaccount, bytes32 positionId, uint256 amount, address to) external;
    /// Books what the wrapper holds and nobody owns.
    function claim(address account, address subaccount, bytes32 positionId, uint256 amountOrTokenId) external;
    /// What a wrapper can do besides; tokens that come out go to `to`.
    function customInteraction(address account, address subaccount, bytes calldata data, address to) external;
    /// A fraction of all positions of `from`, each rounded down; 1e18 is all.
    function ledgerTransferFraction(address account, address from, address to, uint256 fractionWad) external;
}

interface IFluxBaseWrapper is IFluxWrapper {
    /// Between two positions of one subaccount. [R]
    function ledgerMove(address account, address subaccount, bytes32 from, bytes32 to, uint256 amount) external;
}

interface IFluxFactory {
    function registerExecutor(address manager, address executor) external; // [D]
    function getExecutor(address manager) external view returns (address); // [D]
    function oracleRegistry() external view returns (address); // [D]
    function protocolFeeRate() external view returns (uint256); // [D]
    function isVault(address vault) external view returns (bool); // [R]
    function isWrapper(address wrapper) external view returns (bool); // [R]
}

interface IOracleRegistry {
    function getValueUSD(address asset, uint256 amount) external view returns (uint256); // [D]
    function getPriceUSD(address asset) external view returns (uint256); // [D]
    function getOracle(address asset) external view returns (address); // [D]
}

/// Where the registry reads one asset's price: USD of 18 decimals for one whole unit. [R]
interface IFluxOracle {
    function priceUSD() external view returns (uint256);
}

interface IFluxToken {
    function decimals() external view returns (uint8);
    function balanceOf(address owner) external view returns (uint256);
}
