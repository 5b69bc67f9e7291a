// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Access} from "./Access.sol";
import {IToken} from "./IFx.sol";
import {sendToken} from "../Amounts.sol";

/// Tokens that top up the bonus of a liquidation whose tick cannot pay it.
contract ReservePool is Access {
    error NotManager();

    event RequestBonus(address indexed token, address indexed receiver, uint256 amount);

    mapping(address => bool) public isManager;

    function initialize(address longManager, address shortManager) external once {
        isManager[longManager] = true;
        isManager[shortManager] = true;
    }

    function getBalance(address token) external view returns (uint256) {
        return IToken(token).balanceOf(address(this));
    }

    function requestBonus(address token, address receiver, uint256 amount) external {
        if (!isManager[msg.sender]) revert NotManager();
        sendToken(token, receiver, amount);
        emit RequestBonus(token, receiver, amount);
    }
}
