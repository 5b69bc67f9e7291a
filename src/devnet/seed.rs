//! Many borrowers at once, before anybody listens: random within bounds, and the same for the same seed.

use super::{
    DevnetError,
    abi::{Morpho, Oracle},
    chain::Chain,
    contracts::{Contracts, MarketFacts},
    hands::{Hands, ask},
    people::Person,
};
use alloy::primitives::{Address, Bytes, U256};

/// 1e18.
const WAD: u64 = 1_000_000_000_000_000_000;
/// 1e36, the scale of a market's price.
const PRICE_SCALE: u128 = 1_000_000_000_000_000_000_000_000_000_000_000_000;
/// Ether that a seeded borrower gets, for gas.
const POCKET_MONEY: u64 = 10_000_000_000_000_000_000;

/// How borrowers are seeded.
#[derive(Clone, Debug)]
pub struct Seed {
    /// How many.
    pub borrowers: u32,
    /// Where the randomness begins.
    pub number: u64,
    /// Their health is at least this, 1e18 is the boundary.
    pub least_health: u64,
    /// And at most this.
    pub most_health: u64,
    /// Markets by name, taken in turns.
    pub markets: Vec<String>,
}

impl Default for Seed {
    fn default() -> Self {
        Self {
            borrowers: 300,
            number: 1,
            least_health: 1_020_000_000_000_000_000,
            most_health: 2 * WAD,
            markets: vec!["weth-usdc".to_owned(), "wbtc-usdc".to_owned(), "stake-weth".to_owned()],
        }
    }
}

/// The name of a seeded borrower.
#[must_use]
pub fn borrower_name(number: u32) -> String {
    format!("borrower {number}")
}

/// SplitMix64: small, and the same everywhere.
#[derive(Clone, Copy, Debug)]
struct Dice(u64);

impl Dice {
    const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Evenly from `low` to `high`, but for the remainder of the division, which does not matter here.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1).max(1);
        low.saturating_add(self.roll().checked_rem(span).unwrap_or_default())
    }
}

/// Collateral in thousandths of a whole token: from small positions to large ones.
const fn collateral_range(symbol: &str) -> (u64, u64) {
    // A byte comparison, because a const fn can't compare texts.
    match symbol.as_bytes() {
        b"WBTC" => (20, 1_500),
        _ => (500, 60_000),
    }
}

/// The most that may be borrowed against collateral: both roundings down, as the contract has them.
pub(super) fn most_debt(collateral: U256, price: U256, lltv: U256) -> U256 {
    let worth = collateral.saturating_mul(price).checked_div(U256::from(PRICE_SCALE)).unwrap_or_default();
    worth.saturating_mul(lltv).checked_div(U256::from(WAD)).unwrap_or_default()
}

/// Opens the positions.
pub(super) async fn plant(chain: &Chain, contracts: &Contracts, deployer: &Person, seed: Seed) -> Result<(), DevnetError> {
    let mut dice = Dice(seed.number);
    let mut markets: Vec<(&MarketFacts, U256)> = Vec::new();
    for name in &seed.markets {
        let market = contracts.market(name)?;
        markets.push((market, ask(chain, "price", market.oracle, &Oracle::priceCall {}).await?));
    }
    let mut hands = Hands::new(chain);
    let mut debts: Vec<(Person, &MarketFacts, U256)> = Vec::new();
    for (number, (market, price)) in (0..seed.borrowers).zip(markets.iter().cycle()) {
        let person = Person::named(&borrower_name(number));
        let (low, high) = collateral_range(&market.collateral.symbol);
        let unit = U256::from(10).saturating_pow(U256::from(market.collateral.decimals.saturating_sub(3)));
        let collateral = U256::from(dice.between(low, high)).saturating_mul(unit);
        let health = U256::from(dice.between(seed.least_health, seed.most_health));
        let most = most_debt(collateral, *price, market.lltv);
        let debt = most.saturating_mul(U256::from(WAD)).checked_div(health).unwrap_or_default();
        hands.fund(person.address(), U256::from(POCKET_MONEY)).await?;
        hands.call(deployer, "pledge", contracts.morpho, pledge(market, collateral, person.address()), 300_000).await?;
        debts.push((person, market, debt));
    }
    hands.settle().await?;
    for (person, market, debt) in debts {
        hands.call(&person, "borrow", contracts.morpho, borrow(market, debt, person.address()), 400_000).await?;
    }
    hands.settle().await
}

/// Collateral for somebody.
pub(super) const fn pledge(market: &MarketFacts, amount: U256, on_behalf: Address) -> Morpho::supplyCollateralCall {
    Morpho::supplyCollateralCall { marketParams: market.params(), assets: amount, onBehalf: on_behalf, data: Bytes::new() }
}

/// A loan to oneself.
pub(super) const fn borrow(market: &MarketFacts, amount: U256, who: Address) -> Morpho::borrowCall {
    Morpho::borrowCall { marketParams: market.params(), assets: amount, shares: U256::ZERO, onBehalf: who, receiver: who }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dice_are_the_published_ones() {
        // First outputs of SplitMix64 from 1234567, as its author's reference gives them.
        let mut dice = Dice(1_234_567);
        assert_eq!([dice.roll(), dice.roll(), dice.roll()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_roll_stays_within_its_bounds() {
        let mut dice = Dice(7);
        for _ in 0..1_000 {
            assert!((3..=9).contains(&dice.between(3, 9)));
        }
        assert_eq!(dice.between(5, 5), 5);
    }
}
