// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {ICallbacks} from "../src/Interfaces.sol";

// Lenders by the conventions of protocols whose packages the tests don't install. Each insists on its repayment.

interface IERC20Full {
    function balanceOf(address who) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// ERC-3156 as in its text: fee on top, pulled afterwards, the borrower's answer checked.
contract Erc3156Lender {
    uint256 public fee;
    bool public silent; // does not call back

    constructor(uint256 fee_) {
        fee = fee_;
    }

    function setSilent(bool silent_) external {
        silent = silent_;
    }

    function flashLoan(address receiver, address token, uint256 amount, bytes calldata data) external returns (bool) {
        IERC20Full(token).transfer(receiver, amount);
        if (!silent) {
            bytes32 answer = ICallbacks(receiver).onFlashLoan(msg.sender, token, amount, fee, data);
            require(answer == keccak256("ERC3156FlashBorrower.onFlashLoan"), "answer");
        }
        require(IERC20Full(token).transferFrom(receiver, address(this), amount + fee), "repayment");
        return true;
    }
}

/// Aave V3's `flashLoanSimple`: premium in basis points, pulled afterwards.
contract AaveLikePool {
    uint256 public constant PREMIUM = 5;

    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16) external {
        uint256 premium = amount * PREMIUM / 10_000;
        IERC20Full(asset).transfer(receiver, amount);
        require(ICallbacks(receiver).executeOperation(asset, amount, premium, msg.sender, params), "refused");
        require(IERC20Full(asset).transferFrom(receiver, address(this), amount + premium), "repayment");
    }
}

/// Balancer V2's vault: several tokens, repaid by a transfer during the callback, no initiator told.
contract BalancerV2LikeVault {
    uint256 public fee;

    constructor(uint256 fee_) {
        fee = fee_;
    }

    function flashLoan(address recipient, address[] calldata tokens, uint256[] calldata amounts, bytes calldata data)
        external
    {
        uint256[] memory fees = new uint256[](tokens.length);
        uint256[] memory before = new uint256[](tokens.length);
        for (uint256 i; i < tokens.length; ++i) {
            fees[i] = fee;
            before[i] = IERC20Full(tokens[i]).balanceOf(address(this));
            IERC20Full(tokens[i]).transfer(recipient, amounts[i]);
        }
        ICallbacks(recipient).receiveFlashLoan(tokens, amounts, fees, data);
        for (uint256 i; i < tokens.length; ++i) {
            require(IERC20Full(tokens[i]).balanceOf(address(this)) >= before[i] + fees[i], "repayment");
        }
    }
}

/// Balancer V3's vault: `unlock` calls the given bytes on the caller; what was sent must be settled.
contract BalancerV3LikeVault {
    bool private unlocked;
    int256 private delta;
    mapping(address => uint256) private reserves;

    function sync(address token) external {
        reserves[token] = IERC20Full(token).balanceOf(address(this));
    }

    function unlock(bytes calldata data) external returns (bytes memory) {
        unlocked = true;
        (bool success, bytes memory result) = msg.sender.call(data);
        if (!success) {
            assembly {
                revert(add(result, 32), mload(result))
            }
        }
        require(delta == 0, "BalanceNotSettled");
        unlocked = false;
        return result;
    }

    function sendTo(address token, address to, uint256 amount) external {
        require(unlocked, "VaultIsNotUnlocked");
        delta -= int256(amount);
        reserves[token] -= amount;
        IERC20Full(token).transfer(to, amount);
    }

    function settle(address token, uint256 amountHint) external returns (uint256 credit) {
        require(unlocked, "VaultIsNotUnlocked");
        uint256 now_ = IERC20Full(token).balanceOf(address(this));
        credit = now_ - reserves[token];
        if (credit > amountHint) credit = amountHint;
        reserves[token] = now_;
        delta += int256(credit);
    }
}
