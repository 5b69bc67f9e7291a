// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.28;

import {Callbacks} from "./Callbacks.sol";
import {ETHER} from "./Holdings.sol";

/// Carries out plans: takes loans, liquidates, swaps, repays, and sends what is gained to one receiver.
///
///   execute ─▶ window ─▶ steps ──call──▶ lender, protocol, pool
///                          ▲                    │ callback: announced caller, name and bytes only
///                          └──── steps inside ◀─┘
///            ─▶ sweep to the receiver ─▶ gain >= minGain ─▶ builder's payment
///
/// The owner decides who receives, who operates and which contracts generic calls may reach. Operators can change
/// none of that. The contract is empty between plans. There is no delegatecall, and there are no immutables: the same
/// code serves every chain and every owner, also as an overlay in a simulation.
///
/// Encoding of steps, all packed (see Reader.sol for number and amount); docs/executor.md tells the reasons:
///
///   step:      opcode (1) | size of the payload (3) | payload
///   CALL       target (20) | value number
///              | count (1) of approvals: token (20), spender (20), amount
///              | count (1) of patches: token (20), cap number, offset behind the selector (3)
///              | size (3) | selector and arguments
///              | 0 (1), or 1 (1) | callback's selector (4) | token (20) | most number | steps inside
///   LIQUIDATE  lender (20) | callback's selector (4) | loan token, collateral token, oracle, irm (20 each)
///              | lltv number | borrower (20) | seized number | shares number | most number | steps inside
///   FLASH      kind (1) | lender (20) | token (20) | number | most fee number | steps inside
///   SWAP_IN    kind (1) | fee in 1e-6 (3) | pool, token in, token out (20 each) | amount in | least out number
///   SWAP_OUT   kind (1) | fee in 1e-6 (3) | pool, token in, token out (20 each) | out number | most in number
///   WRAP, UNWRAP     weth (20) | amount
///   ASSERT_GAINED    token (20) | least number
contract Executor is Callbacks {
    /// The most gas that the block's fee recipient gets with its payment.
    uint256 public constant PAYMENT_GAS = 50_000;

    bool private transient entered;

    error NotOperator();
    error Reentered();
    error OutsideWindow(uint256 blockNumber);
    error PaymentNotCovered(uint256 available, uint256 payment);
    error PaymentFailed();
    error UnexpectedEther();

    /// What a plan brought to the receiver.
    event Gained(address indexed token, uint256 amount);

    constructor(address owner_, address receiver_, address[] memory operators_, address[] memory targets_) {
        _configure(owner_, receiver_, operators_, targets_);
    }

    /// Carries out `steps`, sends what was gained of `tokens` (and of ether) to the receiver, and pays the builder.
    /// @param firstBlock, lastBlock the blocks in which the plan may run
    /// @param minGain the least of tokens[0] that must reach the receiver
    /// @param builderPayment wei for the block's fee recipient, out of ether gained by the steps
    /// @param tokens all tokens whose gains the steps use or leave, the profit token first; address 0 is ether
    /// @return gained what reached the receiver of tokens[0], without what the executor held before
    function execute(
        uint64 firstBlock,
        uint64 lastBlock,
        uint256 minGain,
        uint256 builderPayment,
        address[] calldata tokens,
        bytes calldata steps
    ) external returns (uint256 gained) {
        if (!operators[msg.sender]) revert NotOperator();
        if (entered) revert Reentered();
        entered = true;
        if (block.number < firstBlock || block.number > lastBlock) revert OutsideWindow(block.number);

        address to = receiver;
        address profitToken;
        uint256 atReceiver;
        if (tokens.length != 0) {
            profitToken = tokens[0];
            atReceiver = _balance(profitToken, to);
        }
        _track(ETHER);
        for (uint256 i; i < tokens.length; ++i) _track(tokens[i]);

        _run(steps);

        _sweep(tokens, to, builderPayment);
        if (tokens.length != 0) {
            // What lay here before the plan went along, but was not gained by it.
            uint256 base = atReceiver + _before(profitToken);
            uint256 reached = _balance(profitToken, to);
            gained = reached > base ? reached - base : 0;
            if (reached < base) revert GainTooLow(profitToken, 0, minGain);
        }
        if (gained < minGain) revert GainTooLow(profitToken, gained, minGain);
        emit Gained(profitToken, gained);

        _untrack(ETHER);
        for (uint256 i; i < tokens.length; ++i) _untrack(tokens[i]);
        if (builderPayment != 0) {
            (bool paid,) = block.coinbase.call{value: builderPayment, gas: PAYMENT_GAS}("");
            if (!paid) revert PaymentFailed();
        }
        entered = false;
    }

    /// Everything of the listed tokens goes to the receiver, and ether when it was gained or is listed; the
    /// builder's payment stays until the end. Ether that was only donated can't make a plan fail.
    function _sweep(address[] calldata tokens, address to, uint256 builderPayment) private {
        bool sendEther;
        for (uint256 i; i < tokens.length; ++i) {
            address token = tokens[i];
            if (token == ETHER) {
                sendEther = true;
                continue;
            }
            uint256 amount = _balance(token, address(this));
            if (amount != 0) _transfer(token, to, amount);
        }
        uint256 etherGained = _gained(ETHER);
        if (etherGained < builderPayment) revert PaymentNotCovered(etherGained, builderPayment);
        if (etherGained > builderPayment) sendEther = true;
        uint256 etherLeft = address(this).balance - builderPayment;
        if (sendEther && etherLeft != 0) {
            (bool sent,) = to.call{value: etherLeft}("");
            if (!sent) revert TransferFailed(ETHER);
        }
    }

    /// Ether comes from WETH and from protocols, and only while a plan runs.
    receive() external payable {
        if (!entered) revert UnexpectedEther();
    }
}
