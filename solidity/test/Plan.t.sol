// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import "../src/Opcodes.sol";
import {Executor} from "../src/Executor.sol";
import {Holdings} from "../src/Holdings.sol";
import {Malformed} from "../src/Reader.sol";
import {StepRunner} from "../src/StepRunner.sol";
import {Steps} from "./Steps.sol";
import {Vm} from "./Vm.sol";
import {World} from "./World.sol";

/// Takes its payment only with `needed` gas, and spends it.
contract HungryBuilder {
    uint256 private immutable needed;

    constructor(uint256 needed_) {
        needed = needed_;
    }

    receive() external payable {
        uint256 start = gasleft();
        while (start - gasleft() < needed) {}
    }
}

/// Sends its ether away with its end, past every receive function.
contract Pusher {
    constructor(address payable to) payable {
        selfdestruct(to);
    }
}

/// A receiver that takes tokens and no ether.
contract NoEther {}

/// What holds for every plan, whatever its steps.
contract PlanTest is World {
    function expectGainTooLow(uint256 gained, uint256 least) private {
        vm.expectRevert(abi.encodeWithSelector(StepRunner.GainTooLow.selector, address(weth), gained, least));
    }

    // ------------------------------------------------------------ who and when

    function testFuzz_strangers_run_nothing(address who) external {
        vm.assume(who != OPERATOR);
        vm.prank(who);
        vm.expectRevert(Executor.NotOperator.selector);
        executor.execute(0, type(uint64).max, 0, 0, both(), "");
    }

    function test_the_owner_is_no_operator() external {
        vm.prank(OWNER);
        vm.expectRevert(Executor.NotOperator.selector);
        executor.execute(0, type(uint64).max, 0, 0, both(), "");
    }

    function testFuzz_only_inside_its_blocks(uint64 first, uint64 last, uint64 number) external {
        vm.roll(number);
        bool inside = first <= number && number <= last;
        address[] memory tokens = both();
        if (!inside) vm.expectRevert(abi.encodeWithSelector(Executor.OutsideWindow.selector, number));
        vm.prank(OPERATOR);
        executor.execute(first, last, 0, 0, tokens, "");
    }

    // ------------------------------------------------------------ gain

    function test_min_gain_is_exact() external {
        priceFallsTo(0.9e8);
        bytes memory steps = liquidateBob();
        uint256 fullGain;
        try this.runFromOutside(1000 ether, 0, both(), steps) returns (uint256) {
            revert NotSo("refused");
        } catch (bytes memory reason) {
            so("by its gain", bytes4(reason) == StepRunner.GainTooLow.selector);
            assembly {
                fullGain := mload(add(reason, 68))
            }
        }
        expectGainTooLow(fullGain, fullGain + 1);
        this.runFromOutside(fullGain + 1, 0, both(), steps);
        same("gain", this.runFromOutside(fullGain, 0, both(), steps), fullGain);
    }

    function test_nothing_done_gains_nothing() external {
        same("gain", run(""), 0);
        expectGainTooLow(0, 1);
        this.runFromOutside(1, 0, both(), "");
    }

    function test_no_profit_token_promises_nothing() external {
        same("gain", run(0, 0, new address[](0), ""), 0);
        vm.expectRevert(abi.encodeWithSelector(StepRunner.GainTooLow.selector, address(0), 0, 1));
        this.runFromOutside(1, 0, new address[](0), "");
    }

    function test_a_gain_is_logged() external {
        priceFallsTo(0.9e8);
        bytes memory steps = liquidateBob();
        vm.recordLogs();
        uint256 gained = run(steps);
        bool found;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(executor)) continue;
            found = logs[i].topics[0] == Executor.Gained.selector
                && logs[i].topics[1] == bytes32(uint256(uint160(address(weth))))
                && abi.decode(logs[i].data, (uint256)) == gained;
        }
        so("logged", found);
    }

    // ------------------------------------------------------------ donations and remains

    function testFuzz_a_donation_before_is_no_gain(uint256 wethAmount, uint256 colAmount) external {
        wethAmount = bound(wethAmount, 1, 1000 ether);
        colAmount = bound(colAmount, 1, 1000 ether);
        weth.transfer(address(executor), wethAmount);
        col.transfer(address(executor), colAmount);
        same("gain", run(""), 0);
        same("WETH went along", weth.balanceOf(RECEIVER), wethAmount);
        same("COL went along", col.balanceOf(RECEIVER), colAmount);
        empty();
    }

    function test_a_donation_pays_for_nothing() external {
        weth.transfer(address(executor), 100 ether);
        // The plan gives 10 WETH away for less: the donation covers it, the gain does not.
        bytes memory steps = bytes.concat(
            Steps.swapIn(SWAP_UNISWAP_V3, 0, pool, address(weth), address(col), Steps.exact(10 ether), 0),
            Steps.swapIn(SWAP_UNISWAP_V3, 0, pool, address(col), address(weth), Steps.gained(Steps.ALL), 0)
        );
        expectGainTooLow(0, 0);
        this.runFromOutside(0, 0, both(), steps);
    }

    function test_donated_ether_can_not_stop_a_plan() external {
        NoEther receiver = new NoEther();
        vm.prank(OWNER);
        executor.setReceiver(address(receiver));
        new Pusher{value: 1}(payable(address(executor)));
        priceFallsTo(0.9e8);
        bytes memory steps = bytes.concat(liquidateBob(), Steps.unwrap(address(weth), Steps.exact(1 ether)));
        run(1 ether, 1 ether, both(), steps);
        same("the donation stays", address(executor).balance, 1);
        vm.prank(OWNER);
        executor.setReceiver(RECEIVER);
        address[] memory ether_ = new address[](1);
        same("and is no gain", run(0, 0, ether_, ""), 0);
        same("but goes when it is listed", RECEIVER.balance, 1);
        empty();
    }

    function test_donated_ether_does_not_pay_the_builder() external {
        new Pusher{value: 5 ether}(payable(address(executor)));
        vm.expectRevert(abi.encodeWithSelector(Executor.PaymentNotCovered.selector, 0, 1));
        this.runFromOutside(0, 1, both(), "");
    }

    function test_ether_gained_reaches_the_receiver_unasked() external {
        priceFallsTo(0.9e8);
        run(bytes.concat(liquidateBob(), Steps.unwrap(address(weth), Steps.exact(1 ether))));
        same("ether", RECEIVER.balance, 1 ether);
        empty();
    }

    function test_profit_can_be_ether_net_of_the_payment() external {
        priceFallsTo(0.9e8);
        bytes memory steps = bytes.concat(liquidateBob(), Steps.unwrap(address(weth), Steps.gained(Steps.ALL)));
        address[] memory tokens = new address[](3);
        (tokens[1], tokens[2]) = (address(weth), address(col));
        uint256 gained = run(1 ether, 1 ether, tokens, steps);
        same("receiver", RECEIVER.balance, gained);
        same("builder", BUILDER.balance, 1 ether);
        empty();
    }

    function test_ether_is_refused_between_plans() external {
        (bool success, bytes memory reason) = address(executor).call{value: 1}("");
        so("refused", !success && bytes4(reason) == Executor.UnexpectedEther.selector);
    }

    function test_two_plans_in_one_transaction_start_clean() external {
        priceFallsTo(0.9e8);
        borrow(STRANGER, 100 ether, 77 ether);
        priceFallsTo(0.88e8);
        run(liquidateBob());
        // Marks of the first plan are gone: a token that only the first one listed is unknown now.
        address[] memory only = new address[](1);
        only[0] = address(weth);
        vm.expectRevert(abi.encodeWithSelector(Holdings.TokenNotTracked.selector, address(col)));
        this.runFromOutside(0, 0, only, Steps.assertGained(address(col), 0));
        uint256 before = weth.balanceOf(RECEIVER);
        uint256 gained =
            run(Steps.liquidate(named, STRANGER, 0, debtShares(STRANGER), Steps.ALL, sellCollateral()));
        same("second gain alone", weth.balanceOf(RECEIVER) - before, gained);
        empty();
    }

    // ------------------------------------------------------------ payment

    function paid(address builder) private {
        vm.coinbase(builder);
        priceFallsTo(0.9e8);
        bytes memory steps = bytes.concat(liquidateBob(), Steps.unwrap(address(weth), Steps.exact(1 ether)));
        this.runFromOutside(0, 1 ether, both(), steps);
    }

    function test_a_builder_contract_within_the_gas_cap_is_paid() external {
        HungryBuilder builder = new HungryBuilder(30_000);
        paid(address(builder));
        same("paid", address(builder).balance, 1 ether);
    }

    function test_a_builder_contract_above_the_gas_cap_stops_the_plan() external {
        HungryBuilder builder = new HungryBuilder(60_000);
        priceFallsTo(0.9e8);
        bytes memory steps = bytes.concat(liquidateBob(), Steps.unwrap(address(weth), Steps.exact(1 ether)));
        vm.coinbase(address(builder));
        vm.expectRevert(Executor.PaymentFailed.selector);
        this.runFromOutside(0, 1 ether, both(), steps);
    }

    // ------------------------------------------------------------ bytes

    function test_malformed_steps_are_refused() external {
        bytes[7] memory wrong = [
            bytes(hex"08"), // no size
            hex"080000", // size cut
            hex"08000005", // payload cut
            abi.encodePacked(uint8(ASSERT_GAINED), uint24(22), address(weth), uint8(0), uint8(0)), // too long
            abi.encodePacked(uint8(ASSERT_GAINED), uint24(21), address(weth), uint8(1)), // number cut
            abi.encodePacked(uint8(ASSERT_GAINED), uint24(54), address(weth), uint8(33), new bytes(33)), // too wide
            abi.encodePacked(uint8(WRAP), uint24(54), address(weth), uint8(0x80 | 33), new bytes(33))
        ];
        for (uint256 i; i < wrong.length; ++i) expectRun(Malformed.selector, wrong[i]);
    }

    function test_unknown_steps_and_kinds_are_refused() external {
        expectRun(abi.encodeWithSelector(StepRunner.UnknownStep.selector, 0), Steps.step(0, ""));
        expectRun(abi.encodeWithSelector(StepRunner.UnknownStep.selector, 255), Steps.step(255, hex"00"));
        expectRun(
            abi.encodeWithSelector(StepRunner.UnknownKind.selector, 9),
            Steps.flash(9, address(morpho), address(weth), 1, 0, "")
        );
        expectRun(
            abi.encodeWithSelector(StepRunner.UnknownKind.selector, 2),
            Steps.swapIn(2, 0, pool, address(weth), address(col), Steps.exact(1), 0)
        );
    }

    /// Random bytes as steps: refused, or harmless.
    function testFuzz_random_bytes_gain_and_leave_nothing(bytes calldata steps) external {
        weth.transfer(address(executor), 1 ether);
        try this.runFromOutside(0, 0, both(), steps) returns (uint256 gained) {
            same("gain", gained, 0);
        } catch {}
        run("");
        empty();
    }

    // ------------------------------------------------------------ swaps, wraps, assertions

    function test_assert_gained() external {
        expectRun(
            abi.encodeWithSelector(StepRunner.GainTooLow.selector, address(col), 0, 1),
            Steps.assertGained(address(col), 1)
        );
        bytes memory inside = Steps.assertGained(address(weth), 5 ether);
        run(Steps.flash(FLASH_MORPHO, address(morpho), address(weth), 5 ether, 0, inside));
        expectRun(
            abi.encodeWithSelector(StepRunner.GainTooLow.selector, address(weth), 5 ether - 1, 5 ether),
            Steps.flash(FLASH_MORPHO, address(morpho), address(weth), 5 ether - 1, 0, inside)
        );
    }

    function test_swaps_keep_their_limits() external {
        // 10 WETH give less than 10 COL, on each pool.
        for (uint256 kind; kind < 2; ++kind) {
            address where = kind == SWAP_UNISWAP_V3 ? pool : pair;
            bytes memory sell =
                Steps.swapIn(kind, 3000, where, address(weth), address(col), Steps.exact(10 ether), 10 ether);
            bytes memory buy = Steps.swapOut(kind, 3000, where, address(weth), address(col), 10 ether, 10 ether);
            vm.expectRevert();
            this.runFromOutside(
                0, 0, both(), Steps.flash(FLASH_MORPHO, address(morpho), address(weth), 100 ether, 0, sell)
            );
            vm.expectRevert();
            this.runFromOutside(
                0, 0, both(), Steps.flash(FLASH_MORPHO, address(morpho), address(weth), 100 ether, 0, buy)
            );
        }
    }

    function test_v2_swaps_both_ways() external {
        priceFallsTo(0.9e8);
        bytes memory sell =
            Steps.swapIn(SWAP_UNISWAP_V2, 3000, pair, address(col), address(weth), Steps.gained(Steps.ALL), 0);
        bytes memory buy = Steps.swapOut(SWAP_UNISWAP_V2, 3000, pair, address(col), address(weth), 50 ether, 51 ether);
        uint256 gained = run(
            Steps.liquidate(named, BOB, 0, debtShares(BOB), Steps.ALL, bytes.concat(buy, sell))
        );
        so("gain", gained > 10 ether);
        empty();
    }

    function test_selling_nothing_fails_by_its_least_output_only() external {
        run(Steps.swapIn(SWAP_UNISWAP_V3, 0, pool, address(col), address(weth), Steps.gained(Steps.ALL), 0));
        expectRun(
            abi.encodeWithSelector(StepRunner.OutputTooLow.selector, 0, 1),
            Steps.swapIn(SWAP_UNISWAP_V3, 0, pool, address(col), address(weth), Steps.gained(Steps.ALL), 1)
        );
    }

    function test_wrapping_what_was_unwrapped() external {
        bytes memory inside = bytes.concat(
            Steps.unwrap(address(weth), Steps.exact(3 ether)), Steps.wrap(address(weth), Steps.gained(Steps.ALL))
        );
        run(Steps.flash(FLASH_MORPHO, address(morpho), address(weth), 5 ether, 0, inside));
        empty();
    }

    function test_weth_must_be_weth() external {
        // COL has no withdraw; a pool that takes the call silently would be found out by the balance.
        vm.expectRevert();
        this.runFromOutside(0, 0, both(), Steps.unwrap(address(col), Steps.exact(1)));
        Silent silent = new Silent();
        expectRun(StepRunner.WrongWrap.selector, Steps.unwrap(address(silent), Steps.exact(1)));
    }
}

/// Answers every call with nothing, and every balance with zero.
contract Silent {
    function balanceOf(address) external pure returns (uint256) {
        return 0;
    }

    receive() external payable {}
    fallback() external payable {}
}
