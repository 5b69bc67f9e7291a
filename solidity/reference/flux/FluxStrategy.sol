// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {divUp, min} from "../Amounts.sol";
import {IFluxFactory, IFluxStrategy, IFluxToken, IFluxVault, IOracleRegistry} from "./IFlux.sol";

/// Rate and risk of a vault, fixed for ever: the documented kind of strategy with an immutable fixed rate.
///
///     threshold = 1 + minBondRatio - liquidationBuffer                       [D]
///     liquidatable: value < threshold * debt, strictly                       [D]
///     payment: the debt; of a position worth less, value * (1 - margin)      [D]
///     deleveraging: not liquidatable, value < adlThreshold * debt, utilisation above its threshold    [D], amounts [R]
contract FluxStrategy is IFluxStrategy {
    error MarginTooLarge();

    struct Figures {
        uint256 minBondRatio;
        uint256 liquidationBuffer;
        uint256 liquidationProfitMargin;
        uint256 adlThreshold;
        uint256 adlUtilizationThreshold;
        uint256 yearlyRate;
    }

    uint256 internal constant WAD = 1e18;
    uint256 private constant LARGEST_MARGIN = 0.2e18;

    uint256 public immutable minBondRatio;
    uint256 public immutable liquidationBuffer;
    uint256 public immutable liquidationThreshold;
    uint256 public immutable liquidationProfitMargin;
    uint256 public immutable adlThreshold;
    uint256 public immutable adlUtilizationThreshold;
    uint256 public immutable yearlyRate;

    constructor(Figures memory figures) {
        if (figures.liquidationProfitMargin > LARGEST_MARGIN) revert MarginTooLarge();
        minBondRatio = figures.minBondRatio;
        liquidationBuffer = figures.liquidationBuffer;
        liquidationThreshold = WAD + figures.minBondRatio - figures.liquidationBuffer;
        liquidationProfitMargin = figures.liquidationProfitMargin;
        adlThreshold = figures.adlThreshold;
        adlUtilizationThreshold = figures.adlUtilizationThreshold;
        yearlyRate = figures.yearlyRate;
    }

    /// The payment is given also where the position may not be liquidated. [R]
    function evaluateLiquidation(address vault, address manager)
        public
        view
        virtual
        returns (bool canLiquidate, uint256 minPayment, uint256 trueDebt, uint256 positionValueUsd)
    {
        trueDebt = IFluxVault(vault).trueDebt(manager);
        positionValueUsd = IFluxVault(vault).positionValueUsd(manager);
        (uint256 price, uint256 unit) = _base(vault);
        uint256 debtUsd = divUp(trueDebt * price, unit);
        canLiquidate = positionValueUsd * WAD < liquidationThreshold * debtUsd;
        minPayment = trueDebt;
        if (positionValueUsd < debtUsd) {
            uint256 kept = divUp(positionValueUsd * (WAD - liquidationProfitMargin), WAD);
            minPayment = min(trueDebt, divUp(kept * unit, price));
        }
    }

    /// The smallest repayment out of the manager's base assets that restores either bound. [R]
    function evaluateADL(address vault, address manager) external view returns (bool canDeleverage, uint256 repay) {
        (bool canLiquidate,, uint256 debt, uint256 value) = evaluateLiquidation(vault, manager);
        if (canLiquidate) return (false, 0);
        uint256 total = IFluxVault(vault).totalDebt();
        uint256 assets = IFluxVault(vault).totalAssets();
        if (total * WAD <= adlUtilizationThreshold * assets) return (false, 0);
        uint256 forHealth = _repaymentForHealth(vault, debt, value);
        if (forHealth == 0) return (false, 0);
        repay = min(min(debt, forHealth), total - adlUtilizationThreshold * assets / WAD);
        repay = min(repay, IFluxVault(vault).workingCapital(manager) + IFluxVault(vault).bondOf(manager));
        canDeleverage = repay != 0;
    }

    /// Zero where health is at the threshold already.
    function _repaymentForHealth(address vault, uint256 debt, uint256 value) private view returns (uint256) {
        (uint256 price, uint256 unit) = _base(vault);
        uint256 least = adlThreshold * divUp(debt * price, unit);
        if (value * WAD >= least) return 0;
        if (adlThreshold <= WAD) return debt;
        return divUp(divUp(least - value * WAD, adlThreshold - WAD) * unit, price);
    }

    /// The base asset's price, and how many of its units are a whole one.
    function _base(address vault) internal view returns (uint256 price, uint256 unit) {
        address asset = IFluxVault(vault).asset();
        price = IOracleRegistry(IFluxFactory(IFluxVault(vault).factory()).oracleRegistry()).getPriceUSD(asset);
        unit = 10 ** IFluxToken(asset).decimals();
    }
}
