//! Plans as calldata of `Executor.execute`. The encoding is written down at the head of `solidity/src/Executor.sol`.
//!
//! ```text
//! TxPlan ─▶ execute(first block, last block, min gain, builder payment, tokens, steps)
//! Step   ─▶ opcode (1) | size (3) | payload, with the steps inside a callback as the payload's end
//! ```

use alloy::primitives::{Address, Bytes, FixedBytes, U256};
use alloy::sol_types::SolCall;

use super::abi::Executor;
use super::opcodes as op;
use super::writer::Writer;
use crate::plan::{Amount, Callback, FlashKind, IsolatedLiquidation, Patch, Step, SwapKind, TxPlan};

/// Selector of `Executor.execute`.
pub const EXECUTE_SELECTOR: FixedBytes<4> = FixedBytes(Executor::executeCall::SELECTOR);

/// A plan that can't be written down, or that the executor would certainly refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// More items than a count of one byte holds.
    #[error("{count} {what} are too many")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
    },
    /// A figure or a size above three bytes.
    #[error("{what} of {value} is too large")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The figure.
        value: usize,
    },
    /// A call without a whole selector.
    #[error("call data of {length} bytes has no selector")]
    NoSelector {
        /// Bytes there are.
        length: usize,
    },
    /// A patch that does not lie inside the call's arguments.
    #[error("a patch at offset {offset} does not fit into {length} bytes of arguments")]
    PatchOutOfBounds {
        /// Bytes behind the selector.
        offset: u32,
        /// Bytes of arguments.
        length: usize,
    },
    /// A liquidation must name collateral to seize or shares to repay, and not both.
    #[error("a liquidation seizes {seized_assets} and repays {repaid_shares} shares: exactly one must be given")]
    LiquidationMode {
        /// Collateral to seize.
        seized_assets: U256,
        /// Shares to repay.
        repaid_shares: U256,
    },
    /// A fee of the whole amount or more.
    #[error("a pool fee of {fee_pips} millionths")]
    PoolFee {
        /// In units of 1e-6.
        fee_pips: u32,
    },
    /// A loan whose repayment does not fit a word.
    #[error("a loan of {amount} with a fee of up to {max_fee} overflows")]
    Repayment {
        /// The loan.
        amount: U256,
        /// The most to pay on top.
        max_fee: U256,
    },
    /// A plan for no block at all.
    #[error("the plan's first block {first} is after its last block {last}")]
    NoBlocks {
        /// First block.
        first: u64,
        /// Last block.
        last: u64,
    },
}

/// The calldata of one transaction of a plan.
pub fn encode(plan: &TxPlan) -> Result<Bytes, EncodeError> {
    let (first, last) = plan.blocks;
    if first > last {
        return Err(EncodeError::NoBlocks { first, last });
    }
    let call = Executor::executeCall {
        firstBlock: first,
        lastBlock: last,
        minGain: plan.min_gain,
        builderPayment: plan.builder_payment,
        tokens: tokens(plan),
        steps: encode_steps(&plan.steps)?.into(),
    };
    Ok(call.abi_encode().into())
}

/// The tokens whose gains the executor tracks and sweeps: the profit token, the plan's own list, and every token
/// that a step can leave at the executor, so that nothing stays behind. Ether needs no mention: its gains always go.
pub fn tokens(plan: &TxPlan) -> Vec<Address> {
    let mut found = vec![plan.profit_token];
    let mut add = |token: Address| {
        if !found.contains(&token) {
            found.push(token);
        }
    };
    plan.sweep.iter().copied().for_each(&mut add);
    visit(&plan.steps, &mut |token| {
        if token != Address::ZERO {
            add(token);
        }
    });
    found
}

/// Shows every token that some step mentions.
fn visit(steps: &[Step], show: &mut dyn FnMut(Address)) {
    for step in steps {
        match step {
            Step::Call { patches, approvals, callback, .. } => {
                approvals.iter().for_each(|approval| show(approval.token));
                patches.iter().for_each(|patch| show(patch.token));
                if let Some(callback) = callback {
                    show(callback.token);
                    visit(&callback.inside, show);
                }
            }
            Step::Liquidate(liquidation) => {
                show(liquidation.loan_token);
                show(liquidation.collateral_token);
                visit(&liquidation.inside, show);
            }
            Step::FlashLoan { token, inside, .. } => {
                show(*token);
                visit(inside, show);
            }
            Step::SwapExactIn { token_in, token_out, .. } | Step::SwapExactOut { token_in, token_out, .. } => {
                show(*token_in);
                show(*token_out);
            }
            Step::Wrap { weth, .. } | Step::Unwrap { weth, .. } => show(*weth),
            Step::AssertGained { token, .. } => show(*token),
        }
    }
}

/// Steps one after the other, as they also stand inside a callback's data.
pub fn encode_steps(steps: &[Step]) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer::default();
    for step in steps {
        let (opcode, payload) = encode_step(step)?;
        writer.byte(opcode);
        writer.sized("size of a step", &payload)?;
    }
    Ok(writer.finish())
}

