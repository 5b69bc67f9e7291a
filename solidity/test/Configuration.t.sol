// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Configuration} from "../src/Configuration.sol";
import {Executor} from "../src/Executor.sol";
import {Test} from "./Vm.sol";

contract ConfigurationTest is Test {
    address private constant OWNER = address(1001);
    address private constant HEIR = address(1002);
    address private constant RECEIVER = address(1003);
    address private constant OPERATOR = address(1004);
    address private constant TARGET = address(1005);

    Executor private executor;

    function setUp() external {
        executor = Executor(payable(ours("Executor", abi.encode(OWNER, RECEIVER, one(OPERATOR), one(TARGET)))));
    }

    function one(address who) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = who;
    }

    function test_the_constructor_configures() external view {
        same("owner", executor.owner(), OWNER);
        same("receiver", executor.receiver(), RECEIVER);
        so("operator", executor.operators(OPERATOR));
        so("target", executor.targets(TARGET));
    }

    /// The slots that src/executor/storage.rs writes when it injects the contract.
    function test_storage_is_laid_out_as_rust_writes_it() external {
        address injected = address(0xec);
        vm.etch(injected, address(executor).code);
        vm.store(injected, bytes32(uint256(0)), bytes32(uint256(uint160(OWNER))));
        vm.store(injected, bytes32(uint256(2)), bytes32(uint256(uint160(RECEIVER))));
        vm.store(injected, keccak256(abi.encode(OPERATOR, 3)), bytes32(uint256(1)));
        vm.store(injected, keccak256(abi.encode(TARGET, 4)), bytes32(uint256(1)));
        Executor copy = Executor(payable(injected));
        same("owner", copy.owner(), OWNER);
        same("pending", copy.pendingOwner(), address(0));
        same("receiver", copy.receiver(), RECEIVER);
        so("operator", copy.operators(OPERATOR) && !copy.operators(TARGET));
        so("target", copy.targets(TARGET) && !copy.targets(OPERATOR));
        for (uint256 slot; slot < 5; ++slot) {
            same(
                "same slots",
                uint256(vm.load(injected, bytes32(slot))),
                uint256(vm.load(address(executor), bytes32(slot)))
            );
        }
    }

    function test_size_is_below_the_limit() external view {
        so("24,576 bytes", address(executor).code.length < 24_576);
    }

    function testFuzz_only_the_owner_configures(address who) external {
        vm.assume(who != OWNER);
        bytes[4] memory calls = [
            abi.encodeCall(Configuration.setReceiver, (who)),
            abi.encodeCall(Configuration.setOperator, (who, true)),
            abi.encodeCall(Configuration.setTarget, (who, true)),
            abi.encodeCall(Configuration.transferOwnership, (who))
        ];
        for (uint256 i; i < calls.length; ++i) {
            vm.prank(who);
            (bool success, bytes memory result) = address(executor).call(calls[i]);
            so("refused", !success && bytes4(result) == Configuration.NotOwner.selector);
        }
    }

    function test_an_operator_changes_nothing() external {
        vm.prank(OPERATOR);
        vm.expectRevert(Configuration.NotOwner.selector);
        executor.setReceiver(OPERATOR);
        vm.prank(OPERATOR);
        vm.expectRevert(Configuration.NotOwner.selector);
        executor.setTarget(OPERATOR, true);
        vm.prank(OPERATOR);
        vm.expectRevert(Configuration.NotPendingOwner.selector);
        executor.acceptOwnership();
    }

    function test_the_owner_changes_everything() external {
        vm.prank(OWNER);
        executor.setReceiver(HEIR);
        same("receiver", executor.receiver(), HEIR);
        vm.prank(OWNER);
        executor.setOperator(OPERATOR, false);
        so("operator gone", !executor.operators(OPERATOR));
        vm.prank(OWNER);
        executor.setTarget(TARGET, false);
        so("target gone", !executor.targets(TARGET));
    }

    function test_ownership_takes_two_steps() external {
        vm.prank(OWNER);
        executor.transferOwnership(HEIR);
        same("still the old one", executor.owner(), OWNER);
        vm.prank(OPERATOR);
        vm.expectRevert(Configuration.NotPendingOwner.selector);
        executor.acceptOwnership();
        vm.prank(HEIR);
        executor.acceptOwnership();
        same("the new one", executor.owner(), HEIR);
        vm.prank(OWNER);
        vm.expectRevert(Configuration.NotOwner.selector);
        executor.setReceiver(OWNER);
        // An offer is used up.
        vm.prank(HEIR);
        vm.expectRevert(Configuration.NotPendingOwner.selector);
        executor.acceptOwnership();
    }

    function test_an_offer_can_be_taken_back() external {
        vm.prank(OWNER);
        executor.transferOwnership(HEIR);
        vm.prank(OWNER);
        executor.transferOwnership(address(0));
        vm.prank(HEIR);
        vm.expectRevert(Configuration.NotPendingOwner.selector);
        executor.acceptOwnership();
    }

    function test_senseless_addresses_are_refused() external {
        vm.expectRevert(Configuration.BadAddress.selector);
        new Executor(address(0), RECEIVER, one(OPERATOR), one(TARGET));
        vm.expectRevert(Configuration.BadAddress.selector);
        new Executor(OWNER, address(0), one(OPERATOR), one(TARGET));
        vm.expectRevert(Configuration.BadAddress.selector);
        new Executor(OWNER, RECEIVER, one(address(0)), one(TARGET));
        vm.prank(OWNER);
        vm.expectRevert(Configuration.BadAddress.selector);
        executor.setReceiver(address(executor));
        vm.prank(OWNER);
        vm.expectRevert(Configuration.BadAddress.selector);
        executor.setTarget(address(executor), true);
    }
}
