//! The maths' state, read from the reference contracts' storage by the note's layout.

use crate::{
    evm::{mapped, signed},
    fx_world::{IPool, IShort, Side, World, low},
};
use alloy::{
    primitives::{Address, U256},
    sol,
};
use harrier::protocols::fx::maths::{
    base_pool::BasePool,
    bitmap::TickBitmap,
    long::LongManager,
    pool::{Pool, Threshold},
    short::ShortManager,
    tree::{Node, TickTree},
};

sol! {
    interface IOracle {
        function getPrice() external view returns (uint256 anchor, uint256 min, uint256 max);
        function getLiquidatePrice() external view returns (uint256);
        function getRedeemPrice() external view returns (uint256);
    }

    interface ISettings {
        function isStableRepayAllowed() external view returns (bool);
        function getLongPoolFundingRatio(address pool) external view returns (uint256);
        function getShortPoolFundingRatio(address pool) external view returns (uint256);
        function getStableTokenPriceWithScale() external view returns (uint256);
        function getTokenScalingFactor(address token) external view returns (uint256);
        function getLiquidationExpenseRatio() external view returns (uint256);
        function getRedeemFeeRatio() external view returns (uint256);
        function getMinRawDebt(address pool) external view returns (uint256);
    }
}

/// Prices of the three kinds of calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prices {
    pub(crate) rebalance: U256,
    pub(crate) liquidate: U256,
    pub(crate) redeem: U256,
}

fn bits(word: U256, from: usize, count: usize) -> U256 {
    (word >> from) & ((U256::ONE << count) - U256::ONE)
}

fn small(word: U256, from: usize, count: usize) -> u64 {
    bits(word, from, count).to()
}

fn tick_of(word: U256, from: usize) -> i16 {
    u16::try_from(small(word, from, 16)).unwrap().cast_signed()
}

impl World {
    /// The pool as its storage says, before funding.
    pub(crate) fn model(&self, pool: Address) -> Pool {
        let slot = |slot: u64| self.chain.slot(pool, U256::from(slot));
        let (misc, ratios, indices, shares) = (slot(2), slot(3), slot(4), slot(5));
        let next = small(misc, 50, 48);
        let nodes: Vec<(u64, Node)> = (1..next)
            .map(|id| {
                let at = mapped(&U256::from(id), U256::from(10));
                let (metadata, value) = (self.chain.slot(pool, at), self.chain.slot(pool, at + U256::ONE));
                let node = Node {
                    parent: small(metadata, 0, 48),
                    tick: tick_of(metadata, 48),
                    coll_ratio: small(metadata, 64, 64),
                    debt_ratio: small(metadata, 128, 64),
                    coll_shares: low(value),
                    debt_shares: value >> 128,
                };
                (id, node)
            })
            .collect();
        let current: Vec<(i16, u64)> = nodes
            .iter()
            .map(|(_, node)| (node.tick, self.chain.slot(pool, mapped(&signed(node.tick.into()), U256::from(9))).to::<u64>()))
            .filter(|(_, node)| *node != 0)
            .collect();
        let words = (i8::MIN..=i8::MAX).map(|word| (word, self.chain.slot(pool, mapped(&signed(word.into()), U256::from(8)))));
        let model = Pool {
            debt_index: low(indices),
            coll_index: indices >> 128,
            total_debt_shares: low(shares),
            total_coll_shares: shares >> 128,
            rebalance: Threshold { debt_ratio: bits(ratios, 0, 60), bonus_ratio: bits(ratios, 60, 30) },
            liquidate: Threshold { debt_ratio: bits(ratios, 90, 60), bonus_ratio: bits(ratios, 150, 30) },
            max_redeem_ratio_per_tick: bits(misc, 218, 30),
            bitmap: TickBitmap::new(words),
            tree: TickTree::new(nodes, current, next),
        };
        assert_eq!(model.top_tick(), tick_of(misc, 2), "the top tick is the highest with a bit");
        model
    }

    /// The pool accrued to the next transaction's time.
    pub(crate) fn accrued(&self, pool: Address, is_short: bool) -> Result<Pool, harrier::protocols::fx::FxRevert> {
        let mut model = self.model(pool);
        let ratio = if is_short {
            self.chain.ask(self.configuration, &ISettings::getShortPoolFundingRatioCall { pool })
        } else {
            self.chain.ask(self.configuration, &ISettings::getLongPoolFundingRatioCall { pool })
        };
        let since = if is_short { small(self.chain.slot(pool, U256::from(203)), 0, 64) } else { small(self.chain.slot(pool, U256::from(202)), 208, 48) };
        model.accrue(ratio, self.chain.now - since)?;
        Ok(model)
    }

    pub(crate) fn prices(&self, pool: Address) -> Prices {
        let oracle = self.chain.ask(pool, &IPool::priceOracleCall {});
        Prices {
            rebalance: self.chain.ask(oracle, &IOracle::getPriceCall {}).min,
            liquidate: self.chain.ask(oracle, &IOracle::getLiquidatePriceCall {}),
            redeem: self.chain.ask(oracle, &IOracle::getRedeemPriceCall {}),
        }
    }

    pub(crate) fn base_pool(&self) -> BasePool {
        BasePool { fx_usd: self.chain.slot(self.base, U256::from(50)), stable: self.balance(self.usdc, self.base) }
    }

    pub(crate) fn long_manager(&self, side: &Side) -> LongManager {
        LongManager {
            scaling_factor: self.chain.ask(self.manager, &ISettings::getTokenScalingFactorCall { token: side.token }),
            reserve_balance: self.balance(side.token, self.reserve),
            expense_ratio: self.chain.ask(self.manager, &ISettings::getLiquidationExpenseRatioCall {}),
            token_balance: self.balance(side.token, self.manager),
            pays_in_notes: true,
            stable_price: self.chain.ask(self.base, &ISettings::getStableTokenPriceWithScaleCall {}),
            stable_repay_allowed: self.chain.ask(self.configuration, &ISettings::isStableRepayAllowedCall {}),
            paused: false,
            caller_permitted: true,
        }
    }

    pub(crate) fn short_manager(&self, side: &Side) -> ShortManager {
        ShortManager {
            scaling_factor: self.chain.ask(self.shorts, &ISettings::getTokenScalingFactorCall { token: side.token }),
            reserve_balance: self.balance(self.fx_usd, self.reserve),
            expense_ratio: self.chain.ask(self.shorts, &ISettings::getLiquidationExpenseRatioCall {}),
            redeem_fee_ratio: self.chain.ask(self.shorts, &ISettings::getRedeemFeeRatioCall {}),
            min_raw_debt: self.chain.ask(self.shorts, &IShort::getMinRawDebtCall { pool: side.short }),
            notes_of_manager: Some(self.balance(side.note, self.manager)),
            paused: false,
            killed: false,
        }
    }
}
