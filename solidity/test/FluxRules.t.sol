// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {AggregatorOracle} from "../reference/flux/AggregatorOracle.sol";
import {FluxStrategy} from "../reference/flux/FluxStrategy.sol";
import {IFluxEvents, IFluxStrategy, IFluxWrapper} from "../reference/flux/IFlux.sol";
import {BlindWrapper} from "../reference/flux/BlindWrapper.sol";
import {OracleRegistry} from "../reference/flux/OracleRegistry.sol";
import {Aggregator} from "../reference/Aggregator.sol";
import {FluxWorld, IShares} from "./FluxWorld.sol";

/// Strategies, oracles and deleveraging of the Flux reference contracts.
contract FluxRulesTest is FluxWorld {
    /// 96 % of 1M are lent out, 50K of it to the manager, whose 10K of bond, 5K of working capital and 16 WETH make 55K.
    function openToDeleverage() private {
        open(10 * K, 960 * K, 16e18, 2_500e18);
        // All but 50K of the debt becomes somebody else's.
        weth.mint(address(liquidator), 1_000e18);
        then(address(usdc), abi.encodeCall(usdc.approve, (address(base), 960 * K)));
        toVault(abi.encodeCall(vault.locked_depositToWrapper, (address(base), 0, 915 * K)));
        toVault(abi.encodeCall(vault.locked_repay, (910 * K)));
        priceOf(address(weth), 1_000_000e18);
        manager.unlock(vault, calls());
        then(address(weth), abi.encodeCall(weth.approve, (address(wethWrapper), 1_000e18)));
        toVault(abi.encodeCall(vault.locked_borrow, (910 * K)));
        toVault(abi.encodeCall(vault.locked_registerWrapper, (address(wethWrapper))));
        toVault(abi.encodeCall(vault.locked_depositToWrapper, (address(wethWrapper), 0, 1_000e18)));
        liquidator.unlock(vault, calls());
        priceOf(address(weth), 2_500e18);
        same("value", vault.positionValueUsd(address(manager)), 55_000e18);
        same("debts", vault.totalDebt(), 960 * K);
    }

    function test_deleveraging_from_96_to_95_percent() external {
        openToDeleverage();
        vm.prank(STRANGER);
        vm.expectRevert(IFluxEvents.NotADLManager.selector);
        vault.adl(address(manager));
        vm.prank(KEEPER);
        same("repaid", vault.adl(address(manager)), 10 * K);
        same("debts", vault.totalDebt(), 950 * K);
        same("assets", vault.totalAssets(), 1_000 * K);
        same("debt", vault.trueDebt(address(manager)), 40 * K);
        same("working capital first", vault.workingCapital(address(manager)), 0);
        same("then the bond", vault.bondOf(address(manager)), 5 * K);
        same("health 1.125", vault.positionValueUsd(address(manager)), 45_000e18);
        vm.prank(KEEPER);
        vm.expectRevert(IFluxEvents.PositionNotADLable.selector);
        vault.adl(address(manager));
    }

    function test_margins_are_bounded() external {
        vm.expectRevert(FluxStrategy.MarginTooLarge.selector);
        new FluxStrategy(figures(0.2e18 + 1, 0));
        same("20 %", new FluxStrategy(figures(0.2e18, 0)).liquidationProfitMargin(), 0.2e18);
    }

    /// A custom strategy refuses before its block, and closes a healthy position that is too small for it.
    function test_a_custom_strategy_decides() external {
        uint256 first = block.number + 10;
        vault = vaultWith(ours("PatientStrategy", abi.encode(figures(0.01e18, 0), first, 200_000e18)));
        usdc.approve(address(vault), type(uint256).max);
        IShares(address(vault)).deposit(1_000 * K, address(this));
        openExample();
        vm.roll(first - 1);
        preparing(49_500e6);
        expectLiquidate(IFluxEvents.PositionNotLiquidatable.selector);
        vm.roll(first);
        (bool can, uint256 payment,,) = evaluated();
        so("underwater", can);
        same("payment", payment, 49_500e6);
        // Health 1.7, and worth less than 200K.
        priceOf(address(weth), 12_500e18);
        (can, payment,,) = evaluated();
        so("small", can);
        same("all of the debt", payment, 100 * K);
        priceOf(address(weth), 15_000e18);
        (can,,,) = evaluated();
        so("large", !can);
    }

    /// Interest alone makes it liquidatable, in the second in which the debt is above value / 1.1.
    function test_interest_alone_turns_it() external {
        vault = vaultWith(ours("FluxStrategy", abi.encode(figures(0.01e18, 0.1e18))));
        usdc.approve(address(vault), type(uint256).max);
        IShares(address(vault)).deposit(1_000 * K, address(this));
        uint256 opened = block.timestamp;
        open(20 * K, 100 * K, 36.4e18, 2_500e18);
        // 111,000 / 1.1 = 100,909.0909...: 909.090909 of interest are allowed, one unit more is not.
        uint256 seconds_ = uint256(909_090_909) * 31_536_000 / (10_000e6);
        vm.warp(opened + seconds_);
        (bool can,, uint256 debt,) = evaluated();
        so("not yet", !can && debt <= 100_909_090_909);
        vm.warp(opened + seconds_ + 1);
        (can,, debt,) = evaluated();
        so("now", can && debt > 100_909_090_909);
    }

    function test_a_blind_wrapper_stops_its_own_position_only() external {
        IFluxWrapper blind = wrapperOf("BlindWrapper", address(weth));
        openExample();
        toVault(abi.encodeCall(vault.locked_registerWrapper, (address(blind))));
        usdc.mint(address(liquidator), 2 * K);
        then(address(usdc), abi.encodeCall(usdc.approve, (address(vault), 2 * K)));
        toVault(abi.encodeCall(vault.locked_depositBond, (2 * K)));
        toVault(abi.encodeCall(vault.locked_borrow, (10 * K)));
        liquidator.unlock(vault, calls());
        BlindWrapper(address(blind)).setBlinded(true);
        IFluxStrategy strategy = IFluxStrategy(vault.STRATEGY());
        vm.expectRevert(BlindWrapper.Blinded.selector);
        strategy.evaluateLiquidation(address(vault), address(liquidator));
        (bool can, uint256 payment,,) = evaluated();
        so("the other", can);
        same("payment", payment, 49_500e6);
    }

    function test_oracles() external {
        Aggregator feed = Aggregator(ours("Aggregator", abi.encode(8, "WETH / USD", address(this), 2_500e8)));
        registry.setOracle(address(weth), ours("AggregatorOracle", abi.encode(feed, 3_600)));
        same("price", registry.getPriceUSD(address(weth)), 2_500e18);
        same("value", registry.getValueUSD(address(weth), 0.4e18), 1_000e18);
        same("rounded down", registry.getValueUSD(address(weth), 1), 2_500);
        uint256 written = block.timestamp;
        vm.warp(written + 3_600);
        same("old enough", registry.getPriceUSD(address(weth)), 2_500e18);
        vm.warp(written + 3_601);
        vm.expectRevert(abi.encodeWithSelector(AggregatorOracle.TooOld.selector, written));
        registry.getPriceUSD(address(weth));
        feed.transmit(0);
        vm.expectRevert(abi.encodeWithSelector(AggregatorOracle.InvalidAnswer.selector, int256(0)));
        registry.getPriceUSD(address(weth));
        vm.expectRevert(abi.encodeWithSelector(OracleRegistry.NoOracle.selector, STRANGER));
        registry.getPriceUSD(STRANGER);
    }
}
