//! The end of a rehearsal: the ledger's totals, and whether they agree with the chain.

use super::{RehearsalError, SceneResult, Stage};
use crate::{
    devnet::{abi::Token, fx::abi::Staked},
    drivers::Decided,
    ledger::{Ledger, Outcome, Summary},
};
use alloy::{
    consensus::Transaction,
    primitives::{B256, I256, U256},
    providers::Provider,
};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// What was played, on however many devnets.
#[derive(Debug, Default)]
pub struct Played {
    /// Scenes in order.
    pub scenes: Vec<SceneResult>,
    /// The closing of the books, one a searcher.
    pub books: Vec<SceneResult>,
    /// The ledgers' totals, one a searcher.
    pub summaries: Vec<Summary>,
    /// How bundles ended.
    pub ends: Vec<Decided>,
}

impl Played {
    /// What was played elsewhere, too.
    pub fn add(&mut self, other: Self) {
        self.scenes.extend(other.scenes);
        self.books.extend(other.books);
        self.summaries.extend(other.summaries);
        self.ends.extend(other.ends);
    }
}

/// Totals of a rehearsal: the last object of `harrier demo --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Accounts {
    /// Scenes in order.
    pub scenarios: Vec<SceneResult>,
    /// The closing of the books, one a searcher.
    #[serde(skip)]
    pub books: Vec<SceneResult>,
    /// Bundles that landed.
    pub landed: u64,
    /// Bundles that somebody else beat.
    pub lost: u64,
    /// Skips of all reasons.
    pub skipped: u64,
    /// Predicted profit of what landed, in wei.
    pub predicted_profit_wei: String,
    /// Realised profit of what landed, in wei.
    pub realised_profit_wei: String,
    /// The largest difference for one bundle whose inputs were those simulated, in wei.
    pub max_error_wei: String,
    /// How long it took.
    pub seconds: u64,
}

impl Accounts {
    /// The totals of what was played.
    #[must_use]
    pub fn of(played: Played, took: Duration) -> Self {
        let Played { scenes, books, summaries, ends } = played;
        let sum = |pick: fn(&Summary) -> I256| summaries.iter().map(pick).fold(I256::ZERO, I256::saturating_add).to_string();
        Self {
            scenarios: scenes,
            books,
            landed: summaries.iter().map(|summary| summary.landed).sum(),
            lost: summaries.iter().map(|summary| summary.lost).sum(),
            skipped: summaries.iter().flat_map(|summary| summary.skipped.values()).sum(),
            predicted_profit_wei: sum(|summary| summary.predicted_profit_wei),
            realised_profit_wei: sum(|summary| summary.realised_profit_wei),
            max_error_wei: last_words(&ends).values().filter_map(|end| error(end)).max().unwrap_or_default().to_string(),
            seconds: took.as_secs(),
        }
    }

    /// Whether every scene went as expected, and the books close.
    #[must_use]
    pub fn all_ok(&self) -> bool {
        self.scenarios.iter().chain(&self.books).all(|scene| scene.ok)
    }
}

/// How each bundle ended: after a reorg it is told again, and its last word counts.
fn last_words(decided: &[Decided]) -> BTreeMap<B256, &Decided> {
    decided.iter().map(|one| (one.bundle, one)).collect()
}

/// What a landed bundle brought more or less than was predicted, where its inputs were those simulated.
fn error(end: &Decided) -> Option<U256> {
    let Outcome::Landed(realised) = &end.outcome else { return None };
    let as_simulated = end.explanation.is_none_or(|why| why.differing_input.is_none());
    as_simulated.then(|| realised.profit_wei.saturating_sub(end.predicted_wei).unsigned_abs())
}

/// Compares a ledger with the chain: the treasury holds what landed bundles brought, the executor holds nothing.
pub(super) async fn balance(stage: &Stage, name: &str, before: U256, ledger: &Ledger, decided: &[Decided]) -> Result<(SceneResult, Summary), RehearsalError> {
    let summary = ledger.summary().await?;
    let mut booked = I256::ZERO;
    let mut unexplained = 0_usize;
    for one in last_words(decided).into_values() {
        let Outcome::Landed(realised) = &one.outcome else { continue };
        let base_fee = realised.inputs.base_fee;
        let sent = one.batch.as_ref().and_then(|batch| batch.txs.first());
        // A keeper tips; what earns pays the builder otherwise.
        let price = sent.map_or_else(|| u128::from(base_fee), |sent| sent.tx.effective_gas_price(Some(base_fee)));
        let gas = U256::from(realised.gas_used).saturating_mul(U256::from(price));
        booked = booked.saturating_add(realised.profit_wei).saturating_add(I256::try_from(gas).unwrap_or(I256::MAX));
        if one.explanation.as_ref().is_some_and(crate::ledger::Explanation::is_alarm) {
            unexplained += 1;
        }
    }
    let treasury = stage.devnet.balance_of("WETH", stage.receiver).await?.saturating_sub(before);
    let mut left = Vec::new();
    let tokens = stage.devnet.contracts().tokens.values().map(|facts| (facts.symbol.as_str(), facts.address));
    let of_fx = stage.devnet.fx().into_iter().flat_map(|fx| {
        let notes = fx.pairs.iter().map(|pair| ("credit notes", pair.note));
        notes.chain([("fxUSD", fx.fx_usd), ("wstETH", fx.wst_eth)])
    });
    for (symbol, token) in tokens.chain(of_fx) {
        let held = stage.devnet.ask("balance", token, &Token::balanceOfCall { account: stage.executor }).await?;
        if !held.is_zero() {
            left.push(format!("{held} {symbol}"));
        }
    }
    if let Some(fx) = stage.devnet.fx() {
        // A unit of staked ether that is worth less than a share can't be sent on.
        let held = stage.devnet.ask("balance", fx.st_eth, &Token::balanceOfCall { account: stage.executor }).await?;
        if !stage.devnet.ask("shares", fx.st_eth, &Staked::getSharesByPooledEthCall { amount: held }).await?.is_zero() {
            left.push(format!("{held} stETH"));
        }
    }
    if let Some(flux) = stage.devnet.flux() {
        // Also what lies inside of the vaults and their wrappers, and Uniswap positions.
        let positions = stage.devnet.contracts().position_manager;
        let held = stage.devnet.ask("positions", positions, &Token::balanceOfCall { account: stage.executor }).await?;
        if !held.is_zero() {
            left.push(format!("{held} Uniswap positions"));
        }
        for vault in &flux.vaults {
            let held = stage.devnet.flux_world()?.left_of(vault, stage.executor).await?;
            left.extend(held.into_iter().map(|held| format!("{held} in {}", vault.name)));
        }
    }
    let provider = stage.devnet.provider()?;
    let ether = provider.get_balance(stage.executor).await.map_err(|error| RehearsalError::Scene(error.to_string()))?;
    if !ether.is_zero() {
        left.push(format!("{ether} wei"));
    }
    let equal = I256::try_from(treasury).unwrap_or(I256::MAX) == booked;
    let ok = equal && left.is_empty() && unexplained == 0 && summary.unfinished == 0;
    let result = SceneResult {
        name: name.to_owned(),
        expected: "the ledger equals the treasury to the wei, every difference has an input behind it, the executor is empty".to_owned(),
        got: format!(
            "booked {booked} wei before gas, the treasury gained {treasury}; {unexplained} unexplained; {} unfinished; the executor holds {}",
            summary.unfinished,
            if left.is_empty() { "nothing".to_owned() } else { left.join(", ") }
        ),
        ok,
    };
    Ok((result, summary))
}
