// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {IBalancerV3Vault, ICallbacks} from "./Interfaces.sol";
import {StepRunner} from "./StepRunner.sol";

/// What lenders, protocols and pools call back. Each function begins with _accept (an announced caller, this name,
/// exactly the announced bytes, once), then checks what else the caller says, runs the steps inside and pays.
abstract contract Callbacks is StepRunner, ICallbacks {
    bytes32 private constant ERC3156_OK = keccak256("ERC3156FlashBorrower.onFlashLoan");

    error WrongInitiator(address initiator);
    error WrongLoan(address token, uint256 amount);

    function onMorphoLiquidate(uint256 repaid, bytes calldata data) external {
        _pulledAfter(_accept(data), repaid, data);
    }

    function onMoolahLiquidate(uint256 repaid, bytes calldata data) external {
        _pulledAfter(_accept(data), repaid, data);
    }

    function onMorphoFlashLoan(uint256 assets, bytes calldata data) external {
        _pulledAfter(_accept(data), assets, data);
    }

    function onMoolahFlashLoan(uint256 assets, bytes calldata data) external {
        _pulledAfter(_accept(data), assets, data);
    }

    function onFlashLoan(address initiator, address token, uint256 amount, uint256 fee, bytes calldata data)
        external
        returns (bytes32)
    {
        Expected memory loan = _accept(data);
        _checkLoan(loan, initiator, token, amount);
        _pulledAfter(loan, amount + fee, data);
        return ERC3156_OK;
    }

    function executeOperation(address asset, uint256 amount, uint256 premium, address initiator, bytes calldata data)
        external
        returns (bool)
    {
        Expected memory loan = _accept(data);
        _checkLoan(loan, initiator, asset, amount);
        _pulledAfter(loan, amount + premium, data);
        return true;
    }

    function receiveFlashLoan(
        address[] calldata tokens,
        uint256[] calldata amounts,
        uint256[] calldata fees,
        bytes calldata data
    ) external {
        Expected memory loan = _accept(data);
        // The vault names no initiator: what it lends must at least be what was asked for.
        if (tokens.length != 1) revert WrongLoan(address(0), 0);
        _checkLoan(loan, address(this), tokens[0], amounts[0]);
        _sentAfter(loan, amounts[0] + fees[0], data);
    }

    /// The Balancer V3 vault calls back with the bytes that its `unlock` was given.
    function onBalancerV3Unlock(bytes calldata data) external {
        Expected memory loan = _accept(data);
        IBalancerV3Vault(msg.sender).sendTo(loan.token, address(this), loan.principal);
        _sentAfter(loan, loan.principal, data);
        IBalancerV3Vault(msg.sender).settle(loan.token, loan.principal);
    }

    /// A pair names no fee, so the plan's figure is paid in full and the pair checks it.
    function uniswapV2Call(address sender, uint256 amount0, uint256 amount1, bytes calldata data) external {
        Expected memory loan = _accept(data);
        _checkLoan(loan, sender, loan.token, amount0 + amount1);
        _sentAfter(loan, loan.most, data);
    }

    function uniswapV3FlashCallback(uint256 fee0, uint256 fee1, bytes calldata data) external {
        Expected memory loan = _accept(data);
        // One side was borrowed, so the other side's fee is zero.
        _sentAfter(loan, loan.principal + fee0 + fee1, data);
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata data) external {
        Expected memory payment = _accept(data);
        int256 owed = amount0 > amount1 ? amount0 : amount1;
        if (owed < 0) owed = 0;
        _sentAfter(payment, uint256(owed), data);
    }

    /// Flux `unlock`: what is owed is settled by the steps inside.
    function fluxUnlockCallback(bytes calldata data) external {
        _accept(data);
        _run(data);
    }

    /// Flux `liquidate`: the steps inside prepare the payment as working capital, the vault checks and takes it.
    function fluxUnlockCallback(uint256 minPayment, uint256, bytes calldata data) external {
        Expected memory payment = _accept(data);
        if (minPayment > payment.most) revert CostTooHigh(minPayment, payment.most);
        _run(data);
    }

    function _checkLoan(Expected memory loan, address initiator, address token, uint256 amount) private view {
        if (initiator != address(this)) revert WrongInitiator(initiator);
        if (token != loan.token || amount != loan.principal) revert WrongLoan(token, amount);
    }

    /// Steps inside, then the caller may pull what it is owed; the step that called takes the rest back.
    function _pulledAfter(Expected memory debt, uint256 cost, bytes calldata inside) private {
        if (cost > debt.most) revert CostTooHigh(cost, debt.most);
        _run(inside);
        _approve(debt.token, msg.sender, cost);
    }

    /// Steps inside, then the caller is paid.
    function _sentAfter(Expected memory debt, uint256 cost, bytes calldata inside) private {
        if (cost > debt.most) revert CostTooHigh(cost, debt.most);
        _run(inside);
        _transfer(debt.token, msg.sender, cost);
    }
}
