// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {PoolTicks} from "../reference/fx/PoolTicks.sol";
import {ratioAt, tickAt, tickOf} from "../reference/fx/TickMath.sol";
import {Test} from "./Vm.sol";

interface VmInt {
    function parseJsonInt(string calldata json, string calldata key) external pure returns (int256);
    function parseJsonBool(string calldata json, string calldata key) external pure returns (bool);
}

/// Tick maths and the bitmap of the f(x) pools against what the deployed contracts answered.
contract TickMathTest is Test, PoolTicks {
    VmInt private constant vmi = VmInt(address(vm));

    /// The part of the file that each test walks, and how many entries it must have.
    function entries(string memory list, uint256 count) private view returns (string memory json, string[] memory at) {
        json = vm.readFile("../tests/vectors/fx.json");
        at = new string[](count);
        for (uint256 i; i < count; ++i) {
            at[i] = string.concat(".tickMath.", list, "[", vm.toString(i), "]");
        }
        so("all there", !vm.keyExistsJson(json, string.concat(".tickMath.", list, "[", vm.toString(count), "]")));
    }

    function same(string memory what, int256 got, int256 expected) private pure {
        same(what, uint256(got), uint256(expected));
    }

    function test_ratio_at_tick() external view {
        (string memory json, string[] memory at) = entries("ratioAtTick", 13);
        for (uint256 i; i < at.length; ++i) {
            int256 tick = vmi.parseJsonInt(json, string.concat(at[i], ".tick"));
            same("ratio", ratioAt(tick), vm.parseJsonUint(json, string.concat(at[i], ".ratioX96")));
        }
    }

    function test_tick_at_ratio() external view {
        (string memory json, string[] memory at) = entries("tickAtRatio", 38);
        for (uint256 i; i < at.length; ++i) {
            (int256 tick, uint256 perfect) = tickAt(vm.parseJsonUint(json, string.concat(at[i], ".ratioX96")));
            same("tick", tick, vmi.parseJsonInt(json, string.concat(at[i], ".tick")));
            same("perfect", perfect, vm.parseJsonUint(json, string.concat(at[i], ".perfectRatioX96")));
        }
    }

    function test_tick_for_shares() external view {
        (string memory json, string[] memory at) = entries("tickForShares", 21);
        for (uint256 i; i < at.length; ++i) {
            uint256 colls = vm.parseJsonUint(json, string.concat(at[i], ".collShares"));
            uint256 debts = vm.parseJsonUint(json, string.concat(at[i], ".debtShares"));
            same("tick", tickOf(colls, debts), vmi.parseJsonInt(json, string.concat(at[i], ".tick")));
        }
    }

    function test_bitmap() external {
        (string memory json, string[] memory at) = entries("bitmap.flippedTicks", 10);
        for (uint256 i; i < at.length; ++i) {
            _flip(vmi.parseJsonInt(json, at[i]));
        }
        (json, at) = entries("bitmap.next", 10);
        for (uint256 i; i < at.length; ++i) {
            (int256 next, bool has) = _nextInWord(vmi.parseJsonInt(json, string.concat(at[i], ".from")));
            same("next", next, vmi.parseJsonInt(json, string.concat(at[i], ".next")));
            so("has debt", has == vmi.parseJsonBool(json, string.concat(at[i], ".hasDebt")));
        }
        same("across words", _nextTick(5499), 5341);
    }
}
