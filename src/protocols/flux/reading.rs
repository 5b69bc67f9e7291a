//! A vault at a target block, and where its managers stand.
//!
//! ```text
//! vault ─▶ parts, base price, registration, members, tokens ─▶ FluxMarket
//! manager ─▶ the strategy's verdict ─▶ closed │ asked at every head │ asked from the second in which interest alone brings it near
//! ```

use super::{
    interface::{Figures, Parts, StoredLoan, Verdict},
    maths::{Loan, Numeraire, seconds_to_one, value},
    setup::{FluxSetup, vault_of},
};
use crate::{
    fork::{ReadSet, TargetBlock, View},
    plan::{MarketId, Skip, SkipReason, TargetKey},
    protocols::{
        OrderKey, TargetReading,
        ask::{NoAnswer, Stop, ask},
        checked::{Panic, WAD, mul_div_down, ten_to},
    },
};
use alloy::{
    primitives::{Address, U256, hex},
    sol_types::SolCall,
};
use std::{collections::BTreeSet, fmt};

/// How far above the threshold a manager is asked already, in percent of health: what the formulas do not know has to fit in there.
const NEAR_PERCENT: u64 = 2;

/// Asks contracts on one overlay and keeps what their answers were read from.
pub(super) struct Asker<'a> {
    view: &'a View,
    block: &'a TargetBlock,
    pub(super) reads: ReadSet,
}

/// What a contract says when it reverts, as it is: a strategy, a wrapper or an oracle may say anything.
struct Words(Vec<u8>);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_prefixed(&self.0))
    }
}

impl<'a> Asker<'a> {
    pub(super) fn new(view: &'a View, block: &'a TargetBlock) -> Self {
        Self { view, block, reads: ReadSet::default() }
    }

    /// As somebody who is nobody.
    pub(super) fn ask<C: SolCall>(&mut self, contract: Address, question: &C) -> Result<C::Return, Stop> {
        self.ask_as(Address::ZERO, contract, question)
    }

    pub(super) fn ask_as<C: SolCall>(&mut self, caller: Address, contract: Address, question: &C) -> Result<C::Return, Stop> {
        let answer = ask(self.view, self.block, (caller, contract), question, &mut self.reads, |data| Words(data.to_vec()))?;
        answer.map_err(|why: NoAnswer<Words>| Skip::new(SkipReason::PriceUnavailable, format!("{} of {contract} {why}", C::SIGNATURE)).into())
    }

    pub(super) fn unreadable(&self, contract: Address, error: &impl fmt::Display) -> Stop {
        Skip::new(SkipReason::PriceUnavailable, format!("{contract} answers something else: {error}")).into()
    }
}

/// A vault at a target block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FluxMarket {
    /// The vault.
    pub vault: Address,
    pub(super) parts: Parts,
    /// Where prices are.
    pub(super) registry: Address,
    /// The base asset's price and unit.
    pub(super) base: Numeraire,
    /// Lenders' base assets that are not lent out.
    pub(super) cash: U256,
    /// What a strategy of the documented rule is made of; none for one that does not tell.
    pub(super) figures: Option<Figures>,
    /// Whether the strategy is known to follow the documented rule.
    pub(super) is_standard: bool,
    /// Whether the factory would have the executor called back.
    pub(super) is_registered: bool,
    /// Who alone may deleverage, zero is anybody; none where no keeper is configured, or the vault does not tell.
    pub(super) keeper: Option<Address>,
    /// Who owes something.
    pub(super) members: Vec<Address>,
    /// Tokens that lie in wrappers, beside the base asset.
    pub(super) tokens: BTreeSet<Address>,
}

/// Reads a vault.
pub(super) fn market(asker: &mut Asker<'_>, setup: &FluxSetup, id: MarketId) -> Result<FluxMarket, Stop> {
    let vault = vault_of(id);
    let parts = asker.parts(vault)?;
    let registry = asker.registry(setup.factory)?;
    let price = asker.price(registry, parts.asset)?;
    if price.is_zero() {
        return Err(Skip::new(SkipReason::PriceAbnormal, "the base asset's price is zero").into());
    }
    let members = members(asker, vault)?;
    let tokens = tokens(asker, setup, vault, &parts, &members)?;
    Ok(FluxMarket {
        vault,
        parts,
        registry,
        base: Numeraire { price, decimals: parts.decimals },
        cash: asker.cash(vault)?,
        figures: known(asker.figures(parts.strategy))?,
        is_standard: setup.standard_strategies.contains(&parts.strategy),
        is_registered: asker.executor_of(setup.factory, setup.executor)? == setup.executor,
        keeper: if setup.keeper.is_some() { known(asker.adl_manager(vault))? } else { None },
        members,
        tokens,
    })
}

/// A value, or none where the contract does not tell it. A fork without an answer is no such case.
pub(super) fn known<T>(answer: Result<T, Stop>) -> Result<Option<T>, Stop> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Stop::Skip(_)) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// Those that the vault lists; a vault that keeps no list is known by its logs alone.
fn members(asker: &mut Asker<'_>, vault: Address) -> Result<Vec<Address>, Stop> {
    let Some(count) = known(asker.member_count(vault))? else { return Ok(Vec::new()) };
    (0..count).map(|index| asker.member(vault, index)).collect()
}

