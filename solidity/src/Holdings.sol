// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {IERC20} from "./Interfaces.sol";

// Ether's place in lists of tokens.
address constant ETHER = address(0);

/// Token transfers and approvals that take any ERC-20 (also those that return nothing), and what was gained of a
/// token since the plan began. Balances from before the plan never count: whatever somebody donated stays out of
/// every amount and every check.
abstract contract Holdings {
    error TransferFailed(address token);
    error ApprovalFailed(address token);
    /// A step speaks of a gain of a token that the plan does not list.
    error TokenNotTracked(address token);

    /// Slot of a token's balance at the plan's start, plus one.
    uint256 private constant TRACKED = 1 << 255;

    function _balance(address token, address account) internal view returns (uint256) {
        return token == ETHER ? account.balance : IERC20(token).balanceOf(account);
    }

    function _transfer(address token, address to, uint256 amount) internal {
        if (!_callToken(token, abi.encodeCall(IERC20.transfer, (to, amount)))) revert TransferFailed(token);
    }

    function _approve(address token, address spender, uint256 amount) internal {
        if (!_callToken(token, abi.encodeCall(IERC20.approve, (spender, amount)))) revert ApprovalFailed(token);
    }

    /// Takes back what a spender left of its approval.
    function _revoke(address token, address spender) internal {
        if (IERC20(token).allowance(address(this), spender) != 0) _approve(token, spender, 0);
    }

    /// Success is: no revert, and either `true` or nothing at all from an account that has code.
    function _callToken(address token, bytes memory data) private returns (bool) {
        (bool success, bytes memory result) = token.call(data);
        if (!success) return false;
        if (result.length == 0) return token.code.length != 0;
        return result.length >= 32 && abi.decode(result, (uint256)) == 1;
    }

    function _track(address token) internal {
        uint256 mark = _balance(token, address(this)) + 1;
        assembly ("memory-safe") {
            tstore(or(TRACKED, token), mark)
        }
    }

    /// Forgets a token, so that another plan in the same transaction starts clean.
    function _untrack(address token) internal {
        assembly ("memory-safe") {
            tstore(or(TRACKED, token), 0)
        }
    }

    /// The balance when the plan began.
    function _before(address token) internal view returns (uint256) {
        uint256 mark;
        assembly ("memory-safe") {
            mark := tload(or(TRACKED, token))
        }
        if (mark == 0) revert TokenNotTracked(token);
        return mark - 1;
    }

    /// What was gained of a token since the plan began; 0 when it is less than before.
    function _gained(address token) internal view returns (uint256) {
        uint256 first = _before(token);
        uint256 now_ = _balance(token, address(this));
        return now_ > first ? now_ - first : 0;
    }

    function _gainedAtMost(address token, uint256 cap) internal view returns (uint256) {
        uint256 gained = _gained(token);
        return gained < cap ? gained : cap;
    }
}
