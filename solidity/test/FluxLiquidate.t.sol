// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {FluxScript} from "../reference/flux/FluxScript.sol";
import {IFluxEvents, IFluxWrapper} from "../reference/flux/IFlux.sol";
import {FluxWorld, IShares} from "./FluxWorld.sol";
import {Vm} from "./Vm.sol";

/// Liquidations of the Flux reference vault: the documented examples by real calls, and the edges of the rule.
contract FluxLiquidateTest is FluxWorld {
    function example() private {
        openExample();
        selling(12e18, 29_799e6);
        toVault(abi.encodeCall(vault.locked_withdrawBond, (20 * K)));
    }

    function exampleIsOver() private view {
        same("profit", usdc.balanceOf(address(liquidator)), 299e6);
        same("assets", vault.totalAssets(), 949_500e6);
        same("cash", vault.cash(), 949_500e6);
        same("share", IShares(address(vault)).convertToAssets(WAD), 0.9495e18);
        same("asked for", liquidator.minPayment(), 49_500e6);
        same("debt", liquidator.debt(), 100 * K);
        closed();
    }

    function test_step_by_step_seize_first() external {
        example();
        preparing(49_500e6);
        liquidate();
        exampleIsOver();
    }

    function test_step_by_step_borrow_first() external {
        openExample();
        toVault(abi.encodeCall(vault.locked_borrow, (49_500e6)));
        selling(12e18, 29_799e6);
        toVault(abi.encodeCall(vault.locked_withdrawBond, (20 * K)));
        preparing(49_500e6);
        toVault(abi.encodeCall(vault.locked_repay, (49_500e6)));
        liquidate();
        exampleIsOver();
    }

    function test_the_event_says_what_happened() external {
        example();
        preparing(49_500e6);
        vm.recordLogs();
        liquidate();
        Vm.Log[] memory logs = recorded(IFluxEvents.Liquidated.selector);
        same("once", logs.length, 1);
        same("manager", address(uint160(uint256(logs[0].topics[1]))), address(manager));
        same("liquidator", address(uint160(uint256(logs[0].topics[2]))), address(liquidator));
        bytes memory expected = abi.encode(WAD, 50_000e18, 100 * K, 49_500e6, 50_500e6);
        so("figures", keccak256(logs[0].data) == keccak256(expected));
    }

    function test_healthy_side() external {
        open(20 * K, 100 * K, 34e18, 2_500e18);
        selling(34e18, 85 * K);
        toVault(abi.encodeCall(vault.locked_withdrawBond, (20 * K)));
        preparing(100 * K);
        liquidate();
        same("profit", usdc.balanceOf(address(liquidator)), 5 * K);
        same("assets", vault.totalAssets(), 1_000 * K);
        closed();
    }

    /// 1.10 exactly is healthy; one unit of the oracle lower is not.
    function test_threshold_is_strict() external {
        open(20 * K, 100 * K, 36e18, 2_500e18);
        selling(36e18, 90 * K);
        toVault(abi.encodeCall(vault.locked_withdrawBond, (20 * K)));
        preparing(100 * K);
        FluxScript.Call[] memory plan = calls();
        vm.expectRevert(IFluxEvents.PositionNotLiquidatable.selector);
        liquidator.liquidate(vault, address(manager), none(), plan);
        priceOf(address(weth), 2_500e18 - 1);
        liquidator.liquidate(vault, address(manager), none(), plan);
        same("profit", usdc.balanceOf(address(liquidator)), 10 * K);
        closed();
    }

    /// At health 1 the debt is owed; one wei below it the margin is all the liquidator's.
    function test_payment_jumps_at_health_one() external {
        open(20 * K, 100 * K, 32e18, 2_500e18);
        (bool can, uint256 payment,, uint256 value) = evaluated();
        so("liquidatable", can);
        same("value", value, 100_000e18);
        same("payment", payment, 100 * K);
        priceOf(address(weth), 2_500e18 - 1);
        (can, payment,, value) = evaluated();
        same("value below", value, 100_000e18 - 32);
        same("payment below", payment, 99 * K);
    }

    function test_one_unit_short_changes_nothing() external {
        example();
        bytes32 before = digest();
        preparing(49_500e6 - 1);
        expectLiquidate(IFluxEvents.InsufficientPayment.selector);
        so("as it was", digest() == before);
    }

    function test_low_cash_forbids_borrowing_but_not_seizing() external {
        openExample();
        IShares(address(vault)).withdraw(860 * K, address(this), address(this));
        same("cash", vault.cash(), 40 * K);
        toVault(abi.encodeCall(vault.locked_borrow, (49_500e6)));
        expectLiquidate(IFluxEvents.InsufficientLiquidity.selector);
        selling(12e18, 29_799e6);
        toVault(abi.encodeCall(vault.locked_withdrawBond, (20 * K)));
        preparing(49_500e6);
        liquidate();
        same("profit", usdc.balanceOf(address(liquidator)), 299e6);
        closed();
    }

    function test_own_debt_that_is_left_must_be_healthy() external {
        openExample();
        toVault(abi.encodeCall(vault.locked_borrow, (200 * K)));
        toVault(abi.encodeCall(vault.locked_withdrawFromWrapper, (address(base), 0, 150 * K)));
        expectLiquidate(IFluxEvents.PositionNotHealthy.selector);
    }

    /// A third, a half of the rest and the rest give what one call gives, within some units, and never more.
    function test_three_parts_against_the_whole() external {
        openExample();
        uint256 paid;
        uint256 seized;
        uint256[3] memory parts = [WAD / 3, WAD / 2, WAD];
        for (uint256 i; i < 3; ++i) {
            (, uint256 payment,,) = evaluated();
            payment = (payment * parts[i] + WAD - 1) / WAD;
            uint256 bond = vault.bondOf(address(manager)) * parts[i] / WAD;
            uint256 amount = wethWrapper.getBalance(address(vault), address(manager), 0) * parts[i] / WAD;
            selling(amount, amount * 2_483_250_000 / WAD);
            toVault(abi.encodeCall(vault.locked_withdrawBond, (bond)));
            preparing(payment);
            FluxScript.Call[] memory plan = calls();
            (uint256 cash, uint256 debt) = (vault.cash(), vault.trueDebt(address(manager)));
            liquidator.liquidatePartial(vault, address(manager), parts[i], none(), plan);
            same("cash", vault.cash(), cash + payment);
            same("asked for", liquidator.minPayment(), payment);
            same("cleared", debt - vault.trueDebt(address(manager)), debt * parts[i] / WAD);
            paid += payment;
            seized += bond;
        }
        same("bond", seized, 20 * K);
        so("no less for the lenders", paid >= 49_500e6 && paid <= 49_500e6 + 5);
        uint256 profit = usdc.balanceOf(address(liquidator));
        so("the same profit", profit <= 299e6 && profit + 5 >= 299e6);
        so("no worse", vault.totalAssets() >= 949_500e6);
        closed();
    }

    function test_fractions_and_people_that_are_refused() external {
        openExample();
        FluxScript.Call[] memory plan = calls();
        vm.expectRevert(IFluxEvents.InvalidFraction.selector);
        liquidator.liquidatePartial(vault, address(manager), 0, none(), plan);
        vm.expectRevert(IFluxEvents.InvalidFraction.selector);
        liquidator.liquidatePartial(vault, address(manager), WAD + 1, none(), plan);
        vm.expectRevert(IFluxEvents.SelfLiquidation.selector);
        manager.liquidate(vault, address(manager), none(), plan);
        vm.expectRevert(IFluxEvents.PositionNotActive.selector);
        liquidator.liquidate(vault, STRANGER, none(), plan);
        vm.prank(STRANGER);
        vm.expectRevert(IFluxEvents.NoExecutorRegistered.selector);
        vault.liquidate(address(manager), none(), "");
    }

    /// What the manager holds in a wrapper that it did not register counts nothing, and is seized when it is named.
    function test_additional_wrappers_are_seized_once() external {
        IFluxWrapper other = wrapperOf("Erc20Wrapper", address(weth));
        openExample();
        weth.mint(address(manager), 4e18);
        then(address(weth), abi.encodeCall(weth.approve, (address(other), 4e18)));
        toVault(abi.encodeCall(vault.locked_registerWrapper, (address(other))));
        toVault(abi.encodeCall(vault.locked_depositToWrapper, (address(other), 0, 4e18)));
        toVault(abi.encodeCall(vault.locked_deregisterWrapper, (address(other))));
        priceOf(address(weth), 1_000_000e18);
        manager.unlock(vault, calls());
        priceOf(address(weth), 2_500e18);
        same("not counted", vault.positionValueUsd(address(manager)), 50_000e18);

        address[] memory named = new address[](4);
        (named[0], named[1], named[2], named[3]) = (address(other), address(wethWrapper), address(other), address(base));
        usdc.mint(address(liquidator), 24_750e6);
        preparing(24_750e6);
        FluxScript.Call[] memory plan = calls();
        liquidator.liquidatePartial(vault, address(manager), WAD / 2, named, plan);
        same("half of it, once", other.getBalance(address(vault), address(liquidator), 0), 2e18);
        same("half of the rest, once", wethWrapper.getBalance(address(vault), address(liquidator), 0), 6e18);

        IFluxWrapper foreign = IFluxWrapper(ours("Erc20Wrapper", abi.encode(weth, factory)));
        vm.expectRevert(IFluxEvents.WrapperNotAllowed.selector);
        liquidator.liquidate(vault, address(manager), one(address(foreign)), plan);
    }

    /// Bad debt is every lender's at once, in proportion; not a later one's.
    function test_bad_debt_lowers_every_share() external {
        address other = address(0x1e);
        IShares shares = IShares(address(vault));
        same("minted", shares.deposit(500 * K, other), 500 * K);
        example();
        preparing(49_500e6);
        liquidate();
        same("share", shares.convertToAssets(WAD), uint256(1_449_500e6) * WAD / 1_500_000e6);
        same("of one", shares.maxWithdraw(address(this)), uint256(1_449_500e6) * 2 / 3);
        same("of the other", shares.maxWithdraw(other), uint256(1_449_500e6) / 3);
        uint256 minted = shares.deposit(100 * K, STRANGER);
        uint256 back = shares.convertToAssets(minted);
        so("a later one loses at most a unit", back <= 100 * K && back + 1 >= 100 * K);
    }

    /// The vault's recorded events of one kind.
    function recorded(bytes32 topic) private returns (Vm.Log[] memory found) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 count;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter == address(vault) && logs[i].topics[0] == topic) logs[count++] = logs[i];
        }
        found = logs;
        assembly ("memory-safe") {
            mstore(found, count)
        }
    }
}
