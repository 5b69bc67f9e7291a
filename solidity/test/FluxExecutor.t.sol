// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import "../src/Opcodes.sol";
import {StepRunner} from "../src/StepRunner.sol";
import {IFluxEvents, IFluxWrapper} from "../reference/flux/IFlux.sol";
import {TestToken} from "../reference/TestToken.sol";
import {FluxPlans} from "./FluxPlans.sol";
import {IShares} from "./FluxWorld.sol";
import {Steps} from "./Steps.sol";

/// Plans of the shipped executor against the Flux reference vault: each way to fund a liquidation, what the vault refuses of them,
/// and that nothing stays inside. Bond and payment are the documented example's, the WETH is sold to a real pool.
contract FluxExecutorTest is FluxPlans {
    function exampleIsOver() private view {
        same("assets", vault.totalAssets(), 949_500e6);
        same("cash", vault.cash(), 949_500e6);
        closed();
    }

    function test_a_plan_registers_the_executor() external view {
        same("executor", factory.getExecutor(address(executor)), address(executor));
        nothingLeft();
    }

    function test_seize_first() external {
        openExample();
        gains(20 * K, PAYMENT, seizeFirst());
        exampleIsOver();
    }

    function test_borrow_first() external {
        openExample();
        gains(20 * K, PAYMENT, borrowFirst());
        exampleIsOver();
    }

    /// The same gain to the unit, whichever way; borrowing costs the gas of two calls more.
    function test_both_ways_gain_the_same() external {
        openExample();
        uint256 state = vm.snapshotState();
        uint256 seized = run(seizeFirst());
        uint64 gas = vm.lastCallGas().gasTotalUsed;
        so("reverted", vm.revertToState(state));
        same("gain", run(borrowFirst()), seized);
        so("dearer", vm.lastCallGas().gasTotalUsed > gas);
    }

    /// The payment out of a loan from outside, before anything is seized; the loan goes back out of what was seized.
    function test_a_flash_loan_around_it() external {
        openExample();
        uint256 lent = usdc.balanceOf(morpho);
        bytes memory inside = liquidation(PAYMENT, bytes.concat(prepare(PAYMENT), seize(20 * K, SEIZED_WETH)));
        // Without the loan there is nothing to prepare it from.
        expectRun(TestToken.InsufficientBalance.selector, inside);
        gains(20 * K, PAYMENT, Steps.flash(FLASH_MORPHO, morpho, address(usdc), PAYMENT, 0, inside));
        same("lender", usdc.balanceOf(morpho), lent);
        exampleIsOver();
    }

    /// With most of the lenders gone there is nothing to borrow, and nothing that needs to be.
    function test_low_cash() external {
        openExample();
        IShares(address(vault)).withdraw(860 * K, address(this), address(this));
        expectRun(IFluxEvents.InsufficientLiquidity.selector, borrowFirst());
        gains(20 * K, PAYMENT, seizeFirst());
        closed();
    }

    /// Half, then all of the rest, in one transaction: the lock is free again in between.
    function test_partial_and_the_rest_in_one_plan() external {
        openExample();
        bytes memory inside = bytes.concat(seize(10 * K, 6e18), prepare(PAYMENT / 2));
        bytes memory half = liquidationOf(WAD / 2, PAYMENT / 2, inside);
        bytes memory rest = liquidation(PAYMENT / 2, inside);
        gains(20 * K, PAYMENT, bytes.concat(half, rest));
        exampleIsOver();
    }

    function test_partial_leaves_the_rest() external {
        openExample();
        gains(10 * K, PAYMENT / 2, liquidationOf(WAD / 2, PAYMENT / 2, bytes.concat(seize(10 * K, 6e18), prepare(PAYMENT / 2))));
        same("debt", vault.trueDebt(address(manager)), 50 * K);
        same("bond", vault.bondOf(address(manager)), 10 * K);
        same("WETH", wethWrapper.getBalance(address(vault), address(manager), 0), 6e18);
    }

    /// Working capital that was seized pays as well.
    function test_seized_working_capital_pays() external {
        openWithCapital(60 * K, SEIZED_WETH);
        (, uint256 payment,,) = evaluated();
        same("all of the debt", payment, 100 * K);
        gains(20 * K, 40 * K, liquidation(payment, bytes.concat(seize(20 * K, SEIZED_WETH), prepare(40 * K))));
        closed();
    }

    /// With a margin of 20 % the seized working capital is more than the payment: the rest of it is gain, and comes out.
    function test_working_capital_above_the_payment_comes_out() external {
        vault = vaultWith(ours("FluxStrategy", abi.encode(figures(0.2e18, 0.1e18))));
        usdc.approve(address(vault), 1_000 * K);
        IShares(address(vault)).deposit(1_000 * K, address(this));
        vm.prank(OWNER);
        executor.setTarget(address(vault), true);
        openWithCapital(99 * K, 0);
        vm.warp(block.timestamp + 4 * 365 days);
        (, uint256 payment, uint256 debt,) = evaluated();
        same("debt", debt, 140 * K);
        same("payment", payment, 95_200e6);
        uint256 left = 99 * K - payment;
        gains(20 * K + left, 0, liquidation(payment, bytes.concat(takeBond(20 * K), take(base, left))));
        closed();
    }

    /// So much of what was borrowed lies in the vault still, beside the bond and some WETH, which then costs 2,400.
    function openWithCapital(uint256 capital, uint256 amount) private {
        priceOf(address(weth), 1_000_000e18);
        opening(20 * K, 100 * K, amount);
        then(address(usdc), abi.encodeCall(usdc.approve, (address(base), capital)));
        toVault(abi.encodeCall(vault.locked_depositToWrapper, (address(base), 0, capital)));
        manager.unlock(vault, calls());
        priceOf(address(weth), 2_400e18);
    }

    /// What lies in a wrapper that the manager did not register is seized when it is named.
    function test_additional_wrapper() external {
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
        bytes memory inside = bytes.concat(take(other, 4e18), seize(20 * K, SEIZED_WETH), prepare(PAYMENT));
        expectRun(abi.encodeWithSignature("InsufficientBalance()"), liquidation(PAYMENT, inside));
        gains(20 * K, PAYMENT, liquidationWith(address(other), PAYMENT, inside));
        same("inside", other.getBalance(address(vault), address(executor), 0), 0);
        closed();
    }

    // ------------------------------------------------------------ what does not go through

    function test_payment_above_the_most() external {
        openExample();
        bytes memory inside = bytes.concat(seize(20 * K, SEIZED_WETH), prepare(PAYMENT));
        expectRun(abi.encodeWithSelector(StepRunner.CostTooHigh.selector, PAYMENT, PAYMENT - 1), liquidation(PAYMENT - 1, inside));
        gains(20 * K, PAYMENT, liquidation(PAYMENT, inside));
    }

    function test_one_unit_short() external {
        openExample();
        bytes memory inside = bytes.concat(seize(20 * K, SEIZED_WETH), prepare(PAYMENT - 1));
        expectRun(IFluxEvents.InsufficientPayment.selector, liquidation(PAYMENT, inside));
    }

    function test_own_debt_can_not_stay() external {
        openExample();
        bytes memory inside = bytes.concat(borrow(PAYMENT), seize(20 * K, SEIZED_WETH));
        expectRun(IFluxEvents.PositionNotHealthy.selector, liquidation(PAYMENT, inside));
    }

    function test_unregistered() external {
        openExample();
        bytes memory data = abi.encodeCall(factory.registerExecutor, (address(executor), address(0)));
        run(Steps.call(address(factory), 0, 0, "", 0, "", data, ""));
        expectRun(IFluxEvents.NoExecutorRegistered.selector, seizeFirst());
    }

    function test_only_a_listed_vault() external {
        openExample();
        vm.prank(OWNER);
        executor.setTarget(address(vault), false);
        expectRun(abi.encodeWithSelector(StepRunner.TargetNotListed.selector, address(vault)), seizeFirst());
    }

    // ------------------------------------------------------------ unlock

    /// In through the other overload: borrowed, taken out, brought back, repaid.
    function test_unlock() external {
        uint256 assets = vault.totalAssets();
        run(unlocked(bytes.concat(borrow(K), take(base, K), prepare(K), repay(K))));
        same("assets", vault.totalAssets(), assets);
        same("cash", vault.cash(), assets);
        nothingLeft();
        // Neither overload answers for the other.
        bytes memory data = abi.encodePacked(vault.unlock.selector, uint256(0x20));
        expectRun(unexpected(address(vault), UNLOCKED), called(address(vault), data, SEIZED, 0, ""));
    }

    function test_unlock_must_end_healthy() external {
        expectRun(IFluxEvents.PositionNotHealthy.selector, unlocked(bytes.concat(borrow(K), take(base, K))));
    }

    /// A plan that takes less than it seized leaves the rest as the executor's own position; another one fetches it.
    function test_unlock_fetches_what_was_left() external {
        openExample();
        run(liquidation(PAYMENT, bytes.concat(takeBond(20 * K - 5), take(wethWrapper, SEIZED_WETH), sell(), prepare(PAYMENT))));
        same("bond left", vault.bondOf(address(executor)), 5);
        uint256 there = usdc.balanceOf(RECEIVER);
        same("gained", run(unlocked(takeBond(5))), 5);
        same("at the receiver", usdc.balanceOf(RECEIVER), there + 5);
        nothingLeft();
        exampleIsOver();
    }
}