fn encode_step(step: &Step) -> Result<(u8, Vec<u8>), EncodeError> {
    let mut out = Writer::default();
    let opcode = match step {
        Step::Call { target, value, data, patches, approvals, callback } => {
            out.address(*target);
            out.number(*value);
            out.count("approvals", approvals.len())?;
            for approval in approvals {
                out.address(approval.token);
                out.address(approval.spender);
                out.amount(approval.amount);
            }
            write_patches(&mut out, patches, data)?;
            out.sized("size of call data", data)?;
            write_callback(&mut out, callback.as_ref())?;
            op::CALL
        }
        Step::Liquidate(liquidation) => {
            write_liquidation(&mut out, liquidation)?;
            op::LIQUIDATE
        }
        Step::FlashLoan { kind, lender, token, amount, max_fee, inside } => {
            if amount.checked_add(*max_fee).is_none() {
                return Err(EncodeError::Repayment { amount: *amount, max_fee: *max_fee });
            }
            out.byte(lender_kind(*kind));
            out.address(*lender);
            out.address(*token);
            out.number(*amount);
            out.number(*max_fee);
            out.raw(&encode_steps(inside)?);
            op::FLASH
        }
        Step::SwapExactIn { kind, pool, token_in, token_out, amount, min_out } => {
            write_pool(&mut out, *kind, *pool, *token_in, *token_out)?;
            out.amount(*amount);
            out.number(*min_out);
            op::SWAP_IN
        }
        Step::SwapExactOut { kind, pool, token_in, token_out, amount_out, max_in } => {
            write_pool(&mut out, *kind, *pool, *token_in, *token_out)?;
            out.number(*amount_out);
            out.number(*max_in);
            op::SWAP_OUT
        }
        Step::Wrap { weth, amount } => {
            write_wrap(&mut out, *weth, *amount);
            op::WRAP
        }
        Step::Unwrap { weth, amount } => {
            write_wrap(&mut out, *weth, *amount);
            op::UNWRAP
        }
        Step::AssertGained { token, min } => {
            out.address(*token);
            out.number(*min);
            op::ASSERT_GAINED
        }
    };
    Ok((opcode, out.finish()))
}

/// Patches must lie behind the selector and inside the arguments; the contract checks the same.
fn write_patches(out: &mut Writer, patches: &[Patch], data: &[u8]) -> Result<(), EncodeError> {
    let length = data.len().checked_sub(4).ok_or(EncodeError::NoSelector { length: data.len() })?;
    out.count("patches", patches.len())?;
    for patch in patches {
        let end = usize::try_from(patch.offset).ok().and_then(|offset| offset.checked_add(32));
        if end.is_none_or(|end| end > length) {
            return Err(EncodeError::PatchOutOfBounds { offset: patch.offset, length });
        }
        out.address(patch.token);
        out.number(patch.cap);
        out.u24("offset of a patch", usize::try_from(patch.offset).unwrap_or(usize::MAX))?;
    }
    Ok(())
}

fn write_callback(out: &mut Writer, callback: Option<&Callback>) -> Result<(), EncodeError> {
    let Some(callback) = callback else {
        out.byte(0);
        return Ok(());
    };
    out.byte(1);
    out.raw(callback.selector.as_slice());
    out.address(callback.token);
    out.number(callback.most_to_pay);
    out.raw(&encode_steps(&callback.inside)?);
    Ok(())
}

fn write_liquidation(out: &mut Writer, liquidation: &IsolatedLiquidation) -> Result<(), EncodeError> {
    let IsolatedLiquidation { seized_assets, repaid_shares, .. } = *liquidation;
    if seized_assets.is_zero() == repaid_shares.is_zero() {
        return Err(EncodeError::LiquidationMode { seized_assets, repaid_shares });
    }
    out.address(liquidation.lender);
    out.raw(liquidation.callback.as_slice());
    out.address(liquidation.loan_token);
    out.address(liquidation.collateral_token);
    out.address(liquidation.oracle);
    out.address(liquidation.irm);
    out.number(liquidation.lltv);
    out.address(liquidation.borrower);
    out.number(seized_assets);
    out.number(repaid_shares);
    out.number(liquidation.most_to_pay);
    out.raw(&encode_steps(&liquidation.inside)?);
    Ok(())
}

fn write_pool(out: &mut Writer, kind: SwapKind, pool: Address, token_in: Address, token_out: Address) -> Result<(), EncodeError> {
    let (kind, fee_pips) = match kind {
        SwapKind::UniswapV3 => (op::SWAP_UNISWAP_V3, 0),
        SwapKind::UniswapV2 { fee_pips } => (op::SWAP_UNISWAP_V2, fee_pips),
    };
    let fee = usize::try_from(fee_pips).ok().filter(|_| fee_pips < 1_000_000);
    out.byte(kind);
    out.u24("pool fee", fee.ok_or(EncodeError::PoolFee { fee_pips })?)?;
    out.address(pool);
    out.address(token_in);
    out.address(token_out);
    Ok(())
}

fn write_wrap(out: &mut Writer, weth: Address, amount: Amount) {
    out.address(weth);
    out.amount(amount);
}

const fn lender_kind(kind: FlashKind) -> u8 {
    match kind {
        FlashKind::Morpho => op::FLASH_MORPHO,
        FlashKind::Moolah => op::FLASH_MOOLAH,
        FlashKind::Erc3156 => op::FLASH_ERC3156,
        FlashKind::BalancerV2 => op::FLASH_BALANCER_V2,
        FlashKind::BalancerV3 => op::FLASH_BALANCER_V3,
        FlashKind::AaveV3 => op::FLASH_AAVE_V3,
        FlashKind::UniswapV2 => op::FLASH_UNISWAP_V2,
        FlashKind::UniswapV3 => op::FLASH_UNISWAP_V3,
    }
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
