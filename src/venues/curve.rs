//! Curve's StableSwap pools, quoted by their own `get_dy` on the overlay.
//!
//! ```text
//! CurvePool::read ─▶ coins, kind by what the contract answers ─▶ edges between its coins; native ether stands as WETH
//! ```
//!
//! Generations differ in interface and rounding (see [`CurveKind`]); what none of them offers is a swap for an exact output, so a pool sells
//! exact inputs only. The quote orders and sizes; the simulation of the whole plan decides. Two things make a quote differ from the swap:
//! the oldest pools quote up to one unit too much, which is taken off, and a StableSwap-NG pool whose amplification ramps quotes with a
//! coarser A than it swaps with.

use super::{Quote, Refusal, Swap, Venue, VenueError, abi::ICurvePool, ask};
use crate::{
    fork::{Call, Facet, ReadSet, TargetBlock, View},
    plan::{Amount, Approval, Patch, Step},
};
use alloy::{
    primitives::{Address, Bytes, U256, address},
    sol_types::SolCall,
};
use std::sync::Arc;

/// How a pool calls native ether among its coins.
const NATIVE: Address = address!("EeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE");
/// The slot of the flag with which a pool of Vyper 0.2 was stopped. It goes on quoting then.
const KILLED: U256 = U256::from_limbs([15, 0, 0, 0]);
/// Most coins of a pool.
const MOST_COINS: u64 = 8;
/// Bytes of the third argument of `exchange(int128,int128,uint256,uint256)` behind the selector.
const DX_OFFSET: u32 = 64;

/// A generation of pools, by what its contract answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CurveKind {
    /// StableSwap-NG.
    Ng,
    /// The earlier factory's pools.
    Factory,
    /// A times 100: stETH/ETH and its like.
    A100,
    /// The oldest: 3pool and its like. `exchange` returns nothing, a quote may be one unit above what the swap pays.
    A1,
}

/// One pool.
#[derive(Clone, Debug)]
pub struct CurvePool {
    name: Arc<str>,
    address: Address,
    kind: CurveKind,
    /// By the pool's index, native ether as WETH.
    tokens: Vec<Address>,
    /// The index of native ether.
    native: Option<usize>,
    weth: Address,
}

impl CurvePool {
    /// A pool as its contract describes itself: its coins in order, and its generation by the getters that answer.
    ///
    /// # Errors
    /// When the fork can't answer, or the contract is no pool of a generation that is traded here: no code, an invariant with
    /// `gamma`, coins under `int128` indices.
    pub fn read(view: &View, block: &TargetBlock, address: Address, weth: Address, reads: &mut ReadSet) -> Result<Self, VenueError> {
        let name: Arc<str> = format!("curve {address}").into();
        let misconfigured = |reason: &str| VenueError::from(Refusal::Misconfigured { venue: Arc::clone(&name), reason: reason.to_owned() });
        reads.insert(Facet::Code(address));
        if view.code(address)?.is_empty() {
            return Err(misconfigured("there is no code"));
        }
        let mut answers = |call: Vec<u8>| -> Result<Option<Bytes>, VenueError> {
            let outcome = view.call_recorded(block, &Call::new(address, call.into()), reads)?;
            // A permissive fallback answers with nothing.
            Ok((outcome.success && outcome.output.len() >= 32).then_some(outcome.output))
        };
        if answers(ICurvePool::gammaCall {}.abi_encode())?.is_some() {
            return Err(misconfigured("a pool with gamma has another invariant and other indices"));
        }
        let mut coins = Vec::new();
        for index in 0..MOST_COINS {
            let Some(output) = answers(ICurvePool::coinsCall { index: U256::from(index) }.abi_encode())? else { break };
            coins.push(ICurvePool::coinsCall::abi_decode_returns(&output).map_err(|_| misconfigured("a coin is no address"))?);
        }
        if coins.len() < 2 {
            return Err(misconfigured("it names no coins by uint256 indices"));
        }
        let kind = if answers(ICurvePool::D_ma_timeCall {}.abi_encode())?.is_some() {
            CurveKind::Ng
        } else if answers(ICurvePool::get_balancesCall {}.abi_encode())?.is_some() {
            CurveKind::Factory
        } else if answers(ICurvePool::A_preciseCall {}.abi_encode())?.is_some() {
            CurveKind::A100
        } else if answers(ICurvePool::ACall {}.abi_encode())?.is_some() {
            CurveKind::A1
        } else {
            return Err(misconfigured("it has no amplification"));
        };
        let native = coins.iter().position(|coin| *coin == NATIVE);
        let tokens = coins.into_iter().map(|coin| if coin == NATIVE { weth } else { coin }).collect();
        Ok(Self { name, address, kind, tokens, native, weth })
    }

