//! What stops a candidate before it becomes a bundle.

use crate::plan::{MarketId, Skip, SkipReason, Target, TargetKey};
use alloy::primitives::{Address, I256, U256};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Stops all sending at once; cheap to clone, all clones are one switch.
#[derive(Clone, Debug, Default)]
pub struct KillSwitch(Arc<AtomicBool>);

impl KillSwitch {
    /// Stops sending. What is in flight stays in flight.
    pub fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Allows sending again.
    pub fn resume(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Whether sending is stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The configured limits. The default refuses losses only: minimum profit of one wei, no other limit.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The least profit after gas, fees and builder payment, in wei. A profit of exactly this much passes.
    pub min_profit_wei: U256,
    /// The most wei per gas to pay (base fee and priority fee); exactly this much passes. `None` is no limit.
    pub max_gas_price: Option<u128>,
    /// The least value of the debt to move, in wei; exactly this much passes. Zero turns the gate off.
    pub dust_wei: U256,
    /// Tokens that no plan may touch.
    pub deny_tokens: HashSet<Address>,
    /// Markets that are left alone.
    pub deny_markets: HashSet<MarketId>,
    /// Borrowers that are left alone.
    pub deny_accounts: HashSet<Address>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_profit_wei: U256::ONE,
            max_gas_price: None,
            dust_wei: U256::ZERO,
            deny_tokens: HashSet::new(),
            deny_markets: HashSet::new(),
            deny_accounts: HashSet::new(),
        }
    }
}

/// What the price that decides a target's health says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceReading {
    /// A figure in the protocol's own fixed point; zero is abnormal.
    Value(U256),
    /// The oracle reverted or answered nothing usable.
    Unavailable,
    /// The protocol has no single price for this target.
    NotUsed,
}

/// What the gates look at.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Who would be acted on.
    pub target: Target,
    /// Every token that the plan touches.
    pub tokens: Vec<Address>,
    /// The price that decided.
    pub price: PriceReading,
    /// Wei per gas that the plan's transactions pay at the target block.
    pub gas_price: u128,
    /// The value of the debt to be moved, in wei; `None` when it has no price.
    pub size_wei: Option<U256>,
    /// Profit after gas, fees and builder payment, in wei; `None` when it has no price in wei.
    pub profit_wei: Option<I256>,
}

/// The gates with their limits.
#[derive(Clone, Debug, Default)]
pub struct Gates {
    limits: Limits,
    kill: KillSwitch,
}

