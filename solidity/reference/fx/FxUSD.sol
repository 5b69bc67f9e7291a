// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";

/// fxUSD: 18 decimals, string reverts, minted and burned without allowance by the long manager.
contract FxUSD is Access {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event RebalanceWithStable(uint256 stableAmount, uint256 fxUSDAmount);
    error NotPoolManager();

    string public constant name = "f(x) USD";
    string public constant symbol = "fxUSD";
    uint8 public constant decimals = 18;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    uint256 public totalSupply;
    address public poolManager;
    /// USDC that came in instead of burned fxUSD, and the fxUSD it stands for.
    uint256 public stableOwned;
    uint256 public stableBacked;

    modifier onlyManager() {
        if (msg.sender != poolManager) revert NotPoolManager();
        _;
    }

    function initialize(address poolManager_) external once {
        poolManager = poolManager_;
    }

    function mint(address to, uint256 amount) external onlyManager {
        totalSupply += amount;
        balanceOf[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    function burn(address from, uint256 amount) external onlyManager {
        _take(from, amount, "ERC20: burn amount exceeds balance");
        totalSupply -= amount;
        emit Transfer(from, address(0), amount);
    }

    function onRebalanceWithStable(uint256 stableAmount, uint256 fxUSDAmount) external onlyManager {
        stableOwned += stableAmount;
        stableBacked += fxUSDAmount;
        emit RebalanceWithStable(stableAmount, fxUSDAmount);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _take(msg.sender, amount, "ERC20: transfer amount exceeds balance");
        balanceOf[to] += amount;
        emit Transfer(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed != type(uint256).max) {
            require(allowed >= amount, "ERC20: insufficient allowance");
            allowance[from][msg.sender] = allowed - amount;
        }
        _take(from, amount, "ERC20: transfer amount exceeds balance");
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
        return true;
    }

    function _take(address from, uint256 amount, string memory why) private {
        uint256 balance = balanceOf[from];
        require(balance >= amount, why);
        balanceOf[from] = balance - amount;
    }
}
