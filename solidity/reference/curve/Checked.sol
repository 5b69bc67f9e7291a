// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

// Checked arithmetic that reverts without data, as the Vyper pools do; Solidity's own carries a panic code.

function stop() pure {
    assembly ("memory-safe") {
        revert(0, 0)
    }
}

function check(bool condition) pure {
    if (!condition) stop();
}

function add(uint256 a, uint256 b) pure returns (uint256 c) {
    unchecked {
        c = a + b;
        check(c >= a);
    }
}

function sub(uint256 a, uint256 b) pure returns (uint256) {
    check(a >= b);
    unchecked {
        return a - b;
    }
}

function mul(uint256 a, uint256 b) pure returns (uint256 c) {
    unchecked {
        c = a * b;
        check(a == 0 || c / a == b);
    }
}

/// Rounded down.
function div(uint256 a, uint256 b) pure returns (uint256) {
    check(b != 0);
    return a / b;
}

/// a * b / c, the product checked, rounded down.
function scale(uint256 a, uint256 b, uint256 c) pure returns (uint256) {
    return div(mul(a, b), c);
}

/// Calls a token; its own revert data is passed on, an answer of `false` reverts without data.
function callToken(address token, bytes memory data) {
    check(token.code.length > 0);
    (bool ok, bytes memory answer) = token.call(data);
    if (!ok) {
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }
    check(answer.length == 0 || abi.decode(answer, (uint256)) == 1);
}

function tokenIn(address token, address from, address to, uint256 amount) {
    callToken(token, abi.encodeWithSelector(0x23b872dd, from, to, amount));
}

function tokenOut(address token, address to, uint256 amount) {
    callToken(token, abi.encodeWithSelector(0xa9059cbb, to, amount));
}
