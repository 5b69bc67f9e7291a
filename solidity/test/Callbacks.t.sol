// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import "../src/Opcodes.sol";
import {CallbackStack} from "../src/CallbackStack.sol";
import {Executor} from "../src/Executor.sol";
import {ICallbacks} from "../src/Interfaces.sol";
import {StepRunner} from "../src/StepRunner.sol";
import {HostileToken} from "../reference/HostileToken.sol";
import {TestToken} from "../reference/TestToken.sol";
import {Steps} from "./Steps.sol";
import {World} from "./World.sol";

/// Nobody gets into the executor but the announced caller, by the announced name, with the announced bytes, once.
/// The collateral is hostile: it attacks in the middle of the liquidation, when it arrives at the executor.
contract CallbacksTest is World {
    function makeCollateral() internal override returns (TestToken) {
        return TestToken(ours("HostileToken", abi.encode("Collateral", "COL", 18)));
    }

    function hostile() private view returns (HostileToken) {
        return HostileToken(payable(address(col)));
    }

    /// Every callback with the given bytes.
    function allCallbacks(bytes memory data) private view returns (bytes[] memory calls) {
        address[] memory tokens = new address[](1);
        uint256[] memory amounts = new uint256[](1);
        tokens[0] = address(weth);
        calls = new bytes[](13);
        calls[0] = abi.encodeCall(ICallbacks.onMorphoLiquidate, (0, data));
        calls[1] = abi.encodeCall(ICallbacks.onMoolahLiquidate, (0, data));
        calls[2] = abi.encodeCall(ICallbacks.onMorphoFlashLoan, (0, data));
        calls[3] = abi.encodeCall(ICallbacks.onMoolahFlashLoan, (0, data));
        calls[4] = abi.encodeCall(ICallbacks.onFlashLoan, (address(executor), address(weth), 0, 0, data));
        calls[5] = abi.encodeCall(ICallbacks.executeOperation, (address(weth), 0, 0, address(executor), data));
        calls[6] = abi.encodeCall(ICallbacks.receiveFlashLoan, (tokens, amounts, amounts, data));
        calls[7] = abi.encodeCall(ICallbacks.onBalancerV3Unlock, (data));
        calls[8] = abi.encodeCall(ICallbacks.uniswapV2Call, (address(executor), 0, 0, data));
        calls[9] = abi.encodeCall(ICallbacks.uniswapV3FlashCallback, (0, 0, data));
        calls[10] = abi.encodeCall(ICallbacks.uniswapV3SwapCallback, (0, 0, data));
        calls[11] = abi.encodeWithSignature("fluxUnlockCallback(bytes)", data);
        calls[12] = abi.encodeWithSignature("fluxUnlockCallback(uint256,uint256,bytes)", 0, 0, data);
    }

    function testFuzz_strangers_never_call_back(address who, bytes calldata data) external {
        bytes[] memory calls = allCallbacks(data);
        for (uint256 i; i < calls.length; ++i) {
            vm.prank(who);
            (bool success, bytes memory reason) = address(executor).call(calls[i]);
            so("refused", !success && bytes4(reason) == CallbackStack.UnexpectedCallback.selector);
        }
    }

    /// In the middle of a liquidation with a promised callback, with the very bytes of it.
    function test_hostile_collateral_can_not_call_back() external {
        bytes memory inside = sellCollateral();
        bytes[] memory calls = allCallbacks(inside);
        HostileToken.Attack[] memory attacks = new HostileToken.Attack[](calls.length);
        for (uint256 i; i < calls.length; ++i) attacks[i] = HostileToken.Attack(address(executor), 0, calls[i]);
        hostile().arm(address(executor), false, attacks);
        priceFallsTo(0.9e8);
        uint256 gained = run(liquidateBob());
        so("gain", gained > 11 ether);
        same("attempts", hostile().attempts(), calls.length);
        same("successes", hostile().successes(), 0);
        empty();
    }

    /// The token is an operator itself: the guard alone stands between it and a second plan.
    function test_hostile_collateral_can_not_run_a_plan_inside_a_plan() external {
        vm.prank(OWNER);
        executor.setOperator(address(col), true);
        HostileToken.Attack[] memory attacks = new HostileToken.Attack[](1);
        attacks[0] = HostileToken.Attack(
            address(executor), 0, abi.encodeCall(Executor.execute, (0, type(uint64).max, 0, 0, both(), ""))
        );
        hostile().arm(address(executor), false, attacks);
        priceFallsTo(0.9e8);
        run(liquidateBob());
        same("attempts", hostile().attempts(), 1);
        same("successes", hostile().successes(), 0);
        so("by the guard", bytes4(hostile().lastResult()) == Executor.Reentered.selector);
        empty();
    }

    /// It liquidates on its own inside: Morpho has no guard, our callback is for the executor's call only.
    function test_hostile_collateral_can_not_use_our_callback_through_morpho() external {
        HostileToken.Attack[] memory attacks = new HostileToken.Attack[](1);
        attacks[0] = HostileToken.Attack(
            address(morpho), 0, abi.encodeWithSignature("flashLoan(address,uint256,bytes)", address(weth), 1, sellCollateral())
        );
        hostile().arm(address(executor), false, attacks);
        priceFallsTo(0.9e8);
        run(liquidateBob());
        same("attempts", hostile().attempts(), 1);
        same("successes", hostile().successes(), 0);
        empty();
    }

    /// Value that arrives inside a plan is a gain, wherever it comes from, and all of it goes to the receiver.
    function test_a_donation_inside_a_plan_goes_to_the_receiver() external {
        weth.transfer(address(col), 5 ether);
        HostileToken.Attack[] memory attacks = new HostileToken.Attack[](1);
        attacks[0] = HostileToken.Attack(
            address(weth), 0, abi.encodeWithSignature("transfer(address,uint256)", address(executor), 5 ether)
        );
        hostile().arm(address(executor), true, attacks);
        priceFallsTo(0.9e8);
        uint256 gained = run(liquidateBob());
        so("donated and gained", gained > 16 ether);
        same("receiver", weth.balanceOf(RECEIVER), gained);
        empty();
    }

    /// Ether pushed in during a plan is swept like a gain.
    function test_ether_inside_a_plan_goes_to_the_receiver() external {
        (bool sent,) = address(col).call{value: 1 ether}("");
        so("sent", sent);
        HostileToken.Attack[] memory attacks = new HostileToken.Attack[](1);
        attacks[0] = HostileToken.Attack(address(executor), 1 ether, "");
        hostile().arm(address(executor), true, attacks);
        priceFallsTo(0.9e8);
        run(liquidateBob());
        same("ether", RECEIVER.balance, 1 ether);
        empty();
    }

    // ------------------------------------------------------------ a pool that does not keep to the rules

    function throughPool(address where) private view returns (bytes memory) {
        return Steps.flash(
            FLASH_MORPHO,
            address(morpho),
            address(weth),
            10 ether,
            0,
            Steps.swapIn(SWAP_UNISWAP_V3, 0, where, address(weth), address(col), Steps.exact(10 ether), 0)
        );
    }

    function unexpected(address caller, bytes4 selector) private pure returns (bytes memory) {
        return abi.encodeWithSelector(CallbackStack.UnexpectedCallback.selector, caller, selector);
    }

    function test_other_bytes_are_refused() external {
        RoguePool rogue = new RoguePool();
        rogue.set(ICallbacks.uniswapV3SwapCallback.selector, 1, 0, hex"00");
        expectRun(unexpected(address(rogue), ICallbacks.uniswapV3SwapCallback.selector), throughPool(address(rogue)));
    }

    function test_another_callback_is_refused() external {
        RoguePool rogue = new RoguePool();
        rogue.set(ICallbacks.uniswapV3FlashCallback.selector, 1, 0, "");
        expectRun(unexpected(address(rogue), ICallbacks.uniswapV3FlashCallback.selector), throughPool(address(rogue)));
    }

    function test_a_second_callback_is_refused() external {
        RoguePool rogue = new RoguePool();
        rogue.set(ICallbacks.uniswapV3SwapCallback.selector, 2, 0, "");
        expectRun(unexpected(address(rogue), ICallbacks.uniswapV3SwapCallback.selector), throughPool(address(rogue)));
    }

    function test_a_missing_callback_is_found_out() external {
        RoguePool rogue = new RoguePool();
        rogue.set(ICallbacks.uniswapV3SwapCallback.selector, 0, 0, "");
        expectRun(StepRunner.CallbackMissing.selector, throughPool(address(rogue)));
    }

    function test_a_pool_takes_no_more_than_the_most() external {
        RoguePool rogue = new RoguePool();
        rogue.set(ICallbacks.uniswapV3SwapCallback.selector, 1, 10 ether + 1, "");
        expectRun(
            abi.encodeWithSelector(StepRunner.CostTooHigh.selector, 10 ether + 1, 10 ether), throughPool(address(rogue))
        );
    }

    /// A pool that takes the money and gives nothing: the loan can't be repaid.
    function test_a_thieving_pool_stops_the_plan() external {
        RoguePool rogue = new RoguePool();
        rogue.set(ICallbacks.uniswapV3SwapCallback.selector, 1, 10 ether, "");
        vm.expectRevert();
        this.runFromOutside(0, 0, both(), throughPool(address(rogue)));
    }
}

/// Calls back as it was told, instead of as it should.
contract RoguePool {
    bytes4 private selector;
    uint256 private times;
    int256 private owed;
    bytes private payload;

    function set(bytes4 selector_, uint256 times_, int256 owed_, bytes calldata payload_) external {
        (selector, times, owed, payload) = (selector_, times_, owed_, payload_);
    }

    function swap(address, bool, int256, uint160, bytes calldata) external returns (int256, int256) {
        for (uint256 i; i < times; ++i) {
            (bool success, bytes memory result) = msg.sender.call(abi.encodeWithSelector(selector, owed, 0, payload));
            if (!success) {
                assembly {
                    revert(add(result, 32), mload(result))
                }
            }
        }
        return (owed, 0);
    }
}
