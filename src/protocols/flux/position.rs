//! What a manager holds, part by part, and what a liquidator makes of it.
//!
//! ```text
//! bond ──────────────▶ withdraw                              ┐
//! working capital ───▶ pays in place, what is more: withdraw ├▶ tokens in the executor's hands
//! fungible wrapper ──▶ withdraw                              │
//! NFT wrapper ───────▶ withdraw, take liquidity out, burn    ┘
//! ```

use super::{
    interface::{self, Nft, Verdict},
    maths::{Numeraire, Partial, price_at_one},
    reading::{Asker, FluxMarket, dollars, known, refused},
    setup::FluxSetup,
};
use crate::{
    plan::{LeapPrice, Skip, SkipReason, Step},
    protocols::{
        Terms, Yield,
        ask::Stop,
        checked::{Panic, WAD, add, mul_div_down, mul_div_up, ten_to},
    },
};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolValue,
};
use std::collections::BTreeMap;

/// A fungible balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Balance {
    pub(super) wrapper: Address,
    pub(super) id: B256,
    pub(super) token: Address,
    pub(super) amount: U256,
    /// Whether it counts in the health.
    pub(super) is_registered: bool,
}

/// An NFT, and what it gives when everything is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    wrapper: Address,
    positions: Address,
    id: B256,
    nft: Nft,
    amounts: (U256, U256),
}

/// What a manager holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    manager: Address,
    bond: U256,
    /// In the base asset's wrapper; that of id zero is the working capital.
    in_base: Vec<(B256, U256)>,
    pub(super) balances: Vec<Balance>,
    nfts: Vec<Held>,
    /// Wrappers that the manager did not register and that hold more than dust.
    additional: Vec<Address>,
    /// Bond and working capital that an earlier liquidation left the executor with: less was asked for in its block than was prepared.
    left: (U256, U256),
}

/// Reads what a manager holds.
pub(super) fn position(asker: &mut Asker<'_>, setup: &FluxSetup, market: &FluxMarket, manager: Address) -> Result<Position, Stop> {
    let (vault, base_wrapper) = (market.vault, market.parts.base_wrapper);
    let mut position = Position {
        manager,
        bond: asker.bond(vault, manager)?,
        in_base: asker.positions_in(base_wrapper, vault, manager)?,
        balances: Vec::new(),
        nfts: Vec::new(),
        additional: Vec::new(),
        left: (asker.bond(vault, setup.executor)?, left_in(asker, base_wrapper, vault, setup.executor)?),
    };
    let registered = asker.wrappers(vault, manager)?;
    for wrapper in &registered {
        position.add(asker, setup, market, (*wrapper, true))?;
    }
    for wrapper in &setup.additional_wrappers {
        if registered.contains(wrapper) || *wrapper == base_wrapper || position.additional.contains(wrapper) {
            continue;
        }
        // What lies there is a gift: one that can't be had is left, whatever the reason.
        if let Some(gift) = known(gift(asker, setup, market, (*wrapper, &position)))?.flatten() {
            position = gift;
        }
    }
    Ok(position)
}

/// Working capital of somebody.
fn left_in(asker: &mut Asker<'_>, base_wrapper: Address, vault: Address, who: Address) -> Result<U256, Stop> {
    let all = asker.positions_in(base_wrapper, vault, who)?;
    Ok(all.iter().find(|(id, _)| id.is_zero()).map_or(U256::ZERO, |(_, amount)| *amount))
}

/// The position with what lies in an additional wrapper, where that is more than dust and would be moved.
fn gift(asker: &mut Asker<'_>, setup: &FluxSetup, market: &FluxMarket, (wrapper, position): (Address, &Position)) -> Result<Option<Position>, Stop> {
    let value = asker.value_in(wrapper, market.vault, position.manager)?;
    if value.is_zero() || value < setup.dust_usd || !asker.is_wrapper(setup.factory, wrapper)? {
        return Ok(None);
    }
    let mut with = position.clone();
    with.add(asker, setup, market, (wrapper, false))?;
    with.additional.push(wrapper);
    // An NFT can't be divided, and would make all of the position so.
    Ok((with.is_divisible() || !setup.partial || !position.is_divisible()).then_some(with))
}

impl Position {
    fn add(&mut self, asker: &mut Asker<'_>, setup: &FluxSetup, market: &FluxMarket, (wrapper, is_registered): (Address, bool)) -> Result<(), Stop> {
        let token = asker.underlying(wrapper)?;
        for (id, amount) in asker.positions_in(wrapper, market.vault, self.manager)? {
            if setup.position_managers.contains(&token) {
                let nft = asker.nft(token, id.into())?;
                let amounts = asker.unwound(token, wrapper, id.into(), &nft)?;
                self.nfts.push(Held { wrapper, positions: token, id, nft, amounts });
            } else {
                self.balances.push(Balance { wrapper, id, token, amount, is_registered });
            }
        }
        Ok(())
    }

    /// Whether a part of it can be taken: an NFT can't be divided.
    pub(super) const fn is_divisible(&self) -> bool {
        self.nfts.is_empty()
    }

    /// The token with the most dollars in wrappers; the base asset where nothing is.
    pub(super) fn main_token(&self, asker: &mut Asker<'_>, market: &FluxMarket) -> Result<Address, Stop> {
        let mut held: BTreeMap<Address, U256> = BTreeMap::new();
        let of_nfts = self.nfts.iter().flat_map(Held::gives);
        for (token, amount) in self.balances.iter().map(|balance| (balance.token, balance.amount)).chain(of_nfts) {
            let sum = held.entry(token).or_default();
            *sum = sum.saturating_add(amount);
        }
        held.remove(&market.parts.asset);
        let mut main = (U256::ZERO, market.parts.asset);
        for (token, amount) in held {
            // A token that the registry has no price for is sold like the others.
            let (Some(price), Some(decimals)) = (known(asker.price(market.registry, token))?, known(asker.decimals(token))?) else { continue };
            main = main.max((dollars(amount, price, decimals)?, token));
        }
        Ok(main.1)
    }

