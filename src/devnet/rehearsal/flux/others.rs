//! Others in the vaults: a second manager, a stranger, a wrapper that reverts, a rival.

use super::{PRICE, answer, named, paid, time::two, usdc, weth};
use crate::{
    devnet::{
        DevnetError, FluxManager,
        flux::abi::Seized,
        rehearsal::{
            RehearsalError, Seen, private_bundle,
            set::{Act, Set},
        },
    },
    ledger::Outcome,
    plan::SkipReason,
};
use alloy::{
    primitives::{B256, Bytes, U256},
    sol_types::SolCall,
};
use serde_json::{Value, json};

/// What the rival pays the builder, in wei.
const RIVAL_PAYS: u64 = 1_000_000_000_000_000_000;
/// Three percent of a fall that turns positions at 1.1, in units of the feed.
const FALL: u64 = PRICE / 100 * 3;

/// (i)
pub(super) async fn two_at_once(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let story = stage.devnet.flux_world()?.manager("ida").bond(usdc(21_000)).borrows(usdc(100_000)).holds("WETH", weth(36));
    let [ida, ivo] = two(story.manager("ivo").bond(usdc(26_000)).borrows(usdc(120_000)).holds("WETH", weth(43)).opens().await?)?;
    stage.devnet.market_moves("WETH", "USDC", -300).await?;
    let mut act = set.act(stage, &[]).await?;
    let landing = act.answered(PRICE - FALL).await?;
    let told = landing.liquidated();
    let both = [&ida, &ivo].iter().all(|manager| told.iter().filter(|told| told.manager == manager.script).count() == 1);
    let ok = landing.is_fine() && landing.bundles == 1 && both && told.len() == 2;
    let got = format!("{}; {} liquidations", landing.words(), told.len());
    let got = if landing.bundles == 0 { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}

/// (k) The stranger says to the factory that our executor is its own, and uses the very data that a landed liquidation was called back with.
pub(super) async fn attacked(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let story = stage.devnet.flux_world()?.manager("kim").bond(usdc(21_000)).borrows(usdc(100_000)).holds("WETH", weth(36));
    let [kim, kurt] = two(story.manager("kurt").bond(usdc(25_000)).borrows(usdc(100_000)).holds("WETH", weth(36)).opens().await?)?;
    let stranger = stage.devnet.flux_world()?.stranger(stage.executor).await?;
    stage.devnet.market_moves("WETH", "USDC", -300).await?;
    let mut act = set.act(stage, &[]).await?;
    let first = act.answered(PRICE - FALL).await?;
    let taken = first.only(kim.script);
    let data = match first.receipts.first() {
        Some(receipt) => callback_data(&act, receipt.transaction_hash).await?,
        None => None,
    };
    let data = data.ok_or_else(|| RehearsalError::Scene(format!("no callback to learn from: {}", act.refusals())))?;
    let before = (act.stage.devnet.flux_world()?.standing(&kurt.vault, kurt.script).await?, holdings(&act).await?);
    let hashes = act.stage.devnet.flux_world()?.attacks(&stranger, act.stage.executor, &kurt, &data).await?;
    let (report, nothing) = act.block().await?;
    let failed = report.txs.iter().zip(&report.succeeded).filter(|(hash, succeeded)| hashes.contains(hash) && !**succeeded).count();
    let after = (act.stage.devnet.flux_world()?.standing(&kurt.vault, kurt.script).await?, holdings(&act).await?);
    let untouched = before.1 == after.1 && (before.0.bond, before.0.value_usd) == (after.0.bond, after.0.value_usd);
    let second = act.answered(PRICE - FALL * 2).await?;
    let ok = first.is_fine()
        && taken.is_some()
        && failed == hashes.len()
        && nothing.bundles == 0
        && untouched
        && second.is_fine()
        && second.only(kurt.script).is_some();
    let got = format!("{}; {failed} of {} attacks failed; then {}", first.words(), hashes.len(), second.words());
    let got = if second.bundles == 0 { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}

/// What the executor and the receiver have, and what is left of the executor in the vaults.
async fn holdings(act: &Act) -> Result<(Vec<U256>, Vec<String>), RehearsalError> {
    let (devnet, mut amounts, mut left) = (&act.stage.devnet, Vec::new(), Vec::new());
    for symbol in devnet.contracts().tokens.keys() {
        for account in [act.stage.executor, act.stage.receiver] {
            amounts.push(devnet.balance_of(symbol, account).await?);
        }
    }
    let world = devnet.flux_world()?;
    for vault in &world.vaults {
        left.extend(world.left_of(vault, act.stage.executor).await?);
    }
    Ok((amounts, left))
}

/// The data of the first callback to the executor in a transaction.
async fn callback_data(act: &Act, hash: B256) -> Result<Option<Bytes>, RehearsalError> {
    let options = json!({"tracer": "callTracer"});
    let trace: Value = act.stage.devnet.node().call("debug_traceTransaction", (hash, options)).await.map_err(DevnetError::from)?;
    let mut open = vec![&trace];
    while let Some(call) = open.pop() {
        let input = call.get("input").and_then(|input| serde_json::from_value::<Bytes>(input.clone()).ok()).unwrap_or_default();
        if let Ok(called) = Seized::fluxUnlockCallbackCall::abi_decode(&input) {
            return Ok(Some(called.data));
        }
        open.extend(call.get("calls").and_then(Value::as_array).into_iter().flatten());
    }
    Ok(None)
}

/// (l)
pub(super) async fn blinded(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let story = stage.devnet.flux_world()?.manager("lea").bond(usdc(21_000)).borrows(usdc(100_000)).holds("WETH", weth(36));
    let [lea, mallory] = two(story.manager("mallory").bond(usdc(21_000)).borrows(usdc(100_000)).holds("blind WETH", weth(36)).opens().await?)?;
    stage.devnet.market_moves("WETH", "USDC", -300).await?;
    let mut act = set.act(stage, &[]).await?;
    let blinded = act.stage.devnet.flux_world()?.blinds(true).await?;
    act.run(blinded).await?;
    act.block().await?;
    let first = act.answered(PRICE - FALL).await?;
    let reason = act.reason_of(&mallory);
    let seeing = act.stage.devnet.flux_world()?.blinds(false).await?;
    act.run(seeing).await?;
    let (_, second) = act.block().await?;
    let ok = first.is_fine()
        && first.only(lea.script).is_some()
        && reason == Some(SkipReason::PriceUnavailable)
        && second.is_fine()
        && second.only(mallory.script).is_some();
    let got = format!("{}; the other one {}; then {}, {}", first.words(), named(reason), second.words(), paid(second.only(mallory.script).as_ref()));
    let got = if second.bundles == 0 { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}

/// (m)
pub(super) async fn rival(set: &mut Set) -> Seen {
    let stage = set.stage().await?;
    let story = stage.devnet.flux_world()?.manager("rosa").bond(usdc(21_000)).borrows(usdc(100_000)).holds("WETH", weth(36));
    let rosa: FluxManager = story.opens().await?.pop().ok_or_else(|| RehearsalError::Scene("rosa has not borrowed".to_owned()))?;
    stage.devnet.market_moves("WETH", "USDC", -300).await?;
    let mut act = set.act(stage, &[]).await?;
    let before = holdings(&act).await?;
    let raw = act.stage.devnet.signed_price("ETH/USD", answer(PRICE - FALL), 1_000_000_000).await?;
    let update = act.stage.devnet.send_public(raw.clone()).await?;
    act.run(update).await?;
    let sent = act.troupe.sent();
    let theirs = act.stage.devnet.flux_world()?.rival_liquidation(&rosa, U256::from(RIVAL_PAYS)).await?;
    private_bundle(&act.stage.devnet, vec![raw, theirs], "the rival's relay identity").await?;
    let (_, landing) = act.block().await?;
    let rival = act.stage.devnet.rival().address();
    let lost = act.troupe.decided.iter().any(|end| matches!(&end.outcome, Outcome::Lost { to, .. } if *to == rival));
    let cost = before != holdings(&act).await? || !landing.receipts.is_empty();
    let ok = sent == 1 && lost && landing.bundles == 0 && !cost && act.left_of(&rosa).await?.is_empty();
    let got = format!("{sent} sent, {}, {}", if lost { "lost to the rival" } else { "not lost" }, if cost { "at a cost" } else { "at no cost" });
    let got = if sent == 0 { format!("{got}; {}", act.refusals()) } else { got };
    set.close(act).await?;
    Ok((got, ok))
}
