// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {FungibleWrapper} from "../reference/flux/FungibleWrapper.sol";
import {IFluxBaseWrapper, IFluxVault, IFluxWrapper} from "../reference/flux/IFlux.sol";
import {WrapperLedger} from "../reference/flux/WrapperLedger.sol";
import {FluxWorld} from "./FluxWorld.sol";

/// The ledgers of fungible tokens in the Flux reference wrappers, and who may change them.
contract FluxWrappersTest is FluxWorld {
    bytes32 private constant APART = bytes32(uint256(7));

    function ids(IFluxWrapper wrapper, address who) private view returns (bytes32[] memory) {
        return WrapperLedger(address(wrapper)).positionsOf(address(vault), who);
    }

    function test_only_a_vault_of_the_factory_is_heard() external {
        IFluxVault other = IFluxVault(
            ours("FluxVault", abi.encode(usdc, vault.STRATEGY(), factory, base, KEEPER, "Not added", "NOT"))
        );
        openExample();
        address[2] memory callers = [STRANGER, address(other)];
        for (uint256 i; i < callers.length; ++i) {
            vm.prank(callers[i]);
            vm.expectRevert(WrapperLedger.NotTheVault.selector);
            wethWrapper.withdraw(address(vault), address(manager), 0, 1, callers[i]);
            vm.prank(callers[i]);
            vm.expectRevert(WrapperLedger.NotTheVault.selector);
            wethWrapper.deposit(callers[i], callers[i], 0, 1, address(this));
            vm.prank(callers[i]);
            vm.expectRevert(WrapperLedger.NotTheVault.selector);
            wethWrapper.ledgerTransferFraction(address(vault), address(manager), callers[i], WAD);
            vm.prank(callers[i]);
            vm.expectRevert(WrapperLedger.NotTheVault.selector);
            wethWrapper.claim(callers[i], callers[i], 0, 0);
            vm.prank(callers[i]);
            vm.expectRevert(WrapperLedger.NotTheVault.selector);
            IFluxBaseWrapper(address(base)).ledgerMove(address(vault), address(manager), 0, APART, 0);
        }
    }

    /// Tokens that were sent to the wrapper are booked for whoever claims them first, and no others.
    function test_claims_are_of_what_nobody_owns() external {
        openExample();
        weth.mint(address(wethWrapper), 3e18);
        toVault(abi.encodeCall(vault.locked_claimFromWrapper, (address(wethWrapper), 0, 3e18 + 1)));
        expectUnlock(FungibleWrapper.NothingToClaim.selector);
        toVault(abi.encodeCall(vault.locked_claimFromWrapper, (address(wethWrapper), 0, 3e18)));
        liquidator.unlock(vault, calls());
        same("claimed", wethWrapper.getBalance(address(vault), address(liquidator), 0), 3e18);
        toVault(abi.encodeCall(vault.locked_withdrawFromWrapper, (address(wethWrapper), 0, 12e18 + 1)));
        expectUnlock(WrapperLedger.InsufficientBalance.selector);
        toVault(abi.encodeCall(vault.locked_interactWithWrapper, (address(wethWrapper), "")));
        expectUnlock(FungibleWrapper.NoInteraction.selector);
    }

    /// Funds set apart count nothing and are seized with the rest.
    function test_funds_that_are_moved_apart() external {
        open(20 * K, 100 * K, 12e18, 1_000_000e18);
        then(address(usdc), abi.encodeCall(usdc.approve, (address(base), 9 * K)));
        toVault(abi.encodeCall(vault.locked_depositToWrapper, (address(base), 0, 9 * K)));
        toVault(abi.encodeCall(vault.locked_moveFunds, (0, APART, 4 * K)));
        manager.unlock(vault, calls());
        priceOf(address(weth), 2_500e18);
        same("working capital", vault.workingCapital(address(manager)), 5 * K);
        same("apart", base.getBalance(address(vault), address(manager), APART), 4 * K);
        same("positions", ids(base, address(manager)).length, 2);
        same("value", vault.positionValueUsd(address(manager)), 55_000e18);
        // 54,450 are due: 5,000 were seized as working capital, 4,000 are moved there, 20,000 are the bond.
        toVault(abi.encodeCall(vault.locked_moveFunds, (APART, 0, 4 * K)));
        toVault(abi.encodeCall(vault.locked_withdrawBond, (20 * K)));
        selling(12e18, 30 * K);
        preparing(45_450e6);
        liquidate();
        same("profit", usdc.balanceOf(address(liquidator)), 4_550e6);
        same("nothing left", ids(base, address(manager)).length + ids(base, address(liquidator)).length, 0);
        closed();
    }

    /// Many positions come and go in any order; those with a balance are listed once each.
    function testFuzz_positions_are_those_with_a_balance(uint8[20] calldata moves) external {
        toVault(abi.encodeCall(vault.locked_claimFromWrapper, (address(base), 0, 1000)));
        usdc.mint(address(base), 1000);
        uint256[4] memory held = [uint256(1000), 0, 0, 0];
        for (uint256 i; i < moves.length; ++i) {
            (uint256 from, uint256 to) = (moves[i] & 3, moves[i] >> 2 & 3);
            uint256 amount = moves[i] & 16 == 0 ? held[from] : held[from] / 2;
            held[from] -= amount;
            held[to] += amount;
            toVault(abi.encodeCall(vault.locked_moveFunds, (bytes32(from), bytes32(to), amount)));
        }
        manager.unlock(vault, calls());
        uint256 count;
        for (uint256 i; i < 4; ++i) {
            same("held", base.getBalance(address(vault), address(manager), bytes32(i)), held[i]);
            if (held[i] != 0) ++count;
        }
        bytes32[] memory listed = ids(base, address(manager));
        same("listed", listed.length, count);
        uint256 seen;
        for (uint256 i; i < listed.length; ++i) {
            so("has a balance", held[uint256(listed[i])] != 0);
            so("once", seen >> uint256(listed[i]) & 1 == 0);
            seen |= 1 << uint256(listed[i]);
        }
    }
}
