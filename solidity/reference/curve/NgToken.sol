// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {add, sub} from "./Checked.sol";
import {NgState} from "./NgState.sol";

/// The pool is its own liquidity token.
abstract contract NgToken is NgState {
    event Transfer(address indexed sender, address indexed receiver, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    string public constant name = "StableSwap";
    string public constant symbol = "SSNG";
    uint8 public constant decimals = 18;
    mapping(address => uint256) public balanceOf; // slot 38
    mapping(address => mapping(address => uint256)) public allowance;
    uint256 internal supply;

    function totalSupply() external view guarded returns (uint256) {
        return supply;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed != type(uint256).max) allowance[from][msg.sender] = sub(allowed, amount);
        _move(from, to, amount);
        return true;
    }

    function _mint(address to, uint256 amount) internal {
        supply = add(supply, amount);
        balanceOf[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    function _burn(address from, uint256 amount) internal {
        supply = sub(supply, amount);
        balanceOf[from] = sub(balanceOf[from], amount);
        emit Transfer(from, address(0), amount);
    }

    function _move(address from, address to, uint256 amount) private {
        balanceOf[from] = sub(balanceOf[from], amount);
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}
