//! What is special to long and to short pools: their managers, who pays, and what pays in place of lent collateral.

use super::*;

impl Reader<'_> {
    /// A long pool's manager and the base pool in front of it; and the reserve.
    pub(super) fn long(&mut self, pool: Address, token: Address) -> Result<(Side, Address), Stop> {
        let (manager, base) = (self.setup.long_manager, self.setup.base_pool);
        let reserve = self.address_at(manager, storage::RESERVE)?;
        let configuration = self.answer(manager, &abi::Manager::configurationCall {})?;
        let stable_price = self.price(base, &abi::BasePool::getStableTokenPriceWithScaleCall {})?;
        let fees = Fees::decode(self.word(manager, storage::FEES)?);
        let lent_to = match self.address_at(pool, storage::pool::COUNTERPARTY)? {
            Address::ZERO => None,
            short => Some(Counterparty { pool: short, note: self.address_at(short, storage::pool::CREDIT_NOTE)? }),
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
            paused: self.is_paused(manager)?,
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

    /// A short pool as far as redemptions of notes depend on it: its manager, all that can be redeemed of it, and the redeem price.
    pub(in crate::protocols::fx) fn redeemable(
        &mut self,
        pool: Address,
        raw_debts: impl Fn(&ShortManager) -> U256,
    ) -> Result<(ShortManager, Pool, U256), Stop> {
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
        self.fill_for_redemption(pool, &mut model, price, raw_debts(&manager))?;
        Ok((manager, model, price))
    }

    fn short_manager(&mut self, pool: Address, debt_token: Address, books: &Books, reserve_balance: U256) -> Result<ShortManager, Stop> {
        let manager = self.setup.short_manager;
        let fees = Fees::decode(self.word(manager, storage::FEES)?);
        Ok(ShortManager {
            scaling_factor: self.scaling_factor(manager, debt_token)?,
            reserve_balance,
            expense_ratio: fees.liquidation_expense,
            redeem_fee_ratio: fees.redeem,
            min_raw_debt: books.min_raw_debt,
            notes_of_manager: None,
            paused: self.is_paused(manager)?,
            killed: !self.word(pool, storage::pool::KILLED)?.is_zero(),
        })
    }

    /// A bool; the contract looks at its byte alone.
    fn is_paused(&mut self, manager: Address) -> Result<bool, Stop> {
        Ok(self.word(manager, storage::PAUSED)?.byte(0) != 0)
    }

    /// USDC that the base pool counts at its next operation.
    pub(super) fn stable_of_base(&mut self) -> Result<U256, Stop> {
        let (base, stable) = (self.setup.base_pool, self.setup.stable);
        let slot = storage::allocation(stable, storage::BASE_ALLOCATIONS);
        self.with_strategy(base, stable, slot)
    }

    /// Tokens that the long manager can hand out.
    fn held(&mut self, manager: Address, token: Address) -> Result<U256, Stop> {
        self.with_strategy(manager, token, storage::allocation(token, storage::MANAGER_ALLOCATIONS))
    }

    /// A contract's tokens, with those that its strategy for them works with.
    fn with_strategy(&mut self, owner: Address, token: Address, slot: U256) -> Result<U256, Stop> {
        let idle = self.balance(token, owner)?;
        let principal = match storage::address(self.word(owner, slot)?) {
            Address::ZERO => U256::ZERO,
            strategy => self.answer(strategy, &abi::Strategy::principalCall {})?,
        };
        Ok(idle.saturating_add(principal))
    }
}