impl Gates {
    /// Gates with these limits and this switch.
    #[must_use]
    pub const fn new(limits: Limits, kill: KillSwitch) -> Self {
        Self { limits, kill }
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The switch.
    #[must_use]
    pub const fn kill_switch(&self) -> &KillSwitch {
        &self.kill
    }

    /// The gates that need no simulation: deny lists, price, gas price, dust. The kill switch is not asked,
    /// so a stopped program still shows what it would do; [`Gates::admit`] and [`Gates::admit_unpaid`] ask it.
    pub fn screen(&self, proposal: &Proposal) -> Result<(), Skip> {
        self.allowed(proposal)?;
        price_usable(proposal.price)?;
        self.gas_affordable(proposal.gas_price)?;
        self.not_dust(proposal.size_wei)
    }

    /// All gates, in this order: kill switch, those of [`Gates::screen`], profit.
    pub fn admit(&self, proposal: &Proposal) -> Result<(), Skip> {
        self.admit_unpaid(proposal)?;
        self.profitable(proposal.profit_wei)
    }

    /// All gates but that of the profit, for what is done without one: kill switch, then those of [`Gates::screen`].
    pub fn admit_unpaid(&self, proposal: &Proposal) -> Result<(), Skip> {
        if self.kill.is_stopped() {
            return Err(Skip::new(SkipReason::KillSwitch, "sending is stopped"));
        }
        self.screen(proposal)
    }

    fn allowed(&self, proposal: &Proposal) -> Result<(), Skip> {
        // A deny list is the operator's own list of known ways to lose money, hence the reason.
        if let Some(token) = proposal.tokens.iter().find(|token| self.limits.deny_tokens.contains(*token)) {
            return Err(Skip::new(SkipReason::Trap, format!("token {token} is on the deny list")));
        }
        if self.limits.deny_markets.contains(&proposal.target.market) {
            return Err(Skip::new(SkipReason::Trap, format!("market {} is on the deny list", proposal.target.market)));
        }
        match proposal.target.key {
            TargetKey::Account(account) if self.limits.deny_accounts.contains(&account) => {
                Err(Skip::new(SkipReason::Trap, format!("account {account} is on the deny list")))
            }
            TargetKey::Account(_) | TargetKey::Tick { .. } | TargetKey::Pool => Ok(()),
        }
    }

    fn gas_affordable(&self, gas_price: u128) -> Result<(), Skip> {
        match self.limits.max_gas_price {
            Some(most) if gas_price > most => Err(Skip::new(SkipReason::TooExpensive, format!("gas costs {gas_price} wei, the limit is {most}"))),
            Some(_) | None => Ok(()),
        }
    }

    fn not_dust(&self, size_wei: Option<U256>) -> Result<(), Skip> {
        if self.limits.dust_wei.is_zero() {
            return Ok(());
        }
        // Unknown is neither zero nor infinite: with the gate on, a size without a price is a skip of its own.
        let size = size_wei.ok_or_else(|| Skip::new(SkipReason::Unpriced, "the debt has no price in wei"))?;
        if size < self.limits.dust_wei {
            return Err(Skip::new(SkipReason::Dust, format!("debt of {size} wei is below {}", self.limits.dust_wei)));
        }
        Ok(())
    }

    fn profitable(&self, profit_wei: Option<I256>) -> Result<(), Skip> {
        let profit = profit_wei.ok_or_else(|| Skip::new(SkipReason::Unpriced, "the profit has no price in wei"))?;
        let enough = !profit.is_negative() && profit.unsigned_abs() >= self.limits.min_profit_wei;
        if enough {
            return Ok(());
        }
        Err(Skip::new(SkipReason::Unprofitable, format!("profit of {profit} wei is below {}", self.limits.min_profit_wei)))
    }
}

fn price_usable(price: PriceReading) -> Result<(), Skip> {
    match price {
        PriceReading::Value(value) if value.is_zero() => Err(Skip::new(SkipReason::PriceAbnormal, "the price is zero")),
        PriceReading::Unavailable => Err(Skip::new(SkipReason::PriceUnavailable, "the oracle gives no price")),
        PriceReading::Value(_) | PriceReading::NotUsed => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;

    const WETH: Address = Address::repeat_byte(0xee);
    const BOB: Address = Address::repeat_byte(0xb0);

    fn proposal() -> Proposal {
        Proposal {
            target: Target { protocol: "morpho_blue".into(), market: MarketId(B256::repeat_byte(1)), key: TargetKey::Account(BOB) },
            tokens: vec![Address::repeat_byte(0xcc), WETH],
            price: PriceReading::Value(U256::from(7)),
            gas_price: 30,
            size_wei: Some(U256::from(1_000)),
            profit_wei: Some(I256::try_from(100).unwrap()),
        }
    }

    fn reason(result: Result<(), Skip>) -> SkipReason {
        result.unwrap_err().reason
    }

    fn gates(limits: Limits) -> Gates {
        Gates::new(limits, KillSwitch::default())
    }

    #[test]
    fn profit_of_exactly_the_minimum_passes() {
        let gates = gates(Limits { min_profit_wei: U256::from(100), ..Limits::default() });
        let with = |wei: i64| Proposal { profit_wei: Some(I256::try_from(wei).unwrap()), ..proposal() };
        assert_eq!(gates.admit(&with(100)), Ok(()));
        assert_eq!(reason(gates.admit(&with(99))), SkipReason::Unprofitable);
        assert_eq!(reason(gates.admit(&with(-100))), SkipReason::Unprofitable);
        assert_eq!(gates.screen(&with(-100)), Ok(()), "the profit is unknown before the simulation");
    }

    #[test]
    fn the_default_refuses_a_profit_of_nothing() {
        let nothing = Proposal { profit_wei: Some(I256::ZERO), ..proposal() };
        assert_eq!(reason(Gates::default().admit(&nothing)), SkipReason::Unprofitable);
        let one = Proposal { profit_wei: Some(I256::ONE), ..proposal() };
        assert_eq!(Gates::default().admit(&one), Ok(()));
    }

    #[test]
    fn a_loss_never_passes_even_without_a_minimum() {
        let gates = gates(Limits { min_profit_wei: U256::ZERO, ..Limits::default() });
        let loss = Proposal { profit_wei: Some(I256::MINUS_ONE), ..proposal() };
        assert_eq!(reason(gates.admit(&loss)), SkipReason::Unprofitable);
        let worst = Proposal { profit_wei: Some(I256::MIN), ..proposal() };
        assert_eq!(reason(gates.admit(&worst)), SkipReason::Unprofitable);
    }

    #[test]
    fn an_unpriced_profit_is_its_own_reason() {
        let unknown = Proposal { profit_wei: None, ..proposal() };
        assert_eq!(reason(Gates::default().admit(&unknown)), SkipReason::Unpriced);
    }

    #[test]
    fn gas_of_exactly_the_maximum_passes() {
        let at = |most| gates(Limits { max_gas_price: Some(most), ..Limits::default() });
        assert_eq!(at(30).admit(&proposal()), Ok(()));
        assert_eq!(reason(at(29).admit(&proposal())), SkipReason::TooExpensive);
        assert_eq!(reason(at(0).screen(&proposal())), SkipReason::TooExpensive);
    }

    #[test]
    fn dust_counts_only_when_the_gate_is_on() {
        let at = |dust: u64| gates(Limits { dust_wei: U256::from(dust), ..Limits::default() });
        assert_eq!(at(1_000).screen(&proposal()), Ok(()));
        assert_eq!(reason(at(1_001).screen(&proposal())), SkipReason::Dust);
        let unpriced = Proposal { size_wei: None, ..proposal() };
        assert_eq!(at(0).screen(&unpriced), Ok(()));
        assert_eq!(reason(at(1).screen(&unpriced)), SkipReason::Unpriced);
    }

    #[test]
    fn a_zero_price_is_abnormal_and_a_missing_one_unavailable() {
        let at = |price| Proposal { price, ..proposal() };
        assert_eq!(reason(Gates::default().screen(&at(PriceReading::Value(U256::ZERO)))), SkipReason::PriceAbnormal);
        assert_eq!(reason(Gates::default().screen(&at(PriceReading::Unavailable))), SkipReason::PriceUnavailable);
        assert_eq!(Gates::default().screen(&at(PriceReading::NotUsed)), Ok(()));
    }

    #[test]
    fn deny_lists_reach_tokens_markets_and_borrowers() {
        for limits in [
            Limits { deny_tokens: [WETH].into(), ..Limits::default() },
            Limits { deny_markets: [MarketId(B256::repeat_byte(1))].into(), ..Limits::default() },
            Limits { deny_accounts: [BOB].into(), ..Limits::default() },
        ] {
            assert_eq!(reason(gates(limits).admit(&proposal())), SkipReason::Trap);
        }
        let other = Limits { deny_accounts: [WETH].into(), ..Limits::default() };
        assert_eq!(gates(other).admit(&proposal()), Ok(()));
    }

    #[test]
    fn the_kill_switch_stops_sending_but_not_looking() {
        let kill = KillSwitch::default();
        let gates = Gates::new(Limits::default(), kill.clone());
        kill.stop();
        assert_eq!(reason(gates.admit(&proposal())), SkipReason::KillSwitch);
        assert_eq!(gates.screen(&proposal()), Ok(()));
        kill.resume();
        assert_eq!(gates.admit(&proposal()), Ok(()));
    }
}
