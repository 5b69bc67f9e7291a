// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";
import {Erc20} from "../Erc20.sol";

/// fxUSD: 18 decimals, string reverts, minted and burned without allowance by the long manager.
contract FxUSD is Access, Erc20 {
    event RebalanceWithStable(uint256 stableAmount, uint256 fxUSDAmount);
    error NotPoolManager();

    string public constant name = "f(x) USD";
    string public constant symbol = "fxUSD";
    uint8 public constant decimals = 18;
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
        _mint(to, amount);
    }

    function burn(address from, uint256 amount) external onlyManager {
        require(balanceOf[from] >= amount, "ERC20: burn amount exceeds balance");
        _burn(from, amount);
    }

    function onRebalanceWithStable(uint256 stableAmount, uint256 fxUSDAmount) external onlyManager {
        stableOwned += stableAmount;
        stableBacked += fxUSDAmount;
        emit RebalanceWithStable(stableAmount, fxUSDAmount);
    }

    function _balanceTooLow(address, uint256, uint256) internal pure override {
        revert("ERC20: transfer amount exceeds balance");
    }

    function _allowanceTooLow(uint256, uint256) internal pure override {
        revert("ERC20: insufficient allowance");
    }
}
