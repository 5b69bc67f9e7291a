//! Stories for tests and the demo: who borrows what, in words.
//!
//! ```text
//! devnet.story().borrower("alice").market("weth-usdc").collateral(10, 18).health(1_050..).open().await
//! ```
//!
//! A story happens by public transactions in two blocks, so a warm fork follows it: first ether and collateral, then the loans.

use super::{
    DevnetError,
    people::Person,
    seed::{borrow, most_debt, pledge},
    stage::Devnet,
};
use alloy::{
    primitives::{B256, Bytes, U256},
    sol_types::SolCall,
};

/// Ether that a borrower gets, for gas.
const POCKET_MONEY: u64 = 1_000_000_000_000_000_000;
/// Tip of a story's transactions, wei per gas.
const TIP: u128 = 1_000_000_000;

/// How much somebody borrows.
#[derive(Clone, Copy, Debug)]
enum Debt {
    /// This much of the loan token.
    Amount(U256),
    /// As much as leaves this health at today's price, 1e18 is the boundary.
    Health(U256),
    /// All but two units of what the contract allows: the next block's interest makes it unhealthy.
    Most,
}

#[derive(Clone, Debug)]
struct Part {
    name: String,
    market: String,
    collateral: U256,
    debt: Debt,
}

/// Somebody who has borrowed.
#[derive(Clone, Debug)]
pub struct Borrower {
    /// Who.
    pub person: Person,
    /// The market's name.
    pub market: String,
    /// The market's id.
    pub market_id: B256,
    /// Collateral in token units.
    pub collateral: U256,
    /// What was borrowed, in token units.
    pub debt: U256,
}

/// A story that has not happened yet.
#[derive(Debug)]
pub struct Story<'a> {
    devnet: &'a Devnet,
    parts: Vec<Part>,
}

impl<'a> Story<'a> {
    pub(super) const fn new(devnet: &'a Devnet) -> Self {
        Self { devnet, parts: Vec::new() }
    }

    /// Somebody comes in; what follows is about them. In the market `weth-usdc`, with 10 ether at health 1.1, until said otherwise.
    #[must_use]
    pub fn borrower(mut self, name: &str) -> Self {
        let collateral = U256::from(10_000_000_000_000_000_000u128);
        let debt = Debt::Health(U256::from(1_100_000_000_000_000_000u128));
        self.parts.push(Part { name: name.to_owned(), market: "weth-usdc".to_owned(), collateral, debt });
        self
    }

    fn last(mut self, change: impl FnOnce(&mut Part)) -> Self {
        if let Some(part) = self.parts.last_mut() {
            change(part);
        }
        self
    }

    /// The market, by its name.
    #[must_use]
    pub fn market(self, name: &str) -> Self {
        self.last(|part| part.market = name.to_owned())
    }

    /// Collateral in token units.
    #[must_use]
    pub fn collateral(self, amount: U256) -> Self {
        self.last(|part| part.collateral = amount)
    }

    /// Debt in token units.
    #[must_use]
    pub fn debt(self, amount: U256) -> Self {
        self.last(|part| part.debt = Debt::Amount(amount))
    }

    /// As much debt as leaves this health at today's price; 1e18 is the boundary.
    #[must_use]
    pub fn health(self, wad: u128) -> Self {
        self.last(|part| part.debt = Debt::Health(U256::from(wad)))
    }

    /// As much debt as the contract allows but two units: the next block's interest makes it unhealthy.
    #[must_use]
    pub fn debt_to_the_brim(self) -> Self {
        self.last(|part| part.debt = Debt::Most)
    }

    /// Lets it happen, in two blocks.
    pub async fn open(self) -> Result<Vec<Borrower>, DevnetError> {
        let devnet = self.devnet;
        let contracts = devnet.contracts();
        let deployer = devnet.deployer()?;
        let mut hashes: Vec<(String, B256)> = Vec::new();
        let mut borrowers = Vec::new();
        for part in &self.parts {
            let market = contracts.market(&part.market)?;
            let person = Person::named(&part.name);
            let gift = devnet.signed(&deployer, Some(person.address()), U256::from(POCKET_MONEY), Bytes::new(), 21_000, TIP).await?;
            hashes.push((format!("ether for {}", part.name), devnet.send_public(gift).await?));
            let call = pledge(market, part.collateral, person.address()).abi_encode();
            let pledged = devnet.signed(&deployer, Some(contracts.morpho), U256::ZERO, call.into(), 300_000, TIP).await?;
            hashes.push((format!("collateral of {}", part.name), devnet.send_public(pledged).await?));
            let most = most_debt(part.collateral, devnet.oracle_price(market).await?, market.lltv);
            let debt = match part.debt {
                Debt::Amount(amount) => amount,
                Debt::Health(health) => {
                    most.saturating_mul(U256::from(1_000_000_000_000_000_000u128)).checked_div(health).ok_or(DevnetError::Range("a health of zero"))?
                }
                // The contract rounds the debt up when it compares.
                Debt::Most => most.saturating_sub(U256::from(2)),
            };
            borrowers.push(Borrower { person, market: part.market.clone(), market_id: market.id, collateral: part.collateral, debt });
        }
        mined(devnet, std::mem::take(&mut hashes)).await?;
        for borrower in &borrowers {
            let market = contracts.market(&borrower.market)?;
            let call = borrow(market, borrower.debt, borrower.person.address()).abi_encode();
            let raw = devnet.signed(&borrower.person, Some(contracts.morpho), U256::ZERO, call.into(), 500_000, TIP).await?;
            hashes.push((format!("loan of {}", borrower.person.name()), devnet.send_public(raw).await?));
        }
        mined(devnet, hashes).await?;
        Ok(borrowers)
    }
}

/// Builds a block and checks that these transactions are in it and succeeded.
async fn mined(devnet: &Devnet, hashes: Vec<(String, B256)>) -> Result<(), DevnetError> {
    let report = devnet.build_block().await?;
    for (what, tx) in hashes {
        let fine = report.txs.iter().zip(&report.succeeded).any(|(hash, succeeded)| *hash == tx && *succeeded);
        if !fine {
            return Err(DevnetError::SetUp { what, tx });
        }
    }
    Ok(())
}
