//! Uniswap V3 pools, quoted by running their own `swap` on the overlay and undoing it.
//!
//! ```text
//! quote ─▶ Probe.quoteV3 ─▶ pool.swap ─▶ Probe's callback: reverts with both amounts ─▶ Quote
//! ```
//!
//! Ticks, fees and rounding are the pool's own business. The swap runs to the end of the price range, so a pool
//! that can't fill the amount stops early without a revert: comparing what it took with what was asked tells.

use super::{
    PROBE, Quote, Refusal, Swap, Venue, VenueError,
    abi::{IProbe, IUniswapV3Factory, IUniswapV3Pool},
    ask, sells_first,
};
use crate::{
    fork::{ReadSet, TargetBlock, View},
    plan::{Step, SwapKind},
};
use alloy::{
    primitives::{Address, I256, U256, aliases::U24},
    sol_types::SolCall,
};
use std::sync::Arc;

/// A deployment of Uniswap V3: where its pools are found.
#[derive(Clone, Debug)]
pub struct UniswapV3 {
    name: Arc<str>,
    factory: Address,
}

impl UniswapV3 {
    /// The deployment with this configured name and factory.
    #[must_use]
    pub fn new(name: &str, factory: Address) -> Self {
        Self { name: name.into(), factory }
    }

    /// All pools of these pairs in these fee tiers (units of 1e-6) that the factory knows, each once, in the order of
    /// the pairs. `reads` gets what the answer depends on, so a pool that is created later makes it stale.
    pub fn discover(
        &self,
        view: &View,
        block: &TargetBlock,
        pairs: &[(Address, Address)],
        tiers: &[u32],
        reads: &mut ReadSet,
    ) -> Result<Vec<UniswapV3Pool>, VenueError> {
        let mut pools: Vec<UniswapV3Pool> = Vec::new();
        for &(token_a, token_b) in pairs {
            for &tier in tiers {
                let address = self.get_pool(view, block, token_a, token_b, tier, reads)?;
                if !address.is_zero() && pools.iter().all(|pool| pool.address != address) {
                    pools.push(self.pool(view, block, address, reads)?);
                }
            }
        }
        Ok(pools)
    }

    /// One pool by its address. Tokens, their order and the fee are read from it; a contract that the factory does not
    /// own up to is refused.
    pub fn pool(&self, view: &View, block: &TargetBlock, address: Address, reads: &mut ReadSet) -> Result<UniswapV3Pool, VenueError> {
        let name = &self.name;
        let token0 = ask(view, block, name, address, &IUniswapV3Pool::token0Call {}, reads)?;
        let token1 = ask(view, block, name, address, &IUniswapV3Pool::token1Call {}, reads)?;
        let fee: u32 = ask(view, block, name, address, &IUniswapV3Pool::feeCall {}, reads)?.to();
        if self.get_pool(view, block, token0, token1, fee, reads)? != address {
            let reason = format!("factory {} does not know the pool {address}", self.factory);
            return Err(Refusal::Misconfigured { venue: Arc::clone(name), reason }.into());
        }
        Ok(UniswapV3Pool { name: format!("{name} {address} ({fee})").into(), address, tokens: [token0, token1], fee_pips: fee })
    }

    fn get_pool(&self, view: &View, block: &TargetBlock, token_a: Address, token_b: Address, tier: u32, reads: &mut ReadSet) -> Result<Address, VenueError> {
        let fee = U24::try_from(tier)
            .map_err(|_| Refusal::Misconfigured { venue: Arc::clone(&self.name), reason: format!("{tier} is no fee tier: it has more than 24 bits") })?;
        let call = IUniswapV3Factory::getPoolCall { tokenA: token_a, tokenB: token_b, fee };
        ask(view, block, &self.name, self.factory, &call, reads)
    }
}

/// One pool.
#[derive(Clone, Debug)]
pub struct UniswapV3Pool {
    name: Arc<str>,
    address: Address,
    tokens: [Address; 2],
    fee_pips: u32,
}

impl UniswapV3Pool {
    /// Its contract.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Its fee in units of 1e-6.
    #[must_use]
    pub const fn fee_pips(&self) -> u32 {
        self.fee_pips
    }

    fn zero_for_one(&self, token_in: Address, token_out: Address) -> Result<bool, Refusal> {
        sells_first(&self.name, self.tokens, token_in, token_out)
    }

    /// Runs the swap and gives what the pool takes and gives. `specified` is positive for an exact input.
    fn probe(&self, view: &View, block: &TargetBlock, zero_for_one: bool, specified: I256, reads: &mut ReadSet) -> Result<Quote, VenueError> {
        let call = IProbe::quoteV3Call { pool: self.address, zeroForOne: zero_for_one, amountSpecified: specified };
        let deltas = ask(view, block, &self.name, PROBE, &call, reads)?;
        let (paid, received) = if zero_for_one { (deltas.amount0, deltas.amount1) } else { (deltas.amount1, deltas.amount0) };
        // The pool's view: what it gets is positive, what it gives is negative.
        if paid.is_negative() || received.is_positive() {
            let output = IProbe::quoteV3Call::abi_encode_returns(&deltas).into();
            return Err(Refusal::Nonsense { venue: Arc::clone(&self.name), output }.into());
        }
        Ok(Quote { amount_in: paid.unsigned_abs(), amount_out: received.unsigned_abs() })
    }

    fn whole(&self, wanted: U256, filled: U256, other: U256, quote: Quote) -> Result<Quote, VenueError> {
        if filled != wanted {
            return Err(Refusal::Partial { venue: Arc::clone(&self.name), wanted, filled }.into());
        }
        if other.is_zero() {
            return Err(self.zero(wanted).into());
        }
        Ok(quote)
    }

    fn zero(&self, amount: U256) -> Refusal {
        Refusal::Zero { venue: Arc::clone(&self.name), amount }
    }

    fn specified(&self, amount: U256) -> Result<I256, Refusal> {
        if amount.is_zero() {
            return Err(self.zero(amount));
        }
        I256::try_from(amount).map_err(|_| Refusal::TooLarge { venue: Arc::clone(&self.name), amount })
    }
}

impl Venue for UniswapV3Pool {
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
        let zero_for_one = self.zero_for_one(token_in, token_out)?;
        let quote = self.probe(view, block, zero_for_one, self.specified(amount)?, reads)?;
        self.whole(amount, quote.amount_in, quote.amount_out, quote)
    }

    fn quote_exact_out(
        &self,
        view: &View,
        block: &TargetBlock,
        token_in: Address,
        token_out: Address,
        amount: U256,
        reads: &mut ReadSet,
    ) -> Result<Quote, VenueError> {
        let zero_for_one = self.zero_for_one(token_in, token_out)?;
        // Not the smallest number, as `specified` is at most the largest: the negation can't overflow.
        let quote = self.probe(view, block, zero_for_one, self.specified(amount)?.wrapping_neg(), reads)?;
        self.whole(amount, quote.amount_out, quote.amount_in, quote)
    }

    fn steps(&self, token_in: Address, token_out: Address, swap: Swap) -> Result<Vec<Step>, Refusal> {
        self.zero_for_one(token_in, token_out)?;
        let (kind, pool) = (SwapKind::UniswapV3, self.address);
        Ok(vec![match swap {
            Swap::ExactIn { amount, min_out } => Step::SwapExactIn { kind, pool, token_in, token_out, amount, min_out },
            Swap::ExactOut { amount_out, max_in } => Step::SwapExactOut { kind, pool, token_in, token_out, amount_out, max_in },
        }])
    }
}
