//! The first thread from end to end: the scenes that `harrier demo` plays, and an oracle of brute force that looks at every block afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "a test says what it expects")]

mod brute_force;

use alloy::{
    primitives::{Address, B256, I256, U256},
    providers::Provider,
    sol_types::SolEvent,
};
use brute_force::{Chain, Held, Mode, abi, mul_div, price_scale, wad};
use futures::{StreamExt, stream};
use harrier::devnet::{
    DevnetConfig, MarketFacts, Person, Seed,
    rehearsal::{Accounts, Stage, thread::scenes},
};
use rusqlite::{Connection, OpenFlags};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

/// Wei of profit below which the searcher is told to leave a position alone (`config/devnet.toml`).
const LEAST_PROFIT: u64 = 100_000_000_000_000;
/// Less gas than any liquidation with its swaps takes: the oracle asks for more than it may, never for less.
const LEAST_GAS: u64 = 200_000;
/// Sizes that are tried in each of the two modes.
const SIZES: u64 = 40;

type Key = (B256, Address);

/// A position that somebody could have taken at a profit in the block after `block`.
#[derive(Debug)]
struct Missed {
    block: u64,
    key: Key,
    profit: U256,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scenes_go_as_expected_and_nothing_profitable_is_left_without_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(DevnetConfig { seed: Some(Seed::default()), ..DevnetConfig::default() }, folder.path()).await.unwrap();
    let first = stage.devnet.head().number;
    let weth_before = stage.devnet.balance_of("WETH", stage.receiver).await.unwrap();
    let played = stage.play(folder.path(), |_| true, |_| {}).await.unwrap();
    let decided = played.ends.clone();
    let accounts = Accounts::of(played, Duration::ZERO);
    let simulations: Vec<usize> =
        decided.iter().filter_map(|end| end.batch.as_ref()).flat_map(|batch| &batch.candidates).map(|candidate| candidate.simulations).collect();
    assert!(simulations.iter().all(|count| *count <= 16), "16 simulations a candidate at most: {simulations:?}");
    let last = stage.devnet.head().number;

    let failed: Vec<_> = accounts.scenarios.iter().filter(|scene| !scene.ok).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    for scene in scenes() {
        assert!(accounts.scenarios.iter().any(|result| result.name == scene.name), "{} was not played", scene.name);
    }
    assert_eq!(accounts.lost, 1, "one race is lost, to the rival");
    assert!(accounts.landed >= 6, "a, b, c, e, g and h land: {accounts:#?}");
    assert!(accounts.skipped > 0);

    let ledger = open(&folder.path().join("searcher.sqlite"));
    predicted_is_realised(&ledger);
    predicted_is_realised(&open(&folder.path().join("fork.sqlite")));
    assert_eq!(accounts.max_error_wei, "0");
    treasury_balances(&stage, &ledger, weth_before).await;

    let chain = Chain::of(&stage.devnet);
    let markets: BTreeMap<B256, &MarketFacts> = stage.devnet.contracts().markets.values().map(|market| (market.id, market)).collect();
    let profitable = look_at_every_block(&chain, &markets, first, last).await;
    let taken: BTreeSet<(u64, Key)> = chain.liquidations(first, last).await.into_iter().map(|(block, event)| (block, (event.id, event.borrower))).collect();
    let explained = explanations(&ledger);
    println!("{} times a position could be taken at a profit in the next block; {} liquidations", profitable.len(), taken.len());
    let unexplained: Vec<_> = profitable
        .iter()
        .filter(|missed| !taken.contains(&(missed.block + 1, missed.key)))
        .filter(|missed| explained.get(&missed.key).is_none_or(|since| *since > missed.block + 1))
        .collect();
    assert!(unexplained.is_empty(), "nobody took these and nothing says why: {unexplained:#?}");
    // The oracle is no good if it finds nothing: an update that was mined unseen, and interest alone, are both opened by a finished block.
    for who in ["bob", "carol"] {
        let who = Person::named(who).address();
        assert!(profitable.iter().any(|missed| missed.key.1 == who), "the oracle did not see {who}: {profitable:#?}");
    }
    let dust = Person::named("dave").address();
    assert!(!profitable.iter().any(|missed| missed.key.1 == dust), "dust pays for no gas");
    assert!(explained.keys().any(|key| key.1 == dust), "the dust position has its reason in the ledger");
}

fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// For each landed bundle whose inputs were those simulated, the realised profit is the predicted one, to the wei.
fn predicted_is_realised(ledger: &Connection) {
    let mut query = ledger
        .prepare(
            "SELECT b.profit_wei, o.profit_wei, b.gas_used, o.gas_used, o.differing_input, o.alarm,
                    b.parent_hash = o.parent_hash AND b.timestamp = o.timestamp AND b.base_fee = o.base_fee
                    AND b.fee_recipient = o.fee_recipient AND b.in_front = o.in_front
             FROM outcomes o JOIN bundles b ON b.id = o.bundle_id WHERE o.outcome = 'landed' AND o.superseded = 0",
        )
        .unwrap();
    type Row = (String, String, i64, i64, Option<String>, i64, bool);
    let rows: Vec<Row> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(!rows.is_empty());
    for (predicted, realised, predicted_gas, realised_gas, differing, alarm, same_inputs) in rows {
        assert_eq!(alarm, 0);
        if same_inputs {
            assert_eq!((predicted, predicted_gas), (realised, realised_gas), "the inputs are equal, the results are not");
        } else {
            assert!(differing.is_some(), "an input differs and the ledger does not name it");
        }
    }
}

/// What the ledger says was earned is what the chain says: the receipts' gas, and the tokens at the receiver.
async fn treasury_balances(stage: &Stage, ledger: &Connection, before: U256) {
    let sum = |query: &str| -> Vec<String> {
        let mut query = ledger.prepare(query).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let earned = sum("SELECT profit_wei FROM outcomes WHERE outcome = 'landed' AND superseded = 0");
    let earned: I256 = earned.iter().map(|wei| wei.parse::<I256>().unwrap()).fold(I256::ZERO, |all, wei| all + wei);
    let hashes =
        sum("SELECT t.hash FROM bundle_txs t JOIN outcomes o ON o.bundle_id = t.bundle_id WHERE t.ours = 1 AND o.outcome = 'landed' AND o.superseded = 0");
    let provider = stage.devnet.provider().unwrap();
    let mut gas = U256::ZERO;
    for hash in hashes {
        let receipt = provider.get_transaction_receipt(hash.parse().unwrap()).await.unwrap().expect("a landed transaction is on the chain");
        assert!(receipt.status());
        gas += U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
    }
    let now = stage.devnet.balance_of("WETH", stage.receiver).await.unwrap();
    assert_eq!(I256::try_from(now - before).unwrap(), earned + I256::try_from(gas).unwrap());
    for symbol in stage.devnet.contracts().tokens.keys() {
        assert_eq!(stage.devnet.balance_of(symbol, stage.executor).await.unwrap(), U256::ZERO, "the executor keeps nothing");
    }
    assert_eq!(provider.get_balance(stage.executor).await.unwrap(), U256::ZERO);
    let unfinished: i64 =
        ledger.query_row("SELECT count(*) FROM bundles b WHERE NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.bundle_id = b.id)", [], |row| row.get(0)).unwrap();
    assert_eq!(unfinished, 0, "every bundle is decided");
}

/// Since which block the ledger says why a position was left alone.
fn explanations(ledger: &Connection) -> BTreeMap<Key, u64> {
    let mut query = ledger
        .prepare(
            "SELECT market, target, min(block) FROM (
                SELECT market, target, block FROM skips WHERE market IS NOT NULL AND target IS NOT NULL
                UNION ALL SELECT market, target, block FROM proofs WHERE ending <> 'landed'
             ) GROUP BY market, target",
        )
        .unwrap();
    let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))).unwrap();
    rows.filter_map(|row| {
        let (market, target, block) = row.unwrap();
        // A market that was refused as a whole stands under its own name, not an account's.
        Some(((market.parse().unwrap(), target.parse().ok()?), u64::try_from(block).unwrap()))
    })
    .collect()
}

