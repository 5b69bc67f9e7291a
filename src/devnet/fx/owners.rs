//! People who open, change and leave positions.
//!
//! ```text
//! Opening { who, pool, dollars, debt ratio } ─open─▶ Position ─change─▶ … ─leave─▶ tokens, or notes for what is lent out
//! ```

use super::{
    FxPool, FxWorld, Side,
    abi::{LongManager, Manager, Pool},
    deploy::signed,
    people::{OPEN_GAS, amounts, seeded},
    world::WAD,
};
use crate::devnet::{
    DevnetError,
    abi::Token,
    acts::{Acts, POCKET_MONEY},
    deploy::units,
    node::Receipt,
    people::Person,
};
use alloy::{
    primitives::{I256, U256},
    sol_types::SolEvent,
};

/// A position that somebody is about to open.
#[derive(Clone, Debug)]
pub struct Opening<'n> {
    /// Who.
    pub who: &'n str,
    /// Where.
    pub pool: FxPool,
    /// The collateral's worth in whole dollars.
    pub dollars: u64,
    /// Debt by collateral at today's price, in millionths; 866,666 is the most, 0 pledges without a debt.
    pub ratio: u64,
}

/// Somebody's position.
#[derive(Clone, Debug)]
pub struct Position {
    /// Whose.
    pub owner: Person,
    /// Where.
    pub pool: FxPool,
    /// Its number.
    pub id: U256,
    /// What was pledged, in token units.
    pub collateral: U256,
    /// What was borrowed, in token units.
    pub debt: U256,
}