/// What may be received: venues are searched for these.
fn tokens(asker: &mut Asker<'_>, setup: &FluxSetup, vault: Address, parts: &Parts, members: &[Address]) -> Result<BTreeSet<Address>, Stop> {
    let mut wrappers: BTreeSet<Address> = setup.additional_wrappers.iter().copied().collect();
    for member in members {
        wrappers.extend(known(asker.wrappers(vault, *member))?.unwrap_or_default());
    }
    let mut tokens = BTreeSet::new();
    for wrapper in wrappers {
        // One wrapper that can't be asked is no reason to know nothing of the others.
        let Some(underlying) = known(asker.underlying(wrapper))? else { continue };
        if !setup.position_managers.contains(&underlying) {
            tokens.insert(underlying);
            continue;
        }
        for member in members {
            for (id, _) in known(asker.positions_in(wrapper, vault, *member))?.unwrap_or_default() {
                let nft = known(asker.nft(underlying, id.into()))?;
                tokens.extend(nft.into_iter().flat_map(|nft| [nft.token0, nft.token1]));
            }
        }
    }
    tokens.remove(&parts.asset);
    Ok(tokens)
}

/// Reads where a manager stands.
pub(super) fn target(asker: &mut Asker<'_>, setup: &FluxSetup, vault: Address, manager: Address) -> Result<TargetReading, Stop> {
    // The vault says whether anything is owed: a strategy may answer nothing at all while it waits.
    if asker.true_debt(vault, manager)?.is_zero() {
        return Ok(TargetReading { key: OrderKey::Closed, debt: U256::ZERO, collateral: U256::ZERO });
    }
    let parts = asker.parts(vault)?;
    let verdict = asker.verdict(parts.strategy, vault, manager)?;
    let registry = asker.registry(setup.factory)?;
    let base = Numeraire { price: asker.price(registry, parts.asset)?, decimals: parts.decimals };
    let key = if base.debt_usd(verdict.true_debt).map_err(refused)? < setup.min_debt_usd {
        OrderKey::Dust
    } else if setup.standard_strategies.contains(&parts.strategy) {
        asked_from(asker, vault, parts.strategy, manager, (&verdict, &base))?
    } else {
        OrderKey::Unordered
    };
    let in_assets = || mul_div_down(verdict.value_usd, ten_to(parts.decimals.into())?, base.price);
    Ok(TargetReading { key, debt: verdict.true_debt, collateral: in_assets().map_err(refused)? })
}

/// The second from which a manager of the documented rule has to be asked, given that nothing but time passes.
fn asked_from(asker: &mut Asker<'_>, vault: Address, strategy: Address, manager: Address, (verdict, base): (&Verdict, &Numeraire)) -> Result<OrderKey, Stop> {
    // A value that moves with time by itself can't be told in advance.
    let outer = std::mem::take(&mut asker.reads);
    let value_usd = asker.value_usd(vault, manager);
    let moves = asker.reads.reads_environment();
    asker.reads.extend(&outer);
    let (Some(value_usd), Some(loan), Some(figures)) = (known(value_usd)?, known(asker.loan(vault, manager))?, known(asker.figures(strategy))?) else {
        return Ok(OrderKey::Unordered);
    };
    if moves || value_usd != verdict.value_usd {
        return Ok(OrderKey::Unordered);
    }
    let near = || {
        let factor = mul_div_down(figures.threshold, U256::from(100 + NEAR_PERCENT), U256::from(100))?;
        mul_div_down(value_usd, WAD, factor.max(U256::ONE))
    };
    let second = outgrows(&loan, figures.yearly_rate, near().map_err(refused)?, base)?;
    Ok(OrderKey::From(second.unwrap_or(u64::MAX)))
}

/// The second in which interest alone brings a loan above so many dollars; none where it never does.
pub(super) fn outgrows(loan: &StoredLoan, yearly_rate: U256, value_usd: U256, base: &Numeraire) -> Result<Option<u64>, Stop> {
    let stored = Loan { principal: loan.principal, interest: loan.interest };
    let seconds = seconds_to_one(value_usd, &stored, yearly_rate, base).map_err(refused)?;
    Ok(seconds.map(|seconds| loan.since.saturating_add(seconds.saturating_to())))
}

/// Arithmetic that ends where the contract's own would.
pub(super) fn refused(panic: Panic) -> Stop {
    Skip::new(SkipReason::PriceAbnormal, panic.to_string()).into()
}

/// The account of a key.
pub(super) fn manager_of(key: TargetKey) -> Result<Address, Skip> {
    match key {
        TargetKey::Account(manager) => Ok(manager),
        TargetKey::Tick { .. } | TargetKey::Pool => Err(Skip::new(SkipReason::Closed, format!("{key} is no target here: positions belong to managers"))),
    }
}

/// Dollars of an amount.
pub(super) fn dollars(amount: U256, price: U256, decimals: u8) -> Result<U256, Stop> {
    value(amount, price, decimals).map_err(refused)
}
