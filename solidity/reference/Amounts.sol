// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

// What the reference contracts of more than one protocol do with amounts: rounding up, the smaller of two, moving tokens.

/// a / b rounded up.
function divUp(uint256 a, uint256 b) pure returns (uint256) {
    return a == 0 ? 0 : (a - 1) / b + 1;
}

function min(uint256 a, uint256 b) pure returns (uint256) {
    return a < b ? a : b;
}

/// Sends tokens and takes any token that answers nothing or true; `false`, no code or a revert is a failed operation.
error SafeERC20FailedOperation(address token);

function sendToken(address token, address to, uint256 amount) {
    _callToken(token, abi.encodeWithSelector(0xa9059cbb, to, amount));
}

/// Pulls tokens by allowance.
function pullToken(address token, address from, address to, uint256 amount) {
    _callToken(token, abi.encodeWithSelector(0x23b872dd, from, to, amount));
}

/// A token's own revert data is passed on.
function _callToken(address token, bytes memory data) {
    (bool ok, bytes memory answer) = token.call(data);
    if (!ok) {
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }
    if (answer.length == 0 ? token.code.length == 0 : abi.decode(answer, (uint256)) != 1) revert SafeERC20FailedOperation(token);
}
