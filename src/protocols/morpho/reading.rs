//! A market as it will be at the target block.
//!
//! ```text
//! storage ─▶ parameters, totals, guards ─┐
//! rate model's code ─▶ rate ─▶ accrual ──┼─▶ MorphoMarket ─▶ boundary
//! oracle's code ─▶ price ────────────────┘
//! ```

use super::{
    Flavor, MarketParams, MarketState, MorphoRevert, abi,
    maths::{
        accrual::accrue,
        fixed::WAD,
        health::incentive_factor,
        order::boundary,
        price::{moolah_min_loan, moolah_price},
    },
    storage::{Slots, address, decode_market, decode_params},
};
use crate::{
    fork::{EnvWord, Facet, ReadSet, TargetBlock, View},
    plan::{MarketId, Skip, SkipReason},
    protocols::ask::{NoAnswer, Stop, ask, words},
};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};

/// A market at a target block: what every decision about its positions needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MorphoMarket {
    /// Its id.
    pub id: MarketId,
    /// What it is.
    pub params: MarketParams,
    /// Its totals with interest to the block's timestamp.
    pub state: MarketState,
    /// One unit of collateral in loan units, 1e36 fixed point; never zero.
    pub price: U256,
    /// What a liquidator gets for one unit of debt, 1e18 fixed point.
    pub incentive: U256,
    /// Moolah: the least debt that may remain in an insolvent position, in loan-token units.
    pub min_loan: U256,
}

impl MorphoMarket {
    /// The key that every liquidatable position of at least `min_shares` borrow shares lies above.
    pub fn boundary(&self, min_shares: u128) -> Result<U256, MorphoRevert> {
        boundary(&self.state.borrow_pool()?, self.price, self.params.lltv, min_shares)
    }
}

impl From<MorphoRevert> for Stop {
    fn from(revert: MorphoRevert) -> Self {
        Self::Skip(revert.into())
    }
}

fn skip<T>(reason: SkipReason, detail: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Skip(Skip::new(reason, detail)))
}

/// Reads one market of one deployment.
pub(super) struct Reader<'a> {
    pub(super) flavor: Flavor,
    pub(super) contract: Address,
    pub(super) view: &'a View,
    pub(super) block: &'a TargetBlock,
    pub(super) reads: ReadSet,
}