/// Every position in debt at the end of every block: could it be taken in the next one, by any of many sizes, at a profit?
async fn look_at_every_block(chain: &Chain<'_>, markets: &BTreeMap<B256, &MarketFacts>, first: u64, last: u64) -> Vec<Missed> {
    let borrowers: BTreeSet<Key> = chain
        .logs(0, last)
        .await
        .iter()
        .filter_map(|log| abi::Morpho::Borrow::decode_log(&log.inner).ok())
        .map(|event| (event.data.id, event.data.onBehalf))
        .collect();
    assert!(borrowers.len() > 300, "{}", borrowers.len());
    let mut held: BTreeMap<Key, Held> = BTreeMap::new();
    let mut found = Vec::new();
    for block in first..=last {
        // Positions change by Morpho's events only, and each of those names the account.
        let touched: BTreeSet<Address> = chain
            .logs(block, block)
            .await
            .iter()
            .flat_map(|log| log.topics().iter().skip(2).map(|topic| Address::from_word(*topic)).collect::<Vec<_>>())
            .collect();
        let stale = borrowers.iter().filter(|key| block == first || touched.contains(&key.1));
        let fresh: Vec<(Key, Held)> =
            stream::iter(stale).map(|key| async move { (*key, chain.position(key.0, key.1, block).await) }).buffer_unordered(16).collect().await;
        held.extend(fresh);
        for market in markets.values() {
            let Some(price) = chain.price(market, block).await else { continue };
            let (assets, shares) = chain.totals(market, block).await;
            let near: Vec<(Address, Held)> = held
                .iter()
                .filter(|(key, held)| key.0 == market.id && !held.shares.is_zero() && near_the_boundary(held, market, price, assets, shares))
                .map(|(key, held)| (key.1, *held))
                .collect();
            for (borrower, held) in near {
                if let Some(profit) = best_profit(chain, market, borrower, held, block).await {
                    found.push(Missed { block, key: (market.id, borrower), profit });
                }
            }
        }
    }
    found.retain(|missed| missed.profit >= U256::from(LEAST_PROFIT));
    found
}

/// Within a percent of the boundary by the last interest that was written down: the contract itself is asked about these.
fn near_the_boundary(held: &Held, market: &MarketFacts, price: U256, assets: U256, shares: U256) -> bool {
    let debt = mul_div(held.shares, assets, shares);
    let most = mul_div(mul_div(held.collateral, price, price_scale()), market.lltv, wad());
    debt * U256::from(100) >= most * U256::from(99)
}

/// The best of all sizes in both modes, after gas at the coming block's base fee. None when nothing of it can be liquidated at a profit.
async fn best_profit(chain: &Chain<'_>, market: &MarketFacts, borrower: Address, held: Held, block: u64) -> Option<U256> {
    let little = Mode::Seize((held.collateral / U256::from(1_000)).max(U256::from(1)));
    chain.liquidate(market, borrower, little, block).await.ok()?;
    let pools = chain.pools(block).await;
    // The next block's base fee is at least seven eighths of this one's.
    let gas = U256::from(LEAST_GAS) * U256::from(chain.base_fee(block).await) * U256::from(9) / U256::from(8);
    let sizes = (1..=SIZES).flat_map(|part| {
        let share = |whole: U256| whole * U256::from(part) / U256::from(SIZES);
        [Mode::Seize(share(held.collateral)), Mode::Repay(share(held.shares))]
    });
    let tried: Vec<Option<U256>> = stream::iter(sizes)
        .map(|mode| {
            let pools = pools.clone();
            async move {
                let (seized, repaid) = chain.liquidate(market, borrower, mode, block).await.ok()?;
                pools.left(market, seized, repaid)?.checked_sub(gas)
            }
        })
        .buffer_unordered(16)
        .collect()
        .await;
    tried.into_iter().flatten().max()
}
