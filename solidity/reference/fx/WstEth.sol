// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";
import {Erc20} from "../Erc20.sol";

/// Staked ether whose balances grow: a balance is a share of all pooled ether.
contract StEth is Access {
    error TooLittle();

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event TransferShares(address indexed from, address indexed to, uint256 shares);

    string public constant name = "Staked Ether";
    string public constant symbol = "stETH";
    uint8 public constant decimals = 18;
    mapping(address => uint256) public sharesOf;
    mapping(address => mapping(address => uint256)) public allowance;
    uint256 public getTotalShares;
    uint256 public getTotalPooledEther;

    function initialize() external once {}

    receive() external payable {
        submit(address(0));
    }

    /// Stakes ether; the referral is ignored.
    function submit(address) public payable returns (uint256 shares) {
        shares = getSharesByPooledEth(msg.value);
        getTotalPooledEther += msg.value;
        getTotalShares += shares;
        sharesOf[msg.sender] += shares;
        emit Transfer(address(0), msg.sender, msg.value);
        emit TransferShares(address(0), msg.sender, shares);
    }

    /// Rewards or losses: all pooled ether becomes `total`.
    function rebase(uint256 total) external onlyAdmin {
        getTotalPooledEther = total;
    }

    function totalSupply() external view returns (uint256) {
        return getTotalPooledEther;
    }

    function balanceOf(address owner) external view returns (uint256) {
        return getPooledEthByShares(sharesOf[owner]);
    }

    /// Rounded down.
    function getSharesByPooledEth(uint256 amount) public view returns (uint256) {
        return getTotalPooledEther == 0 ? amount : amount * getTotalShares / getTotalPooledEther;
    }

    /// Rounded down.
    function getPooledEthByShares(uint256 shares) public view returns (uint256) {
        return getTotalShares == 0 ? shares : shares * getTotalPooledEther / getTotalShares;
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
        if (allowed != type(uint256).max) {
            require(allowed >= amount, "ALLOWANCE_EXCEEDED");
            allowance[from][msg.sender] = allowed - amount;
        }
        _move(from, to, amount);
        return true;
    }

    function _move(address from, address to, uint256 amount) private {
        uint256 shares = getSharesByPooledEth(amount);
        require(shares <= sharesOf[from], "BALANCE_EXCEEDED");
        sharesOf[from] -= shares;
        sharesOf[to] += shares;
        emit Transfer(from, to, amount);
        emit TransferShares(from, to, shares);
    }
}

/// Wrapped stETH: one token is one share, and its rate is what a share is worth.
contract WstEth is Access, Erc20 {
    string public constant name = "Wrapped liquid staked Ether 2.0";
    string public constant symbol = "wstETH";
    uint8 public constant decimals = 18;
    StEth public stETH;

    function initialize(StEth stETH_) external once {
        stETH = stETH_;
    }

    /// Ether sent here is staked and wrapped.
    receive() external payable {
        _mint(msg.sender, stETH.submit{value: msg.value}(address(0)));
    }

    function wrap(uint256 stEthAmount) external returns (uint256 amount) {
        require(stEthAmount > 0, "wstETH: can't wrap zero stETH");
        amount = stETH.getSharesByPooledEth(stEthAmount);
        _mint(msg.sender, amount);
        require(stETH.transferFrom(msg.sender, address(this), stEthAmount), "stETH");
    }

    function unwrap(uint256 amount) external returns (uint256 stEthAmount) {
        require(amount > 0, "wstETH: zero amount unwrap not allowed");
        stEthAmount = stETH.getPooledEthByShares(amount);
        _burn(msg.sender, amount);
        require(stETH.transfer(msg.sender, stEthAmount), "stETH");
    }

    function getWstETHByStETH(uint256 amount) external view returns (uint256) {
        return stETH.getSharesByPooledEth(amount);
    }

    function getStETHByWstETH(uint256 amount) external view returns (uint256) {
        return stETH.getPooledEthByShares(amount);
    }

    function stEthPerToken() external view returns (uint256) {
        return stETH.getPooledEthByShares(1 ether);
    }

    function tokensPerStEth() external view returns (uint256) {
        return stETH.getSharesByPooledEth(1 ether);
    }

    function _balanceTooLow(address, uint256, uint256) internal pure override {
        revert("ERC20: transfer amount exceeds balance");
    }

    function _allowanceTooLow(uint256, uint256) internal pure override {
        revert("ERC20: transfer amount exceeds allowance");
    }
}

/// wstETH's rate as the long manager and the inverse oracle read it.
contract WstEthRateProvider is Access {
    WstEth public token;

    function initialize(WstEth token_) external once {
        token = token_;
    }

    function getRate() external view returns (uint256) {
        return token.stEthPerToken();
    }
}
