//! A pool at a target block: everything that decides what can be done in it.

use super::{
    FxRevert,
    maths::{
        base_pool::{BaseCall, BasePool, TokenIn},
        fixed::{PRECISION, mul_div_down},
        long::{Action, Budget, LongManager},
        pool::{DUST, Pool, Raw, Taken},
        rebalance::Standing,
        short::ShortManager,
    },
};
use crate::plan::{Skip, TargetKey};
use alloy::primitives::{Address, U256};

/// Ticks that are offered one by one; a rebalance of the whole pool takes what lies below them too.
const MOST_TICKS: usize = 16;

/// The oracle's answers, 1e18.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// The middle one, which decides nothing here.
    pub anchor: U256,
    /// Rebalances use it.
    pub min: U256,
    /// Redemptions use it, or one above it.
    pub max: U256,
    /// Liquidations use it.
    pub liquidate: U256,
}

/// A short pool as far as redemptions of its notes depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemable {
    /// Its manager.
    pub manager: ShortManager,
    /// What can be redeemed of it: its ticks from the top down.
    pub model: Pool,
    /// The price of redemptions, 1e18.
    pub price: U256,
}

/// The pool on the other side, and its notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterparty {
    /// The short pool.
    pub pool: Address,
    /// Its credit note.
    pub note: Address,
    /// What notes are redeemed from, or why they can't be now. Nothing where the manager has all tokens that an action could ask for.
    pub redemption: Option<Result<Redeemable, Skip>>,
}

/// What is special to the side that a pool is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// Collateral tokens against fxUSD.
    Long {
        /// Its manager.
        manager: LongManager,
        /// What pays.
        base: BasePool,
        /// Whether anybody may call the manager itself.
        is_open: bool,
        /// The short pool that collateral may be lent to.
        lent_to: Option<Box<Counterparty>>,
    },
    /// fxUSD against borrowed collateral tokens.
    Short {
        /// Its manager.
        manager: ShortManager,
        /// What is owed.
        debt_token: Address,
        /// What the long manager holds for what is owed.
        note: Address,
    },
}

/// A pool at a target block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FxMarket {
    /// The pool.
    pub pool: Address,
    /// What is taken.
    pub collateral: Address,
    /// Where prices come from.
    pub oracle: Address,
    /// The code behind the pool's proxy; zero when there is no proxy.
    pub implementation: Address,
    /// The prices.
    pub prices: Prices,
    /// Funding of a year, 1e18.
    pub funding_ratio: U256,
    /// Indices, totals and the ticks from the top down to the first that is far from a rebalance.
    pub model: Pool,
    /// The reserve that pays bonuses.
    pub reserve: Address,
    /// The rest.
    pub side: Side,
}

/// What is paid with, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payment {
    /// Through the base pool, in this token.
    Base(TokenIn),
    /// To the long manager, in fxUSD.
    Direct,
    /// To the short manager, in the debt token.
    Short,
}

/// What an action of one size does for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What happened in the pool.
    pub taken: Taken,
    /// Units of the payment's token.
    pub pays: U256,
    /// Collateral tokens received.
    pub tokens: U256,
    /// Credit notes received, in units of the collateral token.
    pub notes: U256,
}

impl FxMarket {
    /// The price that an action uses.
    #[must_use]
    pub const fn price_of(&self, action: Action) -> U256 {
        match action {
            Action::RebalanceTick(_) | Action::Rebalance => self.prices.min,
            Action::Liquidate => self.prices.liquidate,
        }
    }

    /// The reserve in raw collateral.
    pub fn reserve_raw(&self) -> Result<U256, FxRevert> {
        match &self.side {
            Side::Long { manager, .. } => Ok(manager.reserve_raw()?),
            Side::Short { manager, .. } => Ok(manager.reserve_balance),
        }
    }

    /// Carries an action out on a copy of the pool. `size` is the most to pay, in units of the payment's token.
    pub fn act(&self, action: Action, payment: Payment, size: U256) -> Result<Done, FxRevert> {
        let (mut pool, price) = (self.model.clone(), self.price_of(action));
        match (&self.side, payment) {
            (Side::Long { manager, base, .. }, Payment::Base(token_in)) => {
                let call = BaseCall { action, token_in, max_amount: size, min_colls: U256::ZERO };
                let done = base.call(manager, &mut pool, price, &call)?;
                Ok(Done { pays: done.token_used, tokens: done.manager.tokens, notes: done.manager.notes, taken: done.manager.taken })
            }
            (Side::Long { manager, .. }, Payment::Direct) => {
                let done = manager.act(&mut pool, price, action, &Budget { fx_usd: size, stable: U256::ZERO })?;
                Ok(Done { pays: done.fx_usd_used, tokens: done.tokens, notes: done.notes, taken: done.taken })
            }
            (Side::Short { manager, .. }, Payment::Short) => {
                let done = manager.act(&mut pool, price, action, mul_div_down(size, manager.scaling_factor, PRECISION)?)?;
                Ok(Done { pays: done.debts, tokens: done.colls, notes: U256::ZERO, taken: done.taken })
            }
            (Side::Long { .. }, Payment::Short) | (Side::Short { .. }, Payment::Base(_) | Payment::Direct) => Err(FxRevert::InvalidTokenIn),
        }
    }

    /// Ticks that may be rebalanced, the highest first.
    pub fn eligible(&self) -> Result<Vec<i16>, FxRevert> {
        let mut eligible = Vec::new();
        for tick in self.model.bitmap.ticks() {
            match self.model.rebalance_standing(&self.model.tick_raw(tick)?, self.prices.min)? {
                Standing::Eligible => eligible.push(tick),
                Standing::Skipped => {}
                Standing::Healthy => break,
            }
        }
        Ok(eligible)
    }

    /// Whether a liquidation would take anything that is more than dust.
    pub fn is_liquidatable(&self) -> Result<bool, FxRevert> {
        for tick in self.model.bitmap.ticks() {
            let raw = self.model.tick_raw(tick)?;
            if raw.debts >= DUST {
                return self.model.is_liquidatable(&raw, self.prices.liquidate);
            }
        }
        Ok(false)
    }

    /// What lies beyond the boundary: the pool, when it can be liquidated or several of its ticks rebalanced, and those ticks.
    pub fn beyond(&self) -> Result<Vec<TargetKey>, FxRevert> {
        let eligible = self.eligible()?;
        let pool = (eligible.len() > 1 || self.is_liquidatable()?).then_some(TargetKey::Pool);
        Ok(pool.into_iter().chain(eligible.into_iter().take(MOST_TICKS).map(|tick| self.key(tick))).collect())
    }

    /// A tick as a target: with the node that fills it now.
    #[must_use]
    pub fn key(&self, tick: i16) -> TargetKey {
        TargetKey::Tick { tick: tick.into(), node: self.model.tree.current_id(tick) }
    }

    /// Debt to the collateral's worth at the price of rebalances, 1e18, rounded down; none without collateral.
    #[must_use]
    pub fn debt_ratio(&self, raw: &Raw) -> Option<U256> {
        let worth = mul_div_down(raw.colls, self.prices.min, PRECISION).ok()?;
        mul_div_down(raw.debts, PRECISION, worth).ok()
    }
}
