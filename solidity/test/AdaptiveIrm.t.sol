// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {AdaptiveIrm} from "../reference/AdaptiveIrm.sol";
import {Test} from "./Vm.sol";

/// The stand-in for Morpho's interest rate model against what the deployed model answered.
contract AdaptiveIrmTest is Test {
    uint256 private constant NOW = 2_000_000_000;

    AdaptiveIrm private irm;

    struct Case {
        uint256 supply;
        uint256 borrow;
        uint256 start;
        uint256 elapsed;
        uint256 rate;
        uint256 end;
    }

    function setUp() external {
        vm.warp(NOW);
        irm = AdaptiveIrm(ours("AdaptiveIrm", abi.encode(address(this))));
    }

    /// Case `index` of the file, and whether it is there and this model's. A call of its own, so that each begins
    /// with fresh memory.
    function load(uint256 index) external view returns (bool there, bool adaptive, Case memory c) {
        string memory json = vm.readFile("../tests/vectors/moolah.json");
        string memory at = string.concat(".interest_rate_model[", vm.toString(index), "]");
        if (!vm.keyExistsJson(json, at)) return (false, false, c);
        string memory model = vm.parseJsonString(json, string.concat(at, ".model"));
        if (keccak256(bytes(model)) != keccak256("adaptive_curve_irm")) return (true, false, c);
        c.supply = vm.parseJsonUint(json, string.concat(at, ".total_supply_assets"));
        c.borrow = vm.parseJsonUint(json, string.concat(at, ".total_borrow_assets"));
        c.start = vm.parseJsonUint(json, string.concat(at, ".start_rate_at_target"));
        c.elapsed = vm.parseJsonUint(json, string.concat(at, ".elapsed"));
        c.rate = vm.parseJsonUint(json, string.concat(at, ".expect.avg_borrow_rate"));
        c.end = vm.parseJsonUint(json, string.concat(at, ".expect.end_rate_at_target"));
        adaptive = there = true;
    }

    function test_vectors() external {
        AdaptiveIrm.MarketParams memory params;
        bytes32 id = keccak256(abi.encode(params));
        uint256 cases;
        for (uint256 i;; ++i) {
            (bool there, bool adaptive, Case memory c) = this.load(i);
            if (!there) break;
            if (!adaptive) continue;
            vm.store(address(irm), keccak256(abi.encode(id, 0)), bytes32(c.start));
            AdaptiveIrm.Market memory market;
            market.totalSupplyAssets = uint128(c.supply);
            market.totalBorrowAssets = uint128(c.borrow);
            market.lastUpdate = uint128(NOW - c.elapsed);
            same("view", irm.borrowRateView(params, market), c.rate);
            same("rate", irm.borrowRate(params, market), c.rate);
            same("rate at target", uint256(irm.rateAtTarget(id)), c.end);
            ++cases;
        }
        so("there are cases", cases >= 40);
        emit log_named_uint("cases", cases);
    }

    function test_only_morpho_moves_the_rate() external {
        AdaptiveIrm.MarketParams memory params;
        AdaptiveIrm.Market memory market;
        vm.prank(address(1));
        vm.expectRevert(AdaptiveIrm.NotMorpho.selector);
        irm.borrowRate(params, market);
    }
}
