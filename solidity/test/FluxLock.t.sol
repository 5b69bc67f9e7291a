// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {FluxFactory} from "../reference/flux/FluxFactory.sol";
import {FluxScript} from "../reference/flux/FluxScript.sol";
import {IFluxEvents, IFluxVault} from "../reference/flux/IFlux.sol";
import {HostileToken} from "../reference/HostileToken.sol";
import {TestToken} from "../reference/TestToken.sol";
import {FluxWorld, IShares} from "./FluxWorld.sol";

/// The lock of the Flux reference vault: who may do what while it is held, and what it must leave behind. Both tokens call whatever
/// they were armed with while they are transferred.
contract FluxLockTest is FluxWorld {
    bytes private answer;

    function makeUsdc() internal override returns (TestToken) {
        return TestToken(ours("HostileToken", abi.encode("USD Coin", "USDC", 6)));
    }

    function makeWeth() internal override returns (TestToken) {
        return TestToken(ours("HostileToken", abi.encode("Wrapped Ether", "WETH", 18)));
    }

    function operations() private view returns (bytes[11] memory) {
        return [
            abi.encodeCall(vault.locked_borrow, (1)),
            abi.encodeCall(vault.locked_repay, (1)),
            abi.encodeCall(vault.locked_depositBond, (1)),
            abi.encodeCall(vault.locked_withdrawBond, (1)),
            abi.encodeCall(vault.locked_registerWrapper, (address(wethWrapper))),
            abi.encodeCall(vault.locked_deregisterWrapper, (address(wethWrapper))),
            abi.encodeCall(vault.locked_depositToWrapper, (address(base), 0, 1)),
            abi.encodeCall(vault.locked_withdrawFromWrapper, (address(base), 0, 1)),
            abi.encodeCall(vault.locked_claimFromWrapper, (address(base), 0, 1)),
            abi.encodeCall(vault.locked_interactWithWrapper, (address(base), "")),
            abi.encodeCall(vault.locked_moveFunds, (0, bytes32(uint256(1)), 1))
        ];
    }

    /// What opens a lock or changes the books without one.
    function entries() private view returns (bytes[8] memory) {
        return [
            abi.encodeCall(vault.unlock, ("")),
            abi.encodeCall(vault.liquidate, (address(manager), none(), "")),
            abi.encodeCall(vault.liquidatePartial, (address(manager), 1, none(), "")),
            abi.encodeCall(vault.adl, (address(manager))),
            abi.encodeCall(IShares.deposit, (1, STRANGER)),
            abi.encodeCall(IShares.mint, (1, STRANGER)),
            abi.encodeCall(IShares.withdraw, (1, STRANGER, STRANGER)),
            abi.encodeCall(IShares.redeem, (1, STRANGER, STRANGER))
        ];
    }

    function test_operations_need_the_lock() external {
        bytes[11] memory all = operations();
        for (uint256 i; i < all.length; ++i) {
            vm.expectRevert(IFluxEvents.NotLockHolder.selector);
            manager.call(address(vault), all[i]);
        }
    }

    /// A token that is transferred while the lock is held is not the holder's executor.
    function test_operations_are_for_the_executor_only() external {
        bytes[11] memory all = operations();
        for (uint256 i; i < all.length; ++i) {
            attackedBy(all[i], IFluxEvents.NotLockHolder.selector);
        }
    }

    function test_one_lock_at_a_time() external {
        bytes[8] memory all = entries();
        for (uint256 i; i < all.length; ++i) {
            attackedBy(all[i], IFluxEvents.Locked.selector);
        }
        openExample();
        for (uint256 i; i < all.length; ++i) {
            toVault(all[i]);
            expectLiquidate(IFluxEvents.Locked.selector);
        }
    }

    /// Each vault has a lock of its own.
    function test_another_vault_is_not_locked() external {
        IFluxVault other = vaultWith(makeStrategy());
        usdc.approve(address(other), K);
        IShares(address(other)).deposit(K, address(liquidator));
        openExample();
        then(address(other), abi.encodeCall(IShares.redeem, (K, address(liquidator), address(liquidator))));
        preparing(49_500e6);
        usdc.mint(address(liquidator), 48_500e6);
        liquidate();
        same("paid with the other's", usdc.balanceOf(address(liquidator)), 0);
    }

    /// The manager deposits WETH, which makes this call then; it must fail as said, and nothing else.
    function attackedBy(bytes memory data, bytes4 error) private {
        HostileToken hostile = HostileToken(payable(address(weth)));
        HostileToken.Attack[] memory attacks = new HostileToken.Attack[](1);
        attacks[0] = HostileToken.Attack(address(vault), 0, data);
        hostile.arm(address(wethWrapper), false, attacks);
        weth.mint(address(manager), 1);
        then(address(weth), abi.encodeCall(weth.approve, (address(wethWrapper), 1)));
        toVault(abi.encodeCall(vault.locked_depositToWrapper, (address(wethWrapper), 0, 1)));
        uint256 attempts = hostile.attempts();
        manager.unlock(vault, calls());
        same("attacked", hostile.attempts(), attempts + 1);
        same("in vain", hostile.successes(), 0);
        so("as said", keccak256(hostile.lastResult()) == keccak256(abi.encodePacked(error)));
        hostile.arm(address(0), false, new HostileToken.Attack[](0));
    }

    /// Once its callback is over, the executor may do nothing more, while the payment is on its way already.
    function test_operations_end_with_the_callback() external {
        openExample();
        factory.registerExecutor(address(this), address(this));
        usdc.approve(address(base), type(uint256).max);
        HostileToken.Attack[] memory attacks = new HostileToken.Attack[](1);
        attacks[0] = HostileToken.Attack(address(this), 0, abi.encodeCall(this.onPayment, ()));
        HostileToken(payable(address(usdc))).arm(address(vault), true, attacks);
        vault.liquidate(address(manager), none(), "");
        so("as said", keccak256(answer) == keccak256(abi.encodePacked(IFluxEvents.NotLockHolder.selector)));
        same("bond", vault.bondOf(address(this)), 20 * K);
    }

    function fluxUnlockCallback(uint256 minPayment, uint256, bytes calldata) external {
        vault.locked_depositToWrapper(address(base), 0, minPayment);
    }

    function onPayment() external {
        (, answer) = address(vault).call(abi.encodeCall(vault.locked_withdrawBond, (1)));
    }

    function test_only_registered_executors_are_called_back() external {
        vm.prank(STRANGER);
        vm.expectRevert(IFluxEvents.NoExecutorRegistered.selector);
        vault.unlock("");
        vm.expectRevert(FluxFactory.NotManager.selector);
        factory.registerExecutor(STRANGER, address(liquidator));
        // Who is registered for another is called back for that one's position, when the vault that it waits for is asked.
        vm.prank(STRANGER);
        factory.registerExecutor(STRANGER, address(liquidator));
        FluxScript.Call[] memory plan = calls();
        vm.prank(STRANGER);
        vm.expectRevert(FluxScript.NotTheVault.selector);
        vault.unlock(abi.encode(plan));
    }

    function test_a_position_must_be_healthy_at_the_end_only() external {
        priceOf(address(weth), 2_500e18);
        // 20K and 36 WETH against 100K is 1.10.
        opening(20 * K, 100 * K, 36e18);
        manager.unlock(vault, calls());
        toVault(abi.encodeCall(vault.locked_withdrawBond, (1)));
        expectUnlock(IFluxEvents.PositionNotHealthy.selector);
        toVault(abi.encodeCall(vault.locked_borrow, (1)));
        toVault(abi.encodeCall(vault.locked_withdrawFromWrapper, (address(base), 0, 1)));
        expectUnlock(IFluxEvents.PositionNotHealthy.selector);
        toVault(abi.encodeCall(vault.locked_deregisterWrapper, (address(wethWrapper))));
        expectUnlock(IFluxEvents.PositionNotHealthy.selector);
        toVault(abi.encodeCall(vault.locked_withdrawBond, (20 * K)));
        then(address(usdc), abi.encodeCall(usdc.approve, (address(vault), 20 * K)));
        toVault(abi.encodeCall(vault.locked_depositBond, (20 * K)));
        manager.unlock(vault, calls());
        same("value", vault.positionValueUsd(address(manager)), 110_000e18);
    }

    function test_borrowing_is_limited_by_cash_and_repaying_by_debt() external {
        toVault(abi.encodeCall(vault.locked_borrow, (1_000 * K + 1)));
        expectUnlock(IFluxEvents.InsufficientLiquidity.selector);
        toVault(abi.encodeCall(vault.locked_borrow, (1_000 * K)));
        toVault(abi.encodeCall(vault.locked_repay, (1_000 * K + 1)));
        expectUnlock(IFluxEvents.RepaymentAboveDebt.selector);
        toVault(abi.encodeCall(vault.locked_borrow, (1_000 * K)));
        toVault(abi.encodeCall(vault.locked_repay, (1_000 * K)));
        manager.unlock(vault, calls());
        same("cash", vault.cash(), 1_000 * K);
        closed();
        openExample();
        toVault(abi.encodeCall(vault.locked_withdrawBond, (20 * K + 1)));
        expectUnlock(IFluxEvents.InsufficientBond.selector);
    }

    function test_interest_is_repaid_first() external {
        vault = vaultWith(ours("FluxStrategy", abi.encode(figures(0.01e18, 0.1e18))));
        usdc.approve(address(vault), type(uint256).max);
        IShares(address(vault)).deposit(1_000 * K, address(this));
        open(20 * K, 100 * K, 1e18, 1_000_000e18);
        vm.warp(block.timestamp + 365 days);
        same("debt", vault.trueDebt(address(manager)), 110 * K);
        same("total", vault.totalDebt(), 110 * K);
        same("assets", vault.totalAssets(), 1_010 * K);
        preparingBy(15 * K);
        toVault(abi.encodeCall(vault.locked_repay, (15 * K)));
        manager.unlock(vault, calls());
        same("left", vault.trueDebt(address(manager)), 95 * K);
        vm.warp(block.timestamp + 365 days);
        same("on principal", vault.trueDebt(address(manager)), 104_500e6);
    }

    /// Working capital out of the manager's own USDC, which it has from borrowing.
    function preparingBy(uint256 amount) private {
        then(address(usdc), abi.encodeCall(usdc.approve, (address(base), amount)));
        toVault(abi.encodeCall(vault.locked_depositToWrapper, (address(base), 0, amount)));
    }
}
