//! A venue for tests that need no chain: constant product with a fee, in one or two ranges of liquidity.

use super::{Quote, Refusal, Swap, Venue, VenueError};
use crate::{
    fork::{Facet, ForkError, ReadSet, TargetBlock, View},
    plan::{Step, SwapKind},
};
use alloy::primitives::{Address, B256, U256, U512};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Several tokens, each with a reserve; each pair trades by constant product.
#[derive(Debug)]
pub(crate) struct FakePool {
    name: Arc<str>,
    address: Address,
    tokens: Vec<Address>,
    reserves: Vec<U256>,
    shares: Vec<Address>,
    fee_pips: u64,
    /// Above this much of any output its reserves count a quarter: liquidity gets thin.
    thin_above: Option<U256>,
    /// Whether its state can be read.
    readable: bool,
    /// How often it was asked.
    pub(crate) asked: AtomicUsize,
}

impl FakePool {
    pub(crate) fn new(number: u8, reserves: &[(Address, u128)], fee_pips: u64) -> Self {
        let address = Address::with_last_byte(number);
        let tokens: Vec<Address> = reserves.iter().map(|(token, _)| *token).collect();
        let shares = if tokens.len() > 2 { vec![address] } else { Vec::new() };
        let reserves = reserves.iter().map(|(_, reserve)| U256::from(*reserve)).collect();
        Self {
            name: format!("fake {number}").into(),
            address,
            tokens,
            reserves,
            shares,
            fee_pips,
            thin_above: None,
            readable: true,
            asked: AtomicUsize::new(0),
        }
    }

    pub(crate) fn thin_above(mut self, output: u128) -> Self {
        self.thin_above = Some(U256::from(output));
        self
    }

    pub(crate) fn unreadable(mut self) -> Self {
        self.readable = false;
        self
    }

    pub(crate) fn times_asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn reserve(&self, token: Address) -> Option<U256> {
        let place = self.tokens.iter().position(|own| *own == token)?;
        self.reserves.get(place).copied()
    }

    fn reserves(&self, token_in: Address, token_out: Address, reads: &mut ReadSet) -> Result<(U512, U512), VenueError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        reads.insert(Facet::Slot(self.address, U256::ZERO));
        if !self.readable {
            return Err(ForkError::Node { what: self.name.to_string(), block: B256::ZERO, reason: "timeout".into() }.into());
        }
        match (self.reserve(token_in), self.reserve(token_out)) {
            (Some(own_in), Some(own_out)) if token_in != token_out => Ok((U512::from(own_in), U512::from(own_out))),
            _ => Err(Refusal::NotTraded { venue: self.name.clone(), token_in, token_out }.into()),
        }
    }

    fn gives(&self, own_in: U512, own_out: U512, amount: U512) -> U512 {
        let paid = amount * U512::from(1_000_000 - self.fee_pips) / U512::from(1_000_000);
        let whole = own_out * paid / (own_in + paid);
        let Some(thin) = self.thin_above.map(U512::from).filter(|thin| whole > *thin) else { return whole };
        // The part of the payment that moves the pool to the thin range, then a pool of a quarter.
        let to_thin = (own_in * thin).div_ceil(own_out - thin);
        let rest = paid - to_thin.min(paid);
        let (thin_in, thin_out) = ((own_in + to_thin) / U512::from(4), (own_out - thin) / U512::from(4));
        thin + thin_out * rest / (thin_in + rest)
    }
}

impl Venue for FakePool {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    fn shares(&self) -> &[Address] {
        &self.shares
    }

    fn quote_exact_in(&self, _: &View, _: &TargetBlock, token_in: Address, token_out: Address, amount: U256, reads: &mut ReadSet) -> Result<Quote, VenueError> {
        let (own_in, own_out) = self.reserves(token_in, token_out, reads)?;
        let given = U256::saturating_from(self.gives(own_in, own_out, U512::from(amount)));
        if given.is_zero() {
            return Err(Refusal::Zero { venue: self.name.clone(), amount }.into());
        }
        Ok(Quote { amount_in: amount, amount_out: given })
    }

    fn quote_exact_out(
        &self,
        _: &View,
        _: &TargetBlock,
        token_in: Address,
        token_out: Address,
        amount: U256,
        reads: &mut ReadSet,
    ) -> Result<Quote, VenueError> {
        let (own_in, own_out) = self.reserves(token_in, token_out, reads)?;
        let wanted = U512::from(amount);
        if wanted >= own_out {
            return Err(Refusal::Partial { venue: self.name.clone(), wanted: amount, filled: U256::saturating_from(own_out) }.into());
        }
        let paid = (own_in * wanted).div_ceil(own_out - wanted);
        let paid = (paid * U512::from(1_000_000)).div_ceil(U512::from(1_000_000 - self.fee_pips));
        Ok(Quote { amount_in: U256::saturating_from(paid), amount_out: amount })
    }

    fn steps(&self, token_in: Address, token_out: Address, swap: Swap) -> Result<Vec<Step>, Refusal> {
        let kind = SwapKind::UniswapV2 { fee_pips: u32::try_from(self.fee_pips).expect("a fee below one") };
        Ok(vec![match swap {
            Swap::ExactIn { amount, min_out } => Step::SwapExactIn { kind, pool: self.address, token_in, token_out, amount, min_out },
            Swap::ExactOut { amount_out, max_in } => Step::SwapExactOut { kind, pool: self.address, token_in, token_out, amount_out, max_in },
        }])
    }
}
