// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import "../src/Opcodes.sol";
import {Executor} from "../src/Executor.sol";
import {Steps} from "./Steps.sol";
import {World} from "./World.sol";

/// The main path on the real Morpho Blue and the real Uniswap V3.
contract LiquidateTest is World {
    function test_collateral_first_no_capital_all_profit_to_the_receiver() external {
        priceFallsTo(0.9e8);
        uint256 gained = run(liquidateBob());
        so("about 12 WETH", gained > 11.5 ether && gained < 13 ether);
        same("at the receiver", weth.balanceOf(RECEIVER), gained);
        same("debt", debtShares(BOB), 0);
        empty();
    }

    function test_builder_is_paid_out_of_unwrapped_ether() external {
        priceFallsTo(0.9e8);
        bytes memory steps = bytes.concat(liquidateBob(), Steps.unwrap(address(weth), Steps.exact(1 ether)));
        uint256 gained = run(1 ether, 1 ether, both(), steps);
        same("builder", BUILDER.balance, 1 ether);
        same("receiver", weth.balanceOf(RECEIVER), gained);
        empty();
    }

    function test_gas_of_a_typical_plan() external {
        priceFallsTo(0.9e8);
        bytes memory steps = bytes.concat(liquidateBob(), Steps.unwrap(address(weth), Steps.exact(1 ether)));
        address[] memory tokens = both();
        vm.prank(OPERATOR);
        executor.execute(0, type(uint64).max, 1 ether, 1 ether, tokens, steps);
        emit log_named_uint("gas of liquidate + swap + unwrap + payment", vm.lastCallGas().gasTotalUsed);
        emit log_named_uint(
            "bytes of calldata",
            abi.encodeCall(Executor.execute, (0, type(uint64).max, 1 ether, 1 ether, tokens, steps)).length
        );
    }

    function test_seize_mode_writes_bad_debt_off() external {
        priceFallsTo(0.7e8);
        uint256 gained = run(Steps.liquidate(named, BOB, 100 ether, 0, Steps.ALL, sellCollateral()));
        so("gain", gained > 0);
        same("debt written off", debtShares(BOB), 0);
        empty();
    }

    function test_without_steps_inside_the_payment_comes_from_what_is_here() external {
        priceFallsTo(0.9e8);
        bytes memory liquidation = Steps.liquidate(named, BOB, 0, debtShares(BOB), 90 ether, "");
        bytes memory inside = bytes.concat(liquidation, sellCollateral());
        uint256 gained = run(Steps.flash(FLASH_MORPHO, address(morpho), address(weth), 90 ether, 0, inside));
        so("gain", gained > 11 ether);
        empty();
    }

    function test_a_payment_above_the_most_is_refused() external {
        priceFallsTo(0.9e8);
        bytes memory steps = Steps.liquidate(named, BOB, 0, debtShares(BOB), 79 ether, sellCollateral());
        vm.expectRevert();
        this.runFromOutside(0, 0, both(), steps);
    }

    function test_exact_output_swap_leaves_the_rest_of_the_collateral_to_the_receiver() external {
        priceFallsTo(0.9e8);
        bytes memory inside = Steps.swapOut(SWAP_UNISWAP_V3, 0, pool, address(col), address(weth), 81 ether, 90 ether);
        run(Steps.liquidate(named, BOB, 0, debtShares(BOB), Steps.ALL, inside));
        so("collateral too", col.balanceOf(RECEIVER) > 5 ether);
        empty();
    }

    function test_healthy_says_so_in_morphos_words() external {
        bytes memory steps = liquidateBob();
        vm.expectRevert(abi.encodeWithSignature("Error(string)", "position is healthy"));
        this.runFromOutside(0, 0, both(), steps);
    }

    /// Any size, any price, with donations before: what is returned is what came, and nothing stays.
    function testFuzz_gain_is_what_the_receiver_got(uint256 part, uint256 price, uint256 donatedWeth, uint256 donatedCol)
        external
    {
        uint256 shares = debtShares(BOB);
        shares = bound(part, shares / 1000, shares);
        price = bound(price, 0.84e8, 0.93e8 - 1);
        donatedWeth = bound(donatedWeth, 0, 100 ether);
        donatedCol = bound(donatedCol, 0, 100 ether);
        weth.transfer(address(executor), donatedWeth);
        col.transfer(address(executor), donatedCol);
        priceFallsTo(int256(price));
        uint256 gained = run(Steps.liquidate(named, BOB, 0, shares, Steps.ALL, sellCollateral()));
        so("gained", gained > 0);
        same("receiver has the gain and the donation", weth.balanceOf(RECEIVER), gained + donatedWeth);
        same("donated collateral was not sold", col.balanceOf(RECEIVER), donatedCol);
        empty();
    }
}
