// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import "../src/Opcodes.sol";
import {CallbackStack} from "../src/CallbackStack.sol";
import {StepRunner} from "../src/StepRunner.sol";
import {QuietToken} from "../reference/QuietToken.sol";
import {Steps} from "./Steps.sol";
import {World} from "./World.sol";

interface IFluxExecutor {
    function fluxUnlockCallback(bytes calldata data) external;
    function fluxUnlockCallback(uint256 minPayment, uint256 trueDebt, bytes calldata data) external;
}

/// A protocol for generic calls: keeps what it was called with, pulls tokens, and calls back in Flux's two ways.
contract Protocol {
    uint256 public first;
    uint256 public second;
    uint256 public value;
    uint256 public prepared;
    uint256 public minPayment;

    function remember(uint256 first_, uint256 second_) external payable {
        (first, second, value) = (first_, second_, msg.value);
    }

    function pull(address token, uint256 amount) external {
        (bool success, bytes memory result) = token.call(
            abi.encodeWithSignature("transferFrom(address,address,uint256)", msg.sender, address(this), amount)
        );
        require(success && (result.length == 0 || abi.decode(result, (bool))), "pull");
    }

    function fail() external pure {
        revert("the protocol says no");
    }

    function setMinPayment(uint256 amount) external {
        minPayment = amount;
    }

    // Flux: collateral first, payment prepared inside the callback.
    function unlock(bytes calldata data) external {
        IFluxExecutor(msg.sender).fluxUnlockCallback(data);
    }

    function liquidate(address, address[] calldata, bytes calldata data) external {
        IFluxExecutor(msg.sender).fluxUnlockCallback(minPayment, 0, data);
        require(prepared >= minPayment, "InsufficientPayment");
    }

    function locked_depositToWrapper(address wrapper, bytes32, uint256 amount) external {
        this.pullFrom(wrapper, msg.sender, amount);
        prepared += amount;
    }

    function pullFrom(address token, address from, uint256 amount) external {
        require(msg.sender == address(this), "self");
        (bool success,) =
            token.call(abi.encodeWithSignature("transferFrom(address,address,uint256)", from, address(this), amount));
        require(success, "pull");
    }
}