impl FxWorld<'_> {
    /// Opens positions, in two blocks: ether and collateral, then the positions.
    ///
    /// # Errors
    /// When one of them is refused.
    pub async fn open(&self, openings: &[Opening<'_>]) -> Result<Vec<Position>, DevnetError> {
        let mut positions = Vec::new();
        for opening in openings {
            let worth = self.worth(&opening.pool.pair).await?;
            let ratio = U256::from(opening.ratio).saturating_mul(U256::from(1_000_000_000_000_u64));
            let (collateral, debt) = amounts(&opening.pool, worth, units(opening.dollars, 18), ratio)?;
            positions.push(Position { owner: Person::named(opening.who), pool: opening.pool.clone(), id: U256::ZERO, collateral, debt });
        }
        self.opened(positions).await
    }

    /// Somebody opens a position with the amounts of another one as it was opened: as long as no index has moved it belongs to the same tick.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn open_alike(&self, who: &str, other: &Position) -> Result<Vec<Position>, DevnetError> {
        self.opened(vec![Position { owner: Person::named(who), id: U256::ZERO, ..other.clone() }]).await
    }

    /// Positions that have no number yet.
    async fn opened(&self, mut positions: Vec<Position>) -> Result<Vec<Position>, DevnetError> {
        let deployer = self.devnet.deployer()?;
        let mut acts = Acts::new(self.devnet);
        for Position { owner, pool, collateral, .. } in &positions {
            acts.pay(&deployer, owner, POCKET_MONEY).await?;
            let transfer = Token::transferCall { to: owner.address(), amount: *collateral };
            acts.call(&deployer, "collateral", pool.collateral, &transfer, 200_000).await?;
        }
        acts.mined().await?;
        for position in &positions {
            let approve = Token::approveCall { spender: position.pool.manager, amount: U256::MAX };
            acts.call(&position.owner, "approval", position.pool.collateral, &approve, 100_000).await?;
            let (coll, debt) = (signed(position.collateral)?, signed(position.debt)?);
            acts.call(&position.owner, "position", position.pool.manager, &operate(&position.pool, U256::ZERO, coll, debt), OPEN_GAS).await?;
        }
        let receipts = acts.mined().await?;
        for position in &mut positions {
            position.id = number_of(&receipts, position).ok_or_else(|| DevnetError::Unknown(format!("position of {}", position.owner.name())))?;
        }
        Ok(positions)
    }

    /// Changes positions in one block: collateral and debt in token units to add, or to take out where negative; [`I256::MIN`] is all. What is paid back has
    /// to be with the owner, and a short debt's token approved.
    ///
    /// # Errors
    /// When one of them is refused.
    pub async fn change(&self, changes: &[(&Position, I256, I256)]) -> Result<(), DevnetError> {
        let mut acts = Acts::new(self.devnet);
        for (position, coll, debt) in changes {
            if position.pool.side == Side::Short && debt.is_negative() {
                let approve = Token::approveCall { spender: position.pool.manager, amount: U256::MAX };
                acts.call(&position.owner, "approval", position.pool.owed, &approve, 100_000).await?;
            }
            acts.call(&position.owner, "change", position.pool.manager, &operate(&position.pool, position.id, *coll, *debt), OPEN_GAS).await?;
        }
        acts.mined().await.map(drop)
    }

    /// The owners pay back and take everything out: long ones get notes for what the manager has lent out.
    ///
    /// # Errors
    /// When one of them can't.
    pub async fn leave(&self, positions: &[Position]) -> Result<(), DevnetError> {
        let changes: Vec<_> = positions.iter().map(|position| (position, I256::MIN, I256::MIN)).collect();
        self.change(&changes).await
    }

    /// The positions that a pool began with, from the calm to the bold.
    ///
    /// # Errors
    /// When one of them is not there.
    pub async fn first_positions(&self, pool: &FxPool) -> Result<Vec<Position>, DevnetError> {
        let mut positions = Vec::new();
        for owner in seeded(pool) {
            positions.push(self.position_of(pool, owner).await?);
        }
        Ok(positions)
    }

    /// Somebody's position in a pool, with what it holds and owes now, rounded down to token units.
    pub(super) async fn position_of(&self, pool: &FxPool, owner: Person) -> Result<Position, DevnetError> {
        let next = self.devnet.ask("positions", pool.address, &Pool::getNextPositionIdCall {}).await?;
        for id in (1..next).map(U256::from) {
            if self.devnet.ask("owner", pool.address, &Pool::ownerOfCall { id }).await? == owner.address() {
                let raw = self.devnet.ask("position", pool.address, &Pool::getPositionCall { id }).await?;
                let token = pool.pair.token;
                let factor = self.devnet.ask("scale", pool.manager, &Manager::getTokenScalingFactorCall { token }).await?;
                let tokens = |raw: U256| raw.saturating_mul(WAD).checked_div(factor).unwrap_or_default();
                let (collateral, debt) = match pool.side {
                    Side::Long => (tokens(raw.rawColls), raw.rawDebts),
                    Side::Short => (raw.rawColls, tokens(raw.rawDebts)),
                };
                return Ok(Position { owner, pool: pool.clone(), id, collateral, debt });
            }
        }
        Err(DevnetError::Unknown(format!("position of {}", owner.name())))
    }

    /// The large position out of which the markets' fxUSD came is closed: its debt is borrowed against the other pair's collateral, and all of it is taken out.
    /// What other people pledged is all that the pool has then.
    ///
    /// # Errors
    /// When it is gone already.
    pub async fn founder_leaves(&self, symbol: &str) -> Result<(), DevnetError> {
        let founder = self.devnet.deployer()?;
        let position = self.position_of(&self.pool(symbol, Side::Long)?, founder.clone()).await?;
        let other = self.fx.pairs.iter().find(|pair| pair.symbol != symbol).ok_or_else(|| DevnetError::Unknown("other pair".to_owned()))?;
        let other = self.position_of(&self.pool(&other.symbol, Side::Long)?, founder).await?;
        self.change(&[(&other, I256::ZERO, signed(position.debt)?)]).await?;
        self.leave(&[position]).await
    }
}

/// Both managers have the same function.
const fn operate(pool: &FxPool, id: U256, coll: I256, debt: I256) -> LongManager::operateCall {
    LongManager::operateCall { pool: pool.address, positionId: id, newColl: coll, newDebt: debt }
}

/// The number that a position got.
fn number_of(receipts: &[Receipt], position: &Position) -> Option<U256> {
    let logs = receipts.iter().filter(|receipt| receipt.from == position.owner.address()).flat_map(|receipt| &receipt.logs);
    let operate = |log: &alloy::rpc::types::Log| Manager::Operate::decode_log(&log.inner).ok();
    logs.filter_map(operate).filter(|told| told.pool == position.pool.address).map(|told| told.position).last()
}
