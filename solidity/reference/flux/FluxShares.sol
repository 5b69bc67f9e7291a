// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {divUp, min, pullToken, sendToken} from "../Amounts.sol";
import {FluxLock} from "./FluxLock.sol";
import {IFluxToken} from "./IFlux.sol";

/// The lenders' side: ERC-4626 shares of cash and debts. Bad debt lowers what all of them are worth at once. [D]
///
/// Assets are booked, so a donation changes no price. While the lock is held lenders neither come nor go: between seizing and
/// payment a debt still counts that is partly lost already. [R]
abstract contract FluxShares is FluxLock {
    error InsufficientShares();
    error InsufficientAllowance();

    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(
        address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256 shares
    );

    string public name;
    string public symbol;
    uint8 public immutable decimals;

    constructor(string memory name_, string memory symbol_) {
        name = name_;
        symbol = symbol_;
        decimals = IFluxToken(asset).decimals();
    }

    function convertToShares(uint256 assets) public view returns (uint256) {
        return totalSupply == 0 ? assets : assets * totalSupply / totalAssets();
    }

    function convertToAssets(uint256 shares) public view returns (uint256) {
        return totalSupply == 0 ? shares : shares * totalAssets() / totalSupply;
    }

    function maxDeposit(address) external pure returns (uint256) {
        return type(uint256).max;
    }

    function maxMint(address) external pure returns (uint256) {
        return type(uint256).max;
    }

    function maxWithdraw(address owner) external view returns (uint256) {
        return min(convertToAssets(balanceOf[owner]), cash);
    }

    function maxRedeem(address owner) external view returns (uint256) {
        return min(balanceOf[owner], convertToShares(cash));
    }

    function previewDeposit(uint256 assets) public view returns (uint256) {
        return convertToShares(assets);
    }

    function previewRedeem(uint256 shares) public view returns (uint256) {
        return convertToAssets(shares);
    }

    function previewMint(uint256 shares) public view returns (uint256) {
        return totalSupply == 0 ? shares : divUp(shares * totalAssets(), totalSupply);
    }

    function previewWithdraw(uint256 assets) public view returns (uint256) {
        return totalSupply == 0 ? assets : divUp(assets * totalSupply, totalAssets());
    }

    function deposit(uint256 assets, address receiver) external whileUnlocked returns (uint256 shares) {
        shares = previewDeposit(assets);
        _deposit(assets, shares, receiver);
    }

    function mint(uint256 shares, address receiver) external whileUnlocked returns (uint256 assets) {
        assets = previewMint(shares);
        _deposit(assets, shares, receiver);
    }

    function withdraw(uint256 assets, address receiver, address owner) external whileUnlocked returns (uint256 shares) {
        shares = previewWithdraw(assets);
        _withdraw(assets, shares, receiver, owner);
    }

    function redeem(uint256 shares, address receiver, address owner) external whileUnlocked returns (uint256 assets) {
        assets = previewRedeem(shares);
        _withdraw(assets, shares, receiver, owner);
    }

    function _deposit(uint256 assets, uint256 shares, address receiver) private {
        cash += assets;
        _mint(receiver, shares);
        emit Deposit(msg.sender, receiver, assets, shares);
        pullToken(asset, msg.sender, address(this), assets);
    }

    function _withdraw(uint256 assets, uint256 shares, address receiver, address owner) private {
        if (assets > cash) revert InsufficientLiquidity();
        if (msg.sender != owner) {
            uint256 allowed = allowance[owner][msg.sender];
            if (allowed < shares) revert InsufficientAllowance();
            if (allowed != type(uint256).max) allowance[owner][msg.sender] = allowed - shares;
        }
        cash -= assets;
        _burn(owner, shares);
        emit Withdraw(msg.sender, receiver, owner, assets, shares);
        sendToken(asset, receiver, assets);
    }

    function _balanceTooLow(address, uint256, uint256) internal pure override {
        revert InsufficientShares();
    }

    function _allowanceTooLow(uint256, uint256) internal pure override {
        revert InsufficientAllowance();
    }
}
