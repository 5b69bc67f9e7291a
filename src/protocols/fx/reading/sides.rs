//! What is special to long and to short pools: their managers, who pays, and what pays in place of lent collateral.

use super::*;
use crate::protocols::fx::{FxRevert, market::Redeemable, maths::fixed::mul_div_down};

impl Reader<'_> {
    /// A long pool's manager and the base pool in front of it; and the reserve.
    pub(super) fn long(&mut self, pool: Address, token: Address) -> Result<(Side, Address), Stop> {
        let (manager, base) = (self.setup.long_manager, self.setup.base_pool);
        self.check_open(manager)?;
        let reserve = self.address_at(manager, storage::RESERVE)?;
        let configuration = self.answer(manager, &abi::Manager::configurationCall {})?;
        let stable_price = self.price(base, &abi::BasePool::getStableTokenPriceWithScaleCall {})?;
        let fees = Fees::decode(self.word(manager, storage::FEES)?);
        let lent_to = match self.address_at(pool, storage::pool::COUNTERPARTY)? {
            Address::ZERO => None,
            short => Some(Box::new(Counterparty { pool: short, note: self.address_at(short, storage::pool::CREDIT_NOTE)?, redemption: None })),
        };
        let shares = self.word(base, storage::BASE_SUPPLY)?;
        let is_open = shares < self.word(manager, storage::THRESHOLD)?;
        let figures = LongManager {
            scaling_factor: self.scaling_factor(manager, token)?,
            reserve_balance: self.answer(reserve, &abi::Reserve::getBalanceCall { token })?,
            expense_ratio: fees.liquidation_expense,
            token_balance: self.held(manager, token)?,
            pays_in_notes: lent_to.is_some(),
            stable_price,
            stable_repay_allowed: self.price(configuration, &abi::Configuration::isStableRepayAllowedCall {})?,
            paused: false,
            // The base pool always may; who calls the manager itself looks at `is_open` first.
            caller_permitted: true,
        };
        let paying = BasePool { fx_usd: self.word(base, storage::BASE_YIELD)?, stable: self.stable_of_base()? };
        Ok((Side::Long { manager: figures, base: paying, is_open, lent_to }, reserve))
    }

    /// A short pool's manager; and the reserve.
    pub(super) fn short(&mut self, pool: Address, books: &Books) -> Result<(Side, Address), Stop> {
        let manager = self.setup.short_manager;
        let reserve = self.address_at(manager, storage::RESERVE)?;
        let debt_token = self.address_at(pool, storage::pool::DEBT_TOKEN)?;
        let note = self.address_at(pool, storage::pool::CREDIT_NOTE)?;
        let reserve_balance = self.answer(reserve, &abi::Reserve::getBalanceCall { token: self.setup.fx_usd })?;
        let figures = self.short_manager(pool, debt_token, books, reserve_balance)?;
        let notes_of_manager = Some(self.balance(note, self.setup.long_manager)?);
        Ok((Side::Short { manager: ShortManager { notes_of_manager, ..figures }, debt_token, note }, reserve))
    }

    /// What notes are redeemed from, where an action could ask for more tokens than the manager has.
    pub(super) fn fill_redemption(&mut self, side: &mut Side, model: &Pool) -> Result<(), Stop> {
        let Side::Long { manager, lent_to: Some(lent_to), .. } = side else { return Ok(()) };
        let mut most = manager.reserve_balance;
        for tick in model.bitmap.ticks() {
            let tokens = mul_div_down(model.tick_raw(tick)?.colls, PRECISION, manager.scaling_factor).map_err(FxRevert::from)?;
            most = most.saturating_add(tokens);
        }
        let missing = most.saturating_sub(manager.token_balance);
        if !missing.is_zero() {
            lent_to.redemption = Some(match self.redeemable(lent_to.pool, missing) {
                Ok(redeemable) => Ok(redeemable),
                Err(Stop::Skip(skip)) => Err(skip),
                Err(stop @ Stop::Fork(_)) => return Err(stop),
            });
        }
        Ok(())
    }

    /// A short pool as far as the redemption of so many notes depends on it.
    fn redeemable(&mut self, pool: Address, notes: U256) -> Result<Redeemable, Stop> {
        let Registered { books, .. } = self.registered(pool)?;
        self.known_layout(pool, false)?;
        let debt_token = self.address_at(pool, storage::pool::DEBT_TOKEN)?;
        let manager = self.short_manager(pool, debt_token, &books, U256::ZERO)?;
        let oracle = self.address_at(pool, storage::pool::ORACLE)?;
        let price = self.price(oracle, &abi::Oracle::getRedeemPriceCall {})?;
        if price.is_zero() {
            return skip(SkipReason::PriceAbnormal, format!("the oracle {oracle} answers zero"));
        }
        let (mut model, _) = self.accrued(pool, false)?;
        let raw_debts = mul_div_down(notes, manager.scaling_factor, PRECISION).map_err(FxRevert::from)?;
        self.fill_for_redemption(pool, &mut model, price, raw_debts)?;
        Ok(Redeemable { manager, model, price })
    }

    fn short_manager(&mut self, pool: Address, debt_token: Address, books: &Books, reserve_balance: U256) -> Result<ShortManager, Stop> {
        let manager = self.setup.short_manager;
        self.check_open(manager)?;
        if !self.word(pool, storage::pool::KILLED)?.is_zero() {
            return Err(FxRevert::PoolKilled.into());
        }
        let fees = Fees::decode(self.word(manager, storage::FEES)?);
        Ok(ShortManager {
            scaling_factor: self.scaling_factor(manager, debt_token)?,
            reserve_balance,
            expense_ratio: fees.liquidation_expense,
            redeem_fee_ratio: fees.redeem,
            min_raw_debt: books.min_raw_debt,
            notes_of_manager: None,
            paused: false,
            killed: false,
        })
    }

    /// A manager that is paused does nothing.
    fn check_open(&mut self, manager: Address) -> Result<(), Stop> {
        // A bool; the contract looks at its byte alone.
        if self.word(manager, storage::PAUSED)?.byte(0) == 0 { Ok(()) } else { Err(FxRevert::EnforcedPause.into()) }
    }

    /// USDC that the base pool counts at its next operation: its own, and what its strategy has made of the rest.
    pub(super) fn stable_of_base(&mut self) -> Result<U256, Stop> {
        let (base, stable) = (self.setup.base_pool, self.setup.stable);
        let idle = self.balance(stable, base)?;
        let working = match self.address_at(base, storage::allocation(stable, storage::BASE_ALLOCATIONS))? {
            Address::ZERO => U256::ZERO,
            strategy => self.answer(strategy, &abi::Strategy::totalSupplyCall {})?,
        };
        Ok(idle.saturating_add(working))
    }

    /// Tokens that the long manager can hand out: its own, and what it gave to its strategy.
    fn held(&mut self, manager: Address, token: Address) -> Result<U256, Stop> {
        let idle = self.balance(token, manager)?;
        let given = match self.address_at(manager, storage::allocation(token, storage::MANAGER_ALLOCATIONS))? {
            Address::ZERO => U256::ZERO,
            strategy => self.answer(strategy, &abi::Strategy::principalCall {})?,
        };
        Ok(idle.saturating_add(given))
    }
}
