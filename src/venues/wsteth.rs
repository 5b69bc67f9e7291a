//! Wrapped staked ether: wrapping and unwrapping as an edge, at the rate of the contract itself.
//!
//! ```text
//! stETH ── wrap / unwrap ── wstETH        shares of a pool that grows; no fee, no price impact
//! ```

use super::{Quote, Refusal, Swap, Venue, VenueError, abi::IWstEth, ask, sells_first};
use crate::{
    fork::{ReadSet, TargetBlock, View},
    plan::{Amount, Approval, Patch, Step},
};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall as _,
};
use std::sync::Arc;

/// The wrapper.
#[derive(Clone, Debug)]
pub struct WstEth {
    name: Arc<str>,
    /// Wrapped, then staked.
    tokens: [Address; 2],
}

impl WstEth {
    /// The wrapper at an address, with the staked token that it names.
    ///
    /// # Errors
    /// When the fork can't answer, or the contract names no staked token.
    pub fn read(view: &View, block: &TargetBlock, wrapper: Address, reads: &mut ReadSet) -> Result<Self, VenueError> {
        let name: Arc<str> = format!("wsteth {wrapper}").into();
        let staked = ask(view, block, &name, wrapper, &IWstEth::stETHCall {}, reads)?;
        Ok(Self { name, tokens: [wrapper, staked] })
    }

    fn unwraps(&self, token_in: Address, token_out: Address) -> Result<bool, Refusal> {
        sells_first(&self.name, self.tokens, token_in, token_out)
    }
}

impl Venue for WstEth {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    fn quote_exact_in(
        &self,
        view: &View,
        block: &TargetBlock,
        token_in: Address,
        token_out: Address,
        amount: U256,
        reads: &mut ReadSet,
    ) -> Result<Quote, VenueError> {
        let [wrapped, _] = self.tokens;
        let amount_out = if self.unwraps(token_in, token_out)? {
            ask(view, block, &self.name, wrapped, &IWstEth::getStETHByWstETHCall { amount }, reads)?
        } else {
            ask(view, block, &self.name, wrapped, &IWstEth::getWstETHByStETHCall { amount }, reads)?
        };
        if amount_out.is_zero() {
            return Err(Refusal::Zero { venue: Arc::clone(&self.name), amount }.into());
        }
        Ok(Quote { amount_in: amount, amount_out })
    }

    fn steps(&self, token_in: Address, token_out: Address, swap: Swap) -> Result<Vec<Step>, Refusal> {
        let unwraps = self.unwraps(token_in, token_out)?;
        let Swap::ExactIn { amount, min_out } = swap else { return Err(Refusal::ExactOutUnsupported { venue: Arc::clone(&self.name) }) };
        let (value, patches) = match amount {
            Amount::Exact(value) => (value, Vec::new()),
            Amount::Gained { cap } => (cap, vec![Patch { token: token_in, cap, offset: 0 }]),
        };
        let [wrapped, _] = self.tokens;
        let (data, approvals) = if unwraps {
            (IWstEth::unwrapCall { amount: value }.abi_encode(), Vec::new())
        } else {
            (IWstEth::wrapCall { amount: value }.abi_encode(), vec![Approval { token: token_in, spender: wrapped, amount }])
        };
        let mut steps = vec![Step::Call { target: wrapped, value: U256::ZERO, data: data.into(), patches, approvals, callback: None }];
        if !min_out.is_zero() {
            steps.push(Step::AssertGained { token: token_out, min: min_out });
        }
        Ok(steps)
    }
}
