//! Positions in the pools to begin with: dozens of people across many ticks, on both sides.

use super::{FxPool, FxWorld, Side, Worth, abi::LongManager, deploy::signed, world::WAD};
use crate::devnet::{DevnetError, abi::Token, acts::POCKET_MONEY, deploy::units, hands::Hands, people::Person};
use alloy::primitives::U256;

/// Debt ratios of the seeded positions, in thousandths, from the calm to the bold. At 880 a tick may be rebalanced.
const RATIOS: [u64; 24] = [520, 560, 600, 630, 660, 690, 710, 730, 750, 765, 780, 790, 800, 808, 815, 822, 828, 834, 840, 845, 850, 855, 860, 864];
/// Gas of opening a position.
pub(super) const OPEN_GAS: u64 = 1_500_000;

/// Opens positions in every pool.
pub(in crate::devnet) async fn plant(world: &FxWorld<'_>) -> Result<(), DevnetError> {
    let deployer = world.devnet.deployer()?;
    let mut hands = Hands::new(world.devnet);
    let mut openings = Vec::new();
    for pair in &world.fx.pairs {
        let worth = world.worth(pair).await?;
        for side in [Side::Long, Side::Short] {
            let pool = world.pool(&pair.symbol, side)?;
            for ((place, ratio), owner) in RATIOS.iter().enumerate().zip(seeded(&pool)) {
                let ratio = U256::from(*ratio).saturating_mul(U256::from(1_000_000_000_000_000_u64));
                let (collateral, debt) = amounts(&pool, worth, units(dollars(place), 18), ratio)?;
                hands.fund(owner.address(), POCKET_MONEY).await?;
                hands.call(&deployer, "collateral", pool.collateral, Token::transferCall { to: owner.address(), amount: collateral }, 200_000).await?;
                hands.call(&owner, "approve", pool.collateral, Token::approveCall { spender: pool.manager, amount: U256::MAX }, 100_000).await?;
                // Both managers have the same function.
                let call = LongManager::operateCall { pool: pool.address, positionId: U256::ZERO, newColl: signed(collateral)?, newDebt: signed(debt)? };
                openings.push((owner, pool.manager, call));
            }
        }
    }
    hands.settle().await?;
    for (owner, manager, call) in openings {
        hands.call(&owner, "open a position", manager, call, OPEN_GAS).await?;
    }
    hands.settle().await
}

/// The people whose positions a pool begins with, from the calm to the bold.
pub(super) fn seeded(pool: &FxPool) -> impl Iterator<Item = Person> + use<> {
    let side = match pool.side {
        Side::Long => "long",
        Side::Short => "short",
    };
    let symbol = pool.pair.symbol.clone();
    (0..RATIOS.len()).map(move |place| Person::named(&format!("fx {side} {symbol} {place}")))
}

/// Whole dollars of collateral: from small to large and back, so that ticks differ in size.
const fn dollars(place: usize) -> u64 {
    20_000 + (place as u64 % 7) * 9_000
}

/// Collateral worth this many dollars (1e18) and the debt of this ratio (1e18) against it, both in token units rounded down, at the price that the pool would take.
pub(super) fn amounts(pool: &FxPool, worth: Worth, usd: U256, ratio: U256) -> Result<(U256, U256), DevnetError> {
    let owed = usd.saturating_mul(ratio) / WAD;
    let tokens = |usd: U256, worth: U256| usd.saturating_mul(units(1, pool.pair.decimals)).checked_div(worth).ok_or(DevnetError::Range("a price of zero"));
    Ok(match pool.side {
        Side::Long => (tokens(usd, worth.low)?, owed),
        Side::Short => (usd, tokens(owed, worth.high)?),
    })
}