    /// For each token that counts in the health, the highest price at which the position is worth less than its debt, others unchanged.
    pub(super) fn prices_at_one(&self, asker: &mut Asker<'_>, market: &FluxMarket, verdict: &Verdict, debt_usd: U256) -> Result<Vec<LeapPrice>, Stop> {
        let mut prices = Vec::new();
        for (token, amount) in self.counted(market.parts.asset) {
            // A wrapper may have a source of its own for its value; then nobody knows what would have to happen.
            let (Some(price), Some(decimals)) = (known(asker.price(market.registry, token))?, known(asker.decimals(token))?) else { continue };
            let others = verdict.value_usd.saturating_sub(dollars(amount, price, decimals)?);
            let Some(at_most) = price_at_one(amount, decimals, others, debt_usd).map_err(refused)? else { continue };
            let rise_per_unit = rise_per_unit(&market.base, amount, decimals).map_err(refused)?;
            prices.push(LeapPrice { token, now: price, at_most, rise_per_unit });
        }
        Ok(prices)
    }

    /// Amounts whose prices alone move the health: by token, without the base asset, which moves the debt too, and without what NFTs hold,
    /// which moves when they are traded against.
    fn counted(&self, asset: Address) -> BTreeMap<Address, U256> {
        let mut counted: BTreeMap<Address, U256> = BTreeMap::new();
        for balance in self.balances.iter().filter(|balance| balance.is_registered && balance.id.is_zero() && !balance.amount.is_zero()) {
            let sum = counted.entry(balance.token).or_default();
            *sum = sum.saturating_add(balance.amount);
        }
        counted.retain(|token, _| *token != asset && !self.nfts.iter().flat_map(Held::gives).any(|(held, _)| held == *token));
        counted
    }

    /// All tokens that are received.
    pub(super) fn tokens(&self) -> impl Iterator<Item = Address> + '_ {
        self.balances.iter().map(|balance| balance.token).chain(self.nfts.iter().flat_map(Held::gives).map(|(token, _)| token))
    }

    /// What a fraction (18 digits) takes and gives.
    pub(super) fn terms(&self, setup: &FluxSetup, market: &FluxMarket, verdict: &Verdict, fraction: U256) -> Result<Terms, Panic> {
        let (vault, parts) = (market.vault, &market.parts);
        let pays = mul_div_up(verdict.min_payment, fraction, WAD)?;
        let mut receives = Vec::new();
        let mut claim = |token: Address, amount: U256, step: Step| {
            if !amount.is_zero() {
                receives.push(Yield { claim: None, settlement: vec![step], gives: vec![(token, amount)] });
            }
        };
        let bond = add(mul_div_down(self.bond, fraction, WAD)?, self.left.0)?;
        claim(parts.asset, bond, interface::withdraw_bond(vault, bond));
        let mut working_capital = self.left.1;
        for (id, amount) in &self.in_base {
            let amount = Partial::of_wrapper(*amount, fraction)?;
            if id.is_zero() {
                working_capital = add(working_capital, amount)?;
            } else {
                claim(parts.asset, amount, interface::withdraw(vault, parts.base_wrapper, *id, amount));
            }
        }
        let in_place = working_capital.min(pays);
        let surplus = working_capital.saturating_sub(in_place);
        claim(parts.asset, surplus, interface::withdraw(vault, parts.base_wrapper, B256::ZERO, surplus));
        for balance in &self.balances {
            let amount = Partial::of_wrapper(balance.amount, fraction)?;
            claim(balance.token, amount, interface::withdraw(vault, balance.wrapper, balance.id, amount));
        }
        receives.extend(self.nfts.iter().map(|held| held.claim(vault, setup.executor)));
        Ok(Terms { pays, in_place, receives, memo: memo(&self.additional) })
    }
}

impl Held {
    const fn gives(&self) -> [(Address, U256); 2] {
        [(self.nft.token0, self.amounts.0), (self.nft.token1, self.amounts.1)]
    }

    fn claim(&self, vault: Address, executor: Address) -> Yield {
        let withdraw = interface::withdraw(vault, self.wrapper, self.id, U256::ONE);
        let unwind = interface::unwind(self.positions, executor, self.id.into(), &self.nft);
        Yield { claim: None, settlement: std::iter::once(withdraw).chain(unwind).collect(), gives: self.gives().to_vec() }
    }
}

/// By how much a token's price must rise for `amount` of it to be worth a unit of the base asset more, times 1e18, rounded up.
fn rise_per_unit(base: &Numeraire, amount: U256, decimals: u8) -> Result<U256, Panic> {
    let unit_usd = mul_div_up(base.price, WAD, ten_to(base.decimals.into())?)?;
    mul_div_up(unit_usd, ten_to(decimals.into())?, amount)
}

/// What the steps must know beside the terms: the additional wrappers.
fn memo(additional: &[Address]) -> Bytes {
    additional.to_vec().abi_encode().into()
}

/// The additional wrappers of terms.
pub(super) fn additional_of(terms: &Terms) -> Result<Vec<Address>, Skip> {
    Vec::<Address>::abi_decode(&terms.memo).map_err(|error| Skip::new(SkipReason::Trap, format!("the terms are another protocol's: {error}")))
}