impl Reader<'_> {
    pub(super) fn market(&mut self, id: MarketId) -> Result<MorphoMarket, Stop> {
        let slots = Slots::new(self.flavor);
        let stored = decode_market(self.words(slots.market(id))?);
        if stored.last_update == 0 {
            return Err(MorphoRevert::MarketNotCreated.into());
        }
        let params = decode_params(self.words(slots.params(id))?);
        if params.id() != id {
            return skip(SkipReason::Trap, "the parameters in storage do not hash to the market's id: the contract's layout is not the known one");
        }
        if params.lltv > WAD {
            return skip(SkipReason::Trap, format!("the loan-to-value {} is above one", params.lltv));
        }
        self.check_open(&slots, id)?;
        let state = self.accrued(&params, stored)?;
        let (price, min_loan) = match self.flavor {
            Flavor::MorphoBlue => (self.oracle_price(&params)?, U256::ZERO),
            Flavor::Moolah => self.moolah_prices(&slots, &params)?,
        };
        if price.is_zero() {
            return skip(SkipReason::PriceAbnormal, format!("the oracle {} prices the collateral at zero", params.oracle));
        }
        Ok(MorphoMarket { id, params, state, price, incentive: incentive_factor(params.lltv)?, min_loan })
    }

    fn words<const N: usize>(&mut self, slots: [U256; N]) -> Result<[U256; N], Stop> {
        Ok(words(self.view, self.contract, slots, &mut self.reads)?)
    }

    fn ask<C: SolCall>(&mut self, contract: Address, question: &C) -> Result<Result<C::Return, NoAnswer<MorphoRevert>>, Stop> {
        self.ask_as(Address::ZERO, contract, question)
    }

    fn ask_as<C: SolCall>(&mut self, caller: Address, contract: Address, question: &C) -> Result<Result<C::Return, NoAnswer<MorphoRevert>>, Stop> {
        Ok(ask(self.view, self.block, (caller, contract), question, &mut self.reads, MorphoRevert::decode)?)
    }

    /// Moolah: neither paused nor booked by a broker.
    fn check_open(&mut self, slots: &Slots, id: MarketId) -> Result<(), Stop> {
        if let Some(slot) = slots.paused() {
            let [paused] = self.words([slot])?;
            // A bool; the contract looks at its byte alone.
            if paused.byte(0) != 0 {
                return Err(MorphoRevert::EnforcedPause.into());
            }
        }
        if let Some(slot) = slots.broker(id) {
            let [broker] = self.words([slot])?;
            let broker = address(broker);
            if !broker.is_zero() {
                return skip(SkipReason::Trap, format!("its debts are booked by the broker {broker}: a direct liquidation would bypass the books"));
            }
        }
        Ok(())
    }

    /// The totals with interest to the target timestamp, at the rate that the model's own code answers.
    fn accrued(&mut self, params: &MarketParams, stored: MarketState) -> Result<MarketState, Stop> {
        let mut state = stored;
        let rate = if params.irm.is_zero() {
            None
        } else if u128::from(self.block.timestamp) == stored.last_update {
            // The contract adds nothing and asks nobody.
            Some(U256::ZERO)
        } else {
            // The very call that the contract makes: a model may answer it otherwise than its view, and others than the market not at all.
            let question = abi::borrowRateCall { params: params.into(), market: (&stored).into() };
            match self.ask_as(self.contract, params.irm, &question)? {
                Ok(rate) => Some(rate),
                Err(why) => return skip(SkipReason::SimulationReverted, format!("the rate model {} {why}", params.irm)),
            }
        };
        if rate.is_some() && stored.total_borrow_assets != 0 {
            self.reads.insert(Facet::Env(EnvWord::Timestamp));
        }
        accrue(&mut state, self.block.timestamp, rate)?;
        Ok(state)
    }

    fn oracle_price(&mut self, params: &MarketParams) -> Result<U256, Stop> {
        match self.ask(params.oracle, &abi::priceCall {})? {
            Ok(price) => Ok(price),
            Err(why) => skip(SkipReason::PriceUnavailable, format!("the oracle {} {why}", params.oracle)),
        }
    }

    /// Moolah: the price, and the least loan.
    fn moolah_prices(&mut self, slots: &Slots, params: &MarketParams) -> Result<(U256, U256), Stop> {
        let base = self.peek(params.oracle, params.collateral_token)?;
        let quote = self.peek(params.oracle, params.loan_token)?;
        let collateral_decimals = self.decimals(params.collateral_token)?;
        let loan_decimals = self.decimals(params.loan_token)?;
        if quote.is_zero() {
            return skip(SkipReason::PriceAbnormal, format!("the oracle {} prices the loan token at zero", params.oracle));
        }
        let min_loan_value = match slots.min_loan_value() {
            Some(slot) => {
                let [value] = self.words([slot])?;
                value
            }
            None => U256::ZERO,
        };
        Ok((moolah_price(base, quote, collateral_decimals, loan_decimals)?, moolah_min_loan(min_loan_value, quote, loan_decimals)?))
    }

    fn peek(&mut self, oracle: Address, token: Address) -> Result<U256, Stop> {
        match self.ask(oracle, &abi::peekCall { token })? {
            Ok(price) => Ok(price),
            Err(why) => skip(SkipReason::PriceUnavailable, format!("the oracle {oracle} {why} for {token}")),
        }
    }

    fn decimals(&mut self, token: Address) -> Result<u8, Stop> {
        match self.ask(token, &abi::decimalsCall {})? {
            Ok(decimals) => Ok(decimals),
            Err(why) => skip(SkipReason::PriceUnavailable, format!("the decimals of {token}: it {why}")),
        }
    }
}
