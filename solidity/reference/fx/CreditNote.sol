// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";
import {Erc20} from "../Erc20.sol";

/// A note of one short pool: as many are in circulation as collateral tokens are lent out, in those tokens' units.
/// PoolManager mints and burns; an OpenZeppelin 5 token for everybody else.
contract CreditNote is Access, Erc20 {
    error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
    error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
    error NotMinter();

    string public name;
    string public symbol;
    uint8 public decimals;
    address public minter;

    modifier onlyMinter() {
        if (msg.sender != minter) revert NotMinter();
        _;
    }

    function initialize(address minter_, string calldata name_, string calldata symbol_, uint8 decimals_) external once {
        minter = minter_;
        name = name_;
        symbol = symbol_;
        decimals = decimals_;
    }

    function mint(address to, uint256 amount) external onlyMinter {
        _mint(to, amount);
    }

    function burn(address from, uint256 amount) external onlyMinter {
        _burn(from, amount);
    }

    function _balanceTooLow(address from, uint256 balance, uint256 needed) internal pure override {
        revert ERC20InsufficientBalance(from, balance, needed);
    }

    function _allowanceTooLow(uint256 allowed, uint256 needed) internal view override {
        revert ERC20InsufficientAllowance(msg.sender, allowed, needed);
    }
}