    /// Its contract.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Its generation.
    #[must_use]
    pub const fn kind(&self) -> CurveKind {
        self.kind
    }

    fn indices(&self, token_in: Address, token_out: Address) -> Result<(usize, usize), Refusal> {
        let place = |token| self.tokens.iter().position(|known| *known == token);
        match (place(token_in), place(token_out)) {
            (Some(i), Some(j)) if i != j && self.native != Some(i) => Ok((i, j)),
            _ => Err(Refusal::NotTraded { venue: Arc::clone(&self.name), token_in, token_out }),
        }
    }

    fn is_killed(&self, view: &View, reads: &mut ReadSet) -> Result<bool, VenueError> {
        Ok(match self.kind {
            CurveKind::A100 | CurveKind::A1 => view.storage(self.address, KILLED, reads)? == U256::ONE,
            CurveKind::Ng | CurveKind::Factory => false,
        })
    }
}

/// A coin's index as the pool's argument; below [`MOST_COINS`].
fn index(place: usize) -> i128 {
    i128::try_from(place).unwrap_or(i128::MAX)
}

impl Venue for CurvePool {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    /// Native ether is bought and not sold: it would go along as the call's value, which no step can fill from what was gained.
    fn trades(&self, token_in: Address, token_out: Address) -> bool {
        self.indices(token_in, token_out).is_ok()
    }

    fn shares(&self) -> &[Address] {
        if self.tokens.len() > 2 { std::slice::from_ref(&self.address) } else { &[] }
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
        let (i, j) = self.indices(token_in, token_out)?;
        if self.is_killed(view, reads)? {
            return Err(Refusal::Closed { venue: Arc::clone(&self.name) }.into());
        }
        let call = ICurvePool::get_dyCall { i: index(i), j: index(j), dx: amount };
        let quoted = ask(view, block, &self.name, self.address, &call, reads)?;
        let pays = if self.kind == CurveKind::A1 { quoted.saturating_sub(U256::ONE) } else { quoted };
        if pays.is_zero() {
            // The swap would succeed, and take the input for nothing.
            return Err(Refusal::Zero { venue: Arc::clone(&self.name), amount }.into());
        }
        Ok(Quote { amount_in: amount, amount_out: pays })
    }

    fn steps(&self, token_in: Address, token_out: Address, swap: Swap) -> Result<Vec<Step>, Refusal> {
        let (i, j) = self.indices(token_in, token_out)?;
        let Swap::ExactIn { amount, min_out } = swap else { return Err(Refusal::ExactOutUnsupported { venue: Arc::clone(&self.name) }) };
        let (dx, patches) = match amount {
            Amount::Exact(dx) => (dx, Vec::new()),
            Amount::Gained { cap } => (cap, vec![Patch { token: token_in, cap, offset: DX_OFFSET }]),
        };
        let data: Bytes = ICurvePool::exchangeCall { i: index(i), j: index(j), dx, min_dy: min_out }.abi_encode().into();
        let approvals = vec![Approval { token: token_in, spender: self.address, amount }];
        let mut steps = vec![Step::Call { target: self.address, value: U256::ZERO, data, patches, approvals, callback: None }];
        if self.native == Some(j) {
            steps.push(Step::Wrap { weth: self.weth, amount: Amount::Gained { cap: U256::MAX } });
        }
        Ok(steps)
    }
}
