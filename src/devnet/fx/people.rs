//! Positions in the pools: dozens of people across many ticks, on both sides.

use super::{
    FxContracts, FxPair,
    abi::{LongManager, SpotOracle, Tokens},
    deploy::signed,
};
use crate::devnet::{
    DevnetError,
    abi::Token,
    chain::Chain,
    deploy::units,
    hands::{Hands, ask},
    people::Person,
};
use alloy::primitives::{Address, U256};

/// 1e18.
const WAD: u128 = 1_000_000_000_000_000_000;
/// Ether that a person gets, for gas.
const POCKET_MONEY: u128 = 10 * WAD;
/// Debt ratios of the seeded positions, in thousandths, from the calm to the bold. At 880 a tick may be rebalanced.
const RATIOS: [u64; 24] = [520, 560, 600, 630, 660, 690, 710, 730, 750, 765, 780, 790, 800, 808, 815, 822, 828, 834, 840, 845, 850, 855, 860, 864];
/// Gas of opening a position.
const OPEN_GAS: u64 = 1_500_000;

/// Opens positions in every pool.
pub(in crate::devnet) async fn plant(chain: &Chain, fx: &FxContracts, deployer: &Person) -> Result<(), DevnetError> {
    let mut hands = Hands::new(chain);
    let mut opened = Vec::new();
    for pair in &fx.pairs {
        let price = ask(chain, "price", pair.oracle, &SpotOracle::getPriceCall {}).await?.minPrice;
        // The long manager counts wstETH at its rate; the price is that of the stETH inside.
        let rate = if pair.token == fx.wst_eth { ask(chain, "rate", fx.wst_eth, &Tokens::stEthPerTokenCall {}).await? } else { U256::from(WAD) };
        let worth = price.saturating_mul(rate) / U256::from(WAD);
        for (place, ratio) in RATIOS.iter().enumerate() {
            for side in [Side::Long, Side::Short] {
                opened.push(equip(&mut hands, fx, pair, deployer, side, worth, (place, *ratio)).await?);
            }
        }
    }
    hands.settle().await?;
    for Opening { person, manager, call } in opened {
        hands.call(&person, "open a position", manager, call, OPEN_GAS).await?;
    }
    hands.settle().await
}

/// Which pool of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Long,
    Short,
}

/// A position that is about to be opened.
struct Opening {
    person: Person,
    manager: Address,
    call: LongManager::operateCall,
}

/// Whole dollars of collateral: from small to large and back, so that ticks differ in size.
const fn dollars(place: usize) -> u64 {
    20_000 + (place as u64 % 7) * 9_000
}

/// Ether, collateral and an approval for a person of this place and debt ratio, and the call that opens the position.
async fn equip(
    hands: &mut Hands<'_>,
    fx: &FxContracts,
    pair: &FxPair,
    deployer: &Person,
    side: Side,
    worth: U256,
    (place, ratio): (usize, u64),
) -> Result<Opening, DevnetError> {
    let usd = units(dollars(place), 18);
    let owed = usd.saturating_mul(U256::from(ratio)) / U256::from(1_000);
    let in_token = |usd: U256| usd.saturating_mul(units(1, pair.decimals)).checked_div(worth).ok_or(DevnetError::Range("a price of zero"));
    let (name, pool, manager, token, collateral, debt) = match side {
        Side::Long => ("long", pair.long, fx.long_manager, pair.token, in_token(usd)?, owed),
        Side::Short => ("short", pair.short, fx.short_manager, fx.fx_usd, usd, in_token(owed)?),
    };
    let person = Person::named(&format!("fx {name} {} {place}", pair.symbol));
    hands.fund(person.address(), U256::from(POCKET_MONEY)).await?;
    hands.call(deployer, "collateral", token, Token::transferCall { to: person.address(), amount: collateral }, 200_000).await?;
    hands.call(&person, "approve", token, Token::approveCall { spender: manager, amount: U256::MAX }, 100_000).await?;
    // Both managers have the same function.
    let call = LongManager::operateCall { pool, positionId: U256::ZERO, newColl: signed(collateral)?, newDebt: signed(debt)? };
    Ok(Opening { person, manager, call })
}
