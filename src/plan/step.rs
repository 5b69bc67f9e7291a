//! How an opportunity is taken: transactions made of steps that `solidity/src/Executor.sol` carries out.

use alloy::primitives::{Address, Bytes, FixedBytes, U256};

/// How much of a token a step uses. A swap or wrap of nothing is left out, and fails only by its least output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Exactly this much.
    Exact(U256),
    /// What the executor gained of the token since the plan began, at most this much.
    Gained {
        /// The most to use.
        cap: U256,
    },
}

/// An approval that lives for one call and is zero again after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The token to approve.
    pub token: Address,
    /// Who may pull it.
    pub spender: Address,
    /// Exactly how much.
    pub amount: Amount,
}

/// Writes `min(cap, gained(token))` as the 32-byte argument at byte `offset` of a call's data, counted after the selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Whose gain since the plan began is written.
    pub token: Address,
    /// The most to write.
    pub cap: U256,
    /// Byte offset of the argument behind the selector.
    pub offset: u32,
}

/// A call back into the executor that a step allows, once, and what is done inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The only selector that is accepted.
    pub selector: FixedBytes<4>,
    /// The token that the caller pulls after (or is paid inside) the callback.
    pub token: Address,
    /// The most it may cost.
    pub most_to_pay: U256,
    /// Steps run inside the callback; the call carries their hash.
    pub inside: Vec<Step>,
}

/// A lender's loan and callback convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlashKind {
    /// `flashLoan(address,uint256,bytes)` with `onMorphoFlashLoan`, repaid by a pull.
    Morpho,
    /// The same with `onMoolahFlashLoan`.
    Moolah,
    /// ERC-3156: initiator checked, repaid by a pull.
    Erc3156,
    /// Balancer V2 vault, repaid by a transfer.
    BalancerV2,
    /// Balancer V3 vault: unlock, send, settle.
    BalancerV3,
    /// Aave V3 `flashLoanSimple`: initiator checked, repaid by a pull.
    AaveV3,
    /// Uniswap V2 pair `swap` with data: initiator checked, repaid by a transfer. A pair names no fee: `max_fee` is
    /// paid in full, so it must be the pair's exact fee (rounded up).
    UniswapV2,
    /// Uniswap V3 pool `flash`, repaid by a transfer.
    UniswapV3,
}

/// A pool's swap convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SwapKind {
    /// Uniswap V3 pool: `swap` with the payment made in `uniswapV3SwapCallback`.
    UniswapV3,
    /// Uniswap V2 pair: pay first, then `swap` with the given output.
    UniswapV2 {
        /// The pair's fee in units of 1e-6.
        fee_pips: u32,
    },
}

/// A liquidation in an isolated market whose contract sends the collateral first and pulls the payment after its callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsolatedLiquidation {
    /// The contract that holds the market.
    pub lender: Address,
    /// The callback selector of the contract's flavour.
    pub callback: FixedBytes<4>,
    /// The token that is repaid.
    pub loan_token: Address,
    /// The token that is seized.
    pub collateral_token: Address,
    /// The market's oracle.
    pub oracle: Address,
    /// The market's interest rate model.
    pub irm: Address,
    /// The market's liquidation loan-to-value, 1e18 is one.
    pub lltv: U256,
    /// Whose position.
    pub borrower: Address,
    /// Collateral to seize; zero in share mode.
    pub seized_assets: U256,
    /// Debt shares to repay; zero in seize mode.
    pub repaid_shares: U256,
    /// The most loan token to pay.
    pub most_to_pay: U256,
    /// Steps run with the collateral in hand, before the payment is pulled. Without any, nothing is called back and
    /// the payment must be here already.
    pub inside: Vec<Step>,
}

/// One thing that the executor does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A call to a target that the owner listed.
    Call {
        /// A listed contract.
        target: Address,
        /// Wei to send along.
        value: U256,
        /// Selector and arguments. With a callback it ends before the tail of the last argument, whose head points to
        /// the data's end: the executor appends length and bytes of the hash-committed steps there.
        data: Bytes,
        /// Arguments filled from what was gained.
        patches: Vec<Patch>,
        /// Approvals that live for this call.
        approvals: Vec<Approval>,
        /// The callback it makes, if any.
        callback: Option<Callback>,
    },
    /// A liquidation that pays after its callback.
    Liquidate(IsolatedLiquidation),
    /// Borrow within the transaction.
    FlashLoan {
        /// The lender's convention.
        kind: FlashKind,
        /// The lender.
        lender: Address,
        /// The token.
        token: Address,
        /// How much.
        amount: U256,
        /// The most to pay on top.
        max_fee: U256,
        /// Steps run with the loan in hand.
        inside: Vec<Self>,
    },
    /// Sell an amount of `token_in` to one pool.
    SwapExactIn {
        /// The pool's convention.
        kind: SwapKind,
        /// The pool.
        pool: Address,
        /// What is sold.
        token_in: Address,
        /// What is bought.
        token_out: Address,
        /// How much is sold.
        amount: Amount,
        /// The least to receive.
        min_out: U256,
    },
    /// Buy an exact amount of `token_out` from one pool.
    SwapExactOut {
        /// The pool's convention.
        kind: SwapKind,
        /// The pool.
        pool: Address,
        /// What is sold.
        token_in: Address,
        /// What is bought.
        token_out: Address,
        /// How much is bought.
        amount_out: U256,
        /// The most to sell.
        max_in: U256,
    },
    /// Wrap ether.
    Wrap {
        /// The WETH contract.
        weth: Address,
        /// How much.
        amount: Amount,
    },
    /// Unwrap ether.
    Unwrap {
        /// The WETH contract.
        weth: Address,
        /// How much.
        amount: Amount,
    },
    /// Revert unless this much was gained of a token since the plan began.
    AssertGained {
        /// The token.
        token: Address,
        /// The least gain.
        min: U256,
    },
}

/// One transaction of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxPlan {
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Further tokens whose gains are swept to the profit receiver at the end. The profit token and every token that a
    /// step mentions are swept without being listed, and so are gains of ether.
    pub sweep: Vec<Address>,
    /// The token that profit is measured in, on chain, at the receiver; the zero address is ether.
    pub profit_token: Address,
    /// The least gain of the profit token at the receiver; the transaction reverts below it.
    pub min_gain: U256,
    /// Wei paid to the block's fee recipient at the very end, from ether that the steps unwrapped.
    pub builder_payment: U256,
    /// First and last block in which the transaction does not revert.
    pub blocks: (u64, u64),
}
