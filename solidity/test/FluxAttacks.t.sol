// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Executor} from "../src/Executor.sol";
import {IFluxEvents, IFluxVault} from "../reference/flux/IFlux.sol";
import {FluxPlans} from "./FluxPlans.sol";
import {IShares} from "./FluxWorld.sol";
import {Steps} from "./Steps.sol";

/// Nobody gets into the executor by Flux's callbacks but the vault of the running plan, once, with the plan's own bytes: not from
/// outside, not in the middle of a plan, not through a vault, not through another vault.
contract FluxAttacksTest is FluxPlans {
    /// Both overloads, with the very bytes that a plan would have inside.
    function overloads(bytes memory steps) private pure returns (bytes[2] memory) {
        return [abi.encodeWithSelector(UNLOCKED, steps), abi.encodeWithSelector(SEIZED, PAYMENT, 100 * K, steps)];
    }

    function inside() private view returns (bytes memory) {
        return bytes.concat(seize(20 * K, SEIZED_WETH), prepare(PAYMENT));
    }

    function refused(address who, bytes memory data) private {
        vm.prank(who);
        (bool success, bytes memory reason) = address(executor).call(data);
        so("refused", !success && keccak256(reason) == keccak256(unexpected(who, bytes4(data))));
    }

    // ------------------------------------------------------------ from outside

    function test_a_stranger_calls_back() external {
        bytes[2] memory both = overloads(inside());
        for (uint256 i; i < 2; ++i) {
            refused(STRANGER, both[i]);
        }
    }

    /// Whoever names the executor as his own makes a real vault call it, when no plan runs.
    function test_a_stranger_makes_the_vault_call_back() external {
        openExample();
        vm.prank(STRANGER);
        factory.registerExecutor(STRANGER, address(executor));
        vm.prank(STRANGER);
        vm.expectRevert(unexpected(address(vault), UNLOCKED));
        vault.unlock(inside());
        bytes memory data = inside();
        vm.prank(STRANGER);
        vm.expectRevert(unexpected(address(vault), SEIZED));
        vault.liquidate(address(manager), none(), data);
    }

    /// A promise that was kept is spent: the vault itself is refused after the plan, in the same transaction.
    function test_the_vault_calls_back_after_the_plan() external {
        openExample();
        gains(20 * K, PAYMENT, seizeFirst());
        bytes[2] memory both = overloads(inside());
        for (uint256 i; i < 2; ++i) {
            refused(address(vault), both[i]);
        }
    }

    // ------------------------------------------------------------ in the middle of a plan

    /// The seized WETH calls back while it arrives, inside the vault's callback.
    function test_a_token_calls_back_inside() external {
        bytes[2] memory both = overloads(inside());
        for (uint256 i; i < 2; ++i) {
            uint256 state = vm.snapshotState();
            openExample();
            arm(weth, address(executor), both[i]);
            gains(20 * K, PAYMENT, seizeFirst());
            foiled(weth, 1, unexpected(address(weth), bytes4(both[i])));
            so("reverted", vm.revertToState(state));
        }
    }

    /// While the vault's callback is announced and has not come, a wrapper of the same factory makes it, with the announced bytes.
    function test_a_wrapper_calls_back_before_the_vault() external {
        HostileWrapper hostile = new HostileWrapper();
        factory.addWrapper(address(hostile));
        bytes[2] memory both = overloads(inside());
        for (uint256 i; i < 2; ++i) {
            uint256 state = vm.snapshotState();
            openExample();
            hostile.arm(address(executor), both[i]);
            gains(20 * K, PAYMENT, liquidationWith(address(hostile), PAYMENT, inside()));
            so("as said", keccak256(hostile.answer()) == keccak256(unexpected(address(hostile), bytes4(both[i]))));
            so("reverted", vm.revertToState(state));
        }
    }

    /// Another vault of the same factory calls back with the announced bytes, by either overload, before the plan's own does.
    function test_another_vault_calls_back() external {
        IFluxVault other = anotherVault();
        HostileWrapper hostile = new HostileWrapper();
        factory.addWrapper(address(hostile));
        hostile.register(address(factory), address(executor));
        openExample();
        uint256 state = vm.snapshotState();
        hostile.arm(address(other), abi.encodeCall(other.unlock, (inside())));
        gains(20 * K, PAYMENT, liquidationWith(address(hostile), PAYMENT, inside()));
        so("unlock", keccak256(hostile.answer()) == keccak256(unexpected(address(other), UNLOCKED)));
        so("reverted", vm.revertToState(state));
        hostile.arm(address(other), abi.encodeCall(other.liquidate, (address(manager), none(), inside())));
        gains(20 * K, PAYMENT, liquidationWith(address(hostile), PAYMENT, inside()));
        so("liquidate", keccak256(hostile.answer()) == keccak256(unexpected(address(other), SEIZED)));
    }

    /// With the same manager in trouble as here.
    function anotherVault() private returns (IFluxVault other) {
        other = vaultWith(makeStrategy());
        usdc.approve(address(other), 1_000 * K);
        IShares(address(other)).deposit(1_000 * K, address(this));
        IFluxVault ours_ = vault;
        vault = other;
        openExample();
        vault = ours_;
    }

    /// The plan's own vault, by a stranger's lock: it holds one already.
    function test_a_token_liquidates_again_inside() external {
        bytes[3] memory entries = [
            abi.encodeCall(vault.liquidate, (address(manager), none(), inside())),
            abi.encodeCall(vault.liquidatePartial, (address(manager), WAD, none(), inside())),
            abi.encodeCall(vault.unlock, (inside()))
        ];
        for (uint256 i; i < entries.length; ++i) {
            uint256 state = vm.snapshotState();
            vm.prank(address(weth));
            factory.registerExecutor(address(weth), address(executor));
            openExample();
            arm(weth, address(vault), entries[i]);
            gains(20 * K, PAYMENT, seizeFirst());
            foiled(weth, 1, abi.encodePacked(IFluxEvents.Locked.selector));
            so("reverted", vm.revertToState(state));
        }
    }

    /// So does the bond, which is the vault's own asset.
    function test_the_base_asset_liquidates_again_inside() external {
        vm.prank(address(usdc));
        factory.registerExecutor(address(usdc), address(executor));
        openExample();
        arm(usdc, address(vault), abi.encodeCall(vault.liquidate, (address(manager), none(), inside())));
        // Twice it arrives: as bond and as proceeds of the sale.
        uint256 gained = run(seizeFirst());
        so("gain", gained != 0);
        foiled(usdc, 2, abi.encodePacked(IFluxEvents.Locked.selector));
        nothingLeft();
    }

    /// A plan that tries it itself.
    function test_a_plan_liquidates_inside_itself() external {
        openExample();
        expectRun(IFluxEvents.Locked.selector, liquidation(PAYMENT, seizeFirst()));
    }

    /// A token that is an operator: the guard alone stands between it and a second plan inside the lock.
    function test_a_token_runs_a_plan_inside() external {
        vm.prank(OWNER);
        executor.setOperator(address(weth), true);
        openExample();
        bytes memory plan = abi.encodeCall(Executor.execute, (0, type(uint64).max, 0, 0, tokens(), takeBond(1)));
        arm(weth, address(executor), plan);
        gains(20 * K, PAYMENT, seizeFirst());
        foiled(weth, 1, abi.encodePacked(Executor.Reentered.selector));
    }

    /// The lock's operations are for the executor: a token can't take the seized bond while it is transferred.
    function test_a_token_takes_the_bond() external {
        openExample();
        arm(weth, address(vault), abi.encodeCall(vault.locked_withdrawBond, (20 * K)));
        bytes memory wethFirst = bytes.concat(take(wethWrapper, SEIZED_WETH), takeBond(20 * K), sell(), prepare(PAYMENT));
        gains(20 * K, PAYMENT, liquidation(PAYMENT, wethFirst));
        foiled(weth, 1, abi.encodePacked(IFluxEvents.NotLockHolder.selector));
    }

    // ------------------------------------------------------------ a vault that does not keep to the rules

    /// A listed vault that lies about the payment takes no more than the plan allows; one that calls twice, with other bytes, by the
    /// other name or not at all fails the plan.
    function test_a_rogue_vault() external {
        RogueVault rogue = new RogueVault();
        vm.prank(OWNER);
        executor.setTarget(address(rogue), true);
        bytes memory data = abi.encodePacked(RogueVault.unlock.selector, uint256(0x20));
        bytes memory steps = called(address(rogue), data, SEIZED, 7, takeBond(0));
        bytes memory said = takeBond(0);
        rogue.set(abi.encodeWithSelector(SEIZED, 8, 8, said), 1);
        expectRun(abi.encodeWithSignature("CostTooHigh(uint256,uint256)", 8, 7), steps);
        rogue.set(abi.encodeWithSelector(UNLOCKED, said), 1);
        expectRun(unexpected(address(rogue), UNLOCKED), steps);
        rogue.set(abi.encodeWithSelector(SEIZED, 7, 7, bytes.concat(said, said)), 1);
        expectRun(unexpected(address(rogue), SEIZED), steps);
        rogue.set("", 0);
        expectRun(abi.encodeWithSignature("CallbackMissing()"), steps);
        // As it should be, but twice. The steps themselves fail outside of a lock, so there are none.
        steps = called(address(rogue), data, SEIZED, 7, "");
        rogue.set(abi.encodeWithSelector(SEIZED, 7, 7, ""), 2);
        expectRun(unexpected(address(rogue), SEIZED), steps);
        rogue.set(abi.encodeWithSelector(SEIZED, 7, 7, ""), 1);
        run(steps);
    }
}

/// A wrapper that the factory knows: while a liquidation seizes what lies in it, it makes the call that it was armed with.
contract HostileWrapper {
    address private target;
    bytes private data;
    bytes public answer;

    function register(address factory, address executor) external {
        (bool done,) = factory.call(abi.encodeWithSignature("registerExecutor(address,address)", address(this), executor));
        require(done, "register");
    }

    function arm(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function ledgerTransferFraction(address, address, address, uint256) external {
        bool success;
        (success, answer) = target.call(data);
        require(!success, "it went through");
    }
}

/// Calls back as it was told, so many times, instead of as it should.
contract RogueVault {
    bytes private data;
    uint256 private times;

    function set(bytes calldata data_, uint256 times_) external {
        (data, times) = (data_, times_);
    }

    function unlock(bytes calldata) external {
        for (uint256 i; i < times; ++i) {
            (bool success, bytes memory result) = msg.sender.call(data);
            if (success) continue;
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }
    }
}