/// Calls to listed targets: patches, approvals, callbacks.
contract CallsTest is World {
    Protocol private protocol;

    function setUp() public override {
        super.setUp();
        protocol = new Protocol();
        vm.prank(OWNER);
        executor.setTarget(address(protocol), true);
    }

    function lent(uint256 amount, bytes memory inside) private view returns (bytes memory) {
        return Steps.flash(FLASH_MORPHO, address(morpho), address(weth), amount, 0, inside);
    }

    function remember(uint8 patchCount, bytes memory patches) private view returns (bytes memory) {
        bytes memory data = abi.encodeCall(Protocol.remember, (111, 222));
        return Steps.call(address(protocol), 0, 0, "", patchCount, patches, data, "");
    }

    function test_only_listed_targets() external {
        vm.prank(OWNER);
        executor.setTarget(address(protocol), false);
        expectRun(abi.encodeWithSelector(StepRunner.TargetNotListed.selector, address(protocol)), remember(0, ""));
    }

    function testFuzz_no_other_target(address target) external {
        vm.assume(target != address(protocol));
        bytes memory step = Steps.call(target, 0, 0, "", 0, "", hex"12345678", "");
        expectRun(abi.encodeWithSelector(StepRunner.TargetNotListed.selector, target), step);
    }

    function test_a_target_speaks_for_itself() external {
        bytes memory data = abi.encodeCall(Protocol.fail, ());
        expectRun(
            abi.encodeWithSignature("Error(string)", "the protocol says no"),
            Steps.call(address(protocol), 0, 0, "", 0, "", data, "")
        );
    }

    function test_value_is_sent_along() external {
        bytes memory data = abi.encodeCall(Protocol.remember, (1, 2));
        bytes memory call = Steps.call(address(protocol), 1 ether, 0, "", 0, "", data, "");
        weth.transfer(address(protocol), 0);
        priceFallsTo(0.9e8);
        run(bytes.concat(liquidateBob(), Steps.unwrap(address(weth), Steps.exact(1 ether)), call));
        same("value", protocol.value(), 1 ether);
        empty();
    }

    // ------------------------------------------------------------ patches

    function test_patches_fill_arguments_with_gains() external {
        bytes memory patches = bytes.concat(Steps.patch(address(weth), Steps.ALL, 0), Steps.patch(address(weth), 3, 32));
        weth.transfer(address(executor), 1 ether); // a donation is no gain
        run(lent(5 ether, remember(2, patches)));
        same("all that was gained", protocol.first(), 5 ether);
        same("at most 3", protocol.second(), 3);
    }

    function test_a_patch_ends_with_the_data() external {
        run(remember(1, Steps.patch(address(weth), 7, 32)));
        same("untouched", protocol.first(), 111);
        same("nothing gained", protocol.second(), 0);
    }

    function testFuzz_a_patch_outside_the_data_is_refused(uint24 offset) external {
        offset = uint24(bound(offset, 33, type(uint24).max));
        expectRun(
            abi.encodeWithSelector(StepRunner.PatchOutOfBounds.selector, offset),
            remember(1, Steps.patch(address(weth), 7, offset))
        );
    }

    /// The bytes of the callback's steps are no arguments: a patch can't reach them, nor can data without arguments be patched.
    function test_a_patch_does_not_reach_the_steps_inside() external {
        bytes memory back = Steps.callback(0x2d63f6aa, address(weth), 0, Steps.assertGained(address(weth), 0));
        bytes memory data = abi.encodePacked(Protocol.unlock.selector, uint256(32));
        for (uint24 offset = 1; offset < 64; offset += 31) {
            expectRun(
                abi.encodeWithSelector(StepRunner.PatchOutOfBounds.selector, offset),
                Steps.call(address(protocol), 0, 0, "", 1, Steps.patch(address(weth), 7, offset), data, back)
            );
        }
        expectRun(
            abi.encodeWithSelector(StepRunner.PatchOutOfBounds.selector, 0),
            Steps.call(address(protocol), 0, 0, "", 1, Steps.patch(address(weth), 7, 0), hex"12345678", "")
        );
    }

    // ------------------------------------------------------------ approvals

    function pulling(address token, uint256 pulled, bytes memory approved) private view returns (bytes memory) {
        return Steps.call(
            address(protocol),
            0,
            1,
            Steps.approval(token, address(protocol), approved),
            0,
            "",
            abi.encodeCall(Protocol.pull, (token, pulled)),
            ""
        );
    }

    function testFuzz_approvals_are_exact_and_zero_afterwards(uint256 approved, uint256 pulled) external {
        approved = bound(approved, 0, 5 ether);
        pulled = bound(pulled, 0, approved);
        priceFallsTo(0.9e8);
        run(bytes.concat(liquidateBob(), pulling(address(weth), pulled, Steps.exact(approved))));
        same("pulled", weth.balanceOf(address(protocol)), pulled);
        same("approval", weth.allowance(address(executor), address(protocol)), 0);
        empty();
    }

    function test_one_more_than_approved_can_not_be_pulled() external {
        priceFallsTo(0.9e8);
        bytes memory steps = bytes.concat(liquidateBob(), pulling(address(weth), 101, Steps.exact(100)));
        vm.expectRevert(abi.encodeWithSignature("Error(string)", "pull"));
        this.runFromOutside(0, 0, both(), steps);
    }

    function test_a_gain_can_be_approved_and_a_donation_can_not() external {
        weth.transfer(address(executor), 9 ether);
        run(lent(5 ether, bytes.concat(pulling(address(weth), 0, Steps.gained(Steps.ALL)))));
        vm.expectRevert(abi.encodeWithSignature("Error(string)", "pull"));
        this.runFromOutside(0, 0, both(), pulling(address(weth), 1, Steps.gained(Steps.ALL)));
    }

    /// Tokens as USDT: nothing returned, and no approval on top of another.
    function test_quiet_tokens_work() external {
        QuietToken quiet = QuietToken(ours("QuietToken", abi.encode("Quiet", "QT", 6)));
        quiet.mint(address(executor), 100);
        bytes memory pulls = bytes.concat(
            pulling(address(quiet), 10, Steps.exact(15)), pulling(address(quiet), 20, Steps.exact(25))
        );
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (address(weth), address(quiet));
        run(0, 0, tokens, pulls);
        same("pulled", quiet.balanceOf(address(protocol)), 30);
        same("swept", quiet.balanceOf(RECEIVER), 70);
        same("approval", quiet.allowance(address(executor), address(protocol)), 0);
    }

    // ------------------------------------------------------------ callbacks of generic calls: Flux in both ways

    function deposit(uint256 amount) private view returns (bytes memory) {
        return Steps.call(
            address(protocol),
            0,
            1,
            Steps.approval(address(weth), address(protocol), Steps.exact(amount)),
            0,
            "",
            abi.encodeCall(Protocol.locked_depositToWrapper, (address(weth), bytes32(0), amount)),
            ""
        );
    }

    function fluxLiquidation(uint256 most, bytes memory inside) private view returns (bytes memory) {
        // liquidate(manager, [], <steps>): the heads, the empty list, and the tail that the executor appends.
        bytes memory data = abi.encodePacked(Protocol.liquidate.selector, uint256(7), uint256(96), uint256(128), uint256(0));
        bytes memory back = Steps.callback(0xf1471868, address(weth), most, inside);
        return Steps.call(address(protocol), 0, 0, "", 0, "", data, back);
    }

    function test_flux_liquidation_prepares_its_payment_inside() external {
        protocol.setMinPayment(2 ether);
        priceFallsTo(0.9e8);
        run(bytes.concat(liquidateBob(), fluxLiquidation(2 ether, deposit(2 ether))));
        same("prepared", protocol.prepared(), 2 ether);
        empty();
    }

    function test_flux_payment_has_a_most() external {
        protocol.setMinPayment(2 ether);
        expectRun(
            abi.encodeWithSelector(StepRunner.CostTooHigh.selector, 2 ether, 2 ether - 1),
            fluxLiquidation(2 ether - 1, deposit(2 ether))
        );
    }

    function test_flux_unlock() external {
        bytes memory data = abi.encodePacked(Protocol.unlock.selector, uint256(32));
        bytes memory inside = remember(0, "");
        run(Steps.call(address(protocol), 0, 0, "", 0, "", data, Steps.callback(0x2d63f6aa, address(0), 0, inside)));
        same("ran inside", protocol.first(), 111);
        // The other overload was not announced.
        expectRun(
            abi.encodeWithSelector(CallbackStack.UnexpectedCallback.selector, address(protocol), bytes4(0x2d63f6aa)),
            Steps.call(address(protocol), 0, 0, "", 0, "", data, Steps.callback(0xf1471868, address(0), 0, inside))
        );
    }

    function test_a_promised_callback_must_come() external {
        bytes memory data = abi.encodeCall(Protocol.remember, (1, 2));
        expectRun(
            StepRunner.CallbackMissing.selector,
            Steps.call(address(protocol), 0, 0, "", 0, "", data, Steps.callback(0x2d63f6aa, address(0), 0, ""))
        );
    }
}
