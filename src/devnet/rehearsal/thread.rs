//! The scenes of the first thread: Morpho Blue and Uniswap V3, end to end.

use super::{Played, RehearsalError, Scene, SceneResult, Seen, Stage, Troupe, accounts::balance, private_bundle};
use crate::{
    devnet::{BlockReport, Borrower, Devnet},
    drivers::{Decided, searcher::Event},
    engine::{BatchShape, Outcome as Found},
    ledger::Outcome,
    plan::{SkipReason, TargetKey},
};
use alloy::primitives::{Address, B256, U256};

/// The scenes in the order in which they are played.
#[must_use]
pub const fn scenes() -> &'static [Scene] {
    &[
        Scene { name: "thread-a", expected: "an update waits in the mempool: [update, liquidation] lands in the same block, predicted to the wei" },
        Scene { name: "thread-b", expected: "an update was mined already: the liquidation lands in the next block" },
        Scene { name: "thread-c", expected: "interest alone makes a position unhealthy in the coming block: taken in that block" },
        Scene { name: "thread-d", expected: "a dust position is skipped as unprofitable" },
        Scene { name: "thread-e", expected: "ten positions opened by one update all land in its block" },
        Scene { name: "thread-f", expected: "a competitor with a higher bid takes one: recorded as lost to it" },
        Scene { name: "thread-g", expected: "a market whose oracle reverts is skipped as price_unavailable, and comes back" },
        Scene { name: "thread-h", expected: "the same searcher on a fork of the devnet: lands in the same block, predicted to the wei" },
    ]
}

const WAD: u128 = 1_000_000_000_000_000_000;

/// Ether in thousandths.
fn milli_ether(thousandths: u64) -> U256 {
    U256::from(thousandths).saturating_mul(U256::from(1_000_000_000_000_000_u64))
}

impl Stage {
    /// Plays the scenes that `wanted` names, all of them on one searcher, and closes the books.
    ///
    /// # Errors
    /// When the devnet or the searcher breaks; a scene that goes wrong is in the result.
    pub async fn play(&self, folder: &std::path::Path, wanted: impl Fn(&str) -> bool, mut tell: impl FnMut(&SceneResult)) -> Result<Played, RehearsalError> {
        let mut played = Played::default();
        let before = self.devnet.balance_of("WETH", self.receiver).await?;
        let mut troupe = Troupe::start(&self.devnet, self.executor, self.receiver, &folder.join("searcher.sqlite"), &[]).await?;
        for scene in scenes().iter().filter(|scene| wanted(scene.name) && scene.name != "thread-h") {
            let (got, ok) = match scene.name {
                "thread-a" => pending_update(&self.devnet, &mut troupe, "alice").await?,
                "thread-b" => mined_update(&self.devnet, &mut troupe).await?,
                "thread-c" => interest_alone(&self.devnet, &mut troupe).await?,
                "thread-d" => dust(&self.devnet, &mut troupe).await?,
                "thread-e" => ten_at_once(&self.devnet, &mut troupe).await?,
                "thread-f" => rival(&self.devnet, &mut troupe).await?,
                _ => no_price(&self.devnet, &mut troupe).await?,
            };
            let result = SceneResult { name: scene.name.to_owned(), expected: scene.expected.to_owned(), got, ok };
            tell(&result);
            played.scenes.push(result);
        }
        // One more block decides what was sent for it.
        troupe.block(&self.devnet).await?;
        let (ledger, decided) = troupe.end().await?;
        let (result, summary) = balance(self, "the books", before, &ledger, &decided).await?;
        ledger.close().await?;
        tell(&result);
        played.books.push(result);
        played.summaries.push(summary);
        played.ends.extend(decided);

        if let Some(scene) = scenes().iter().find(|scene| scene.name == "thread-h" && wanted(scene.name)) {
            let fork = Self { devnet: self.devnet.fork().await?, executor: self.executor, receiver: self.receiver };
            let before = fork.devnet.balance_of("WETH", fork.receiver).await?;
            let mut troupe = Troupe::start(&fork.devnet, fork.executor, fork.receiver, &folder.join("fork.sqlite"), &[]).await?;
            let (got, ok) = pending_update(&fork.devnet, &mut troupe, "henry").await?;
            let (ledger, decided) = troupe.end().await?;
            let (closing, summary) = balance(&fork, "the books of the fork", before, &ledger, &decided).await?;
            ledger.close().await?;
            let result = SceneResult { name: scene.name.to_owned(), expected: scene.expected.to_owned(), got, ok };
            tell(&result);
            played.scenes.push(result);
            tell(&closing);
            played.books.push(closing);
            played.summaries.push(summary);
            played.ends.extend(decided);
        }
        Ok(played)
    }
}

/// Opens a story's borrowers and lets the searcher see it.
async fn open(troupe: &mut Troupe, devnet: &Devnet, story: crate::devnet::Story<'_>) -> Result<Vec<Borrower>, RehearsalError> {
    let borrowers = story.open().await?;
    troupe.head(devnet.head().number).await?;
    Ok(borrowers)
}

fn only(mut borrowers: Vec<Borrower>) -> Result<Borrower, RehearsalError> {
    borrowers.pop().ok_or_else(|| RehearsalError::Scene("nobody borrowed".to_owned()))
}

/// The ends of bundles that hold this borrower's position.
fn ends_of<'a>(decided: &'a [Decided], borrower: &'a Borrower) -> impl Iterator<Item = &'a Decided> {
    let key = TargetKey::Account(borrower.person.address());
    decided.iter().filter(move |end| end.jobs.iter().any(|(target, _)| target.key == key && target.market.0 == borrower.market_id))
}

/// How the last bundle for a borrower ended, and whether it landed with the predicted profit.
fn landed(troupe: &Troupe, borrower: &Borrower) -> (String, bool) {
    match ends_of(&troupe.decided, borrower).last() {
        Some(Decided { outcome: Outcome::Landed(realised), predicted_wei, .. }) => (
            format!("landed in block {}, profit {} wei, {predicted_wei} predicted", realised.block, realised.profit_wei),
            realised.profit_wei == *predicted_wei,
        ),
        Some(end) => (format!("{:?}", end.outcome), false),
        None => (format!("no bundle: {}", last_reason(troupe, borrower)), false),
    }
}

/// Why nothing was done about a borrower when it was looked at last.
fn last_reason(troupe: &Troupe, borrower: &Borrower) -> String {
    let key = TargetKey::Account(borrower.person.address());
    let reasons = troupe.happened.iter().rev().filter_map(|event| match event {
        Event::Trigger { outcome, .. } => outcome.refusals.iter().find(|refusal| refusal.target.as_ref().is_some_and(|target| target.key == key)),
        _ => None,
    });
    reasons.map(|refusal| refusal.skip.to_string()).next().unwrap_or_else(|| "never looked at".to_owned())
}

/// Whether our transaction stands right behind the update in the block.
fn right_behind(report: &BlockReport, update: B256) -> bool {
    let place = report.txs.iter().position(|hash| *hash == update);
    place.is_some_and(|place| report.bundles.iter().any(|bundle| bundle.txs.first() == Some(&update) && bundle.txs.get(1) == report.txs.get(place + 1)))
}

/// (a) and (h): an update waits, the bundle lands with it.
async fn pending_update(devnet: &Devnet, troupe: &mut Troupe, who: &str) -> Seen {
    let borrower = only(open(troupe, devnet, devnet.story().borrower(who).health(WAD + WAD / 200)).await?)?;
    let update = devnet.price_moves("ETH/USD", -70).await?;
    let seen = troupe.pending(update).await?;
    let report = troupe.block(devnet).await?;
    let (got, ok) = landed(troupe, &borrower);
    let behind = right_behind(&report, update);
    Ok((format!("{got}, {}", if behind { "right behind the update" } else { "not behind the update" }), ok && behind && seen.is_ok()))
}

/// (b) The update is in the block before anybody saw it.
async fn mined_update(devnet: &Devnet, troupe: &mut Troupe) -> Seen {
    let story = devnet.story().borrower("bob").market("wbtc-usdc").collateral(U256::from(80_000_000_u64)).health(WAD + WAD / 200);
    let borrower = only(open(troupe, devnet, story).await?)?;
    let answer = devnet.answer("BTC/USD").await?;
    let lower = answer - answer / alloy::primitives::I256::unchecked_from(100);
    let update = devnet.signed_price("BTC/USD", lower, 3_000_000_000).await?;
    private_bundle(devnet, vec![update], "an oracle's own relay identity").await?;
    let mined = troupe.block(devnet).await?;
    let early = ends_of(&troupe.decided, &borrower).count();
    let next = troupe.block(devnet).await?;
    let (got, ok) = landed(troupe, &borrower);
    let in_next =
        matches!(ends_of(&troupe.decided, &borrower).last(), Some(Decided { outcome: Outcome::Landed(realised), .. }) if realised.block == next.head.number);
    Ok((format!("the update was in block {}; {got}", mined.head.number), ok && early == 0 && in_next))
}

/// (c) Nothing moves but time.
async fn interest_alone(devnet: &Devnet, troupe: &mut Troupe) -> Seen {
    let story = devnet.story().borrower("carol").market("stake-weth").collateral(milli_ether(20_000)).debt_to_the_brim();
    let borrower = only(open(troupe, devnet, story).await?)?;
    let opened = devnet.head().number;
    troupe.block(devnet).await?;
    let (got, ok) = landed(troupe, &borrower);
    let next = matches!(ends_of(&troupe.decided, &borrower).last(), Some(Decided { outcome: Outcome::Landed(realised), .. }) if realised.block == opened + 1);
    Ok((format!("borrowed in block {opened}; {got}"), ok && next))
}

/// (d) Too small to pay for its gas.
async fn dust(devnet: &Devnet, troupe: &mut Troupe) -> Seen {
    let borrower = only(open(troupe, devnet, devnet.story().borrower("dave").collateral(milli_ether(1)).health(WAD + WAD / 1_000)).await?)?;
    let update = devnet.price_moves("ETH/USD", -20).await?;
    let seen = troupe.pending(update).await?;
    let reason = seen.as_ref().ok().and_then(|outcome| reason_of(outcome, borrower.person.address()));
    troupe.block(devnet).await?;
    let (shares, _) = devnet.position(devnet.contracts().market(&borrower.market)?, borrower.person.address()).await?;
    let got = format!("{}; the position {}", reason.map_or("not refused", SkipReason::name), if shares > 0 { "stands" } else { "is gone" });
    Ok((got, reason == Some(SkipReason::Unprofitable) && shares > 0))
}

fn reason_of(outcome: &Found, who: Address) -> Option<SkipReason> {
    let refusal = outcome.refusals.iter().find(|refusal| refusal.target.as_ref().is_some_and(|target| target.key == TargetKey::Account(who)))?;
    Some(refusal.skip.reason)
}

/// Collateral of the ten, in thousandths of an ether.
const TEN: [u64; 10] = [150_000, 120_000, 90_000, 75_000, 60_000, 50_000, 40_000, 30_000, 20_000, 10_000];

/// (e) One update opens ten positions that sell into the same pool.
async fn ten_at_once(devnet: &Devnet, troupe: &mut Troupe) -> Seen {
    let mut story = devnet.story();
    for (place, collateral) in TEN.iter().enumerate() {
        story = story.borrower(&format!("erin {place}")).collateral(milli_ether(*collateral)).health(WAD + WAD / 1_000);
    }
    let borrowers = open(troupe, devnet, story).await?;
    let update = devnet.price_moves("ETH/USD", -30).await?;
    let seen = troupe.pending(update).await?;
    let report = troupe.block(devnet).await?;
    let in_block = borrowers
        .iter()
        .filter(|borrower| {
            ends_of(&troupe.decided, borrower).any(
                |end| matches!(&end.outcome, Outcome::Landed(realised) if realised.block == report.head.number && realised.profit_wei == end.predicted_wei),
            )
        })
        .count();
    let shape = seen.ok().and_then(|outcome| outcome.batches.first().map(|batch| (batch.shape, batch.candidates.len())));
    let how = match shape {
        Some((BatchShape::Merged, count)) => format!("{count} in one transaction"),
        Some((BatchShape::Chain, count)) => format!("{count} transactions in one bundle"),
        Some((BatchShape::Single | BatchShape::Chore, _)) => "each in its own bundle".to_owned(),
        None => "no bundle".to_owned(),
    };
    Ok((format!("{in_block} of {} landed in the update's block, {how}", borrowers.len()), in_block == borrowers.len() && right_behind(&report, update)))
}

/// (f) Somebody pays the builder more.
async fn rival(devnet: &Devnet, troupe: &mut Troupe) -> Seen {
    let borrower = only(open(troupe, devnet, devnet.story().borrower("frank").health(WAD + WAD / 1_000)).await?)?;
    let answer = devnet.answer("ETH/USD").await?;
    let lower = answer - answer * alloy::primitives::I256::unchecked_from(30) / alloy::primitives::I256::unchecked_from(10_000);
    let raw = devnet.signed_price("ETH/USD", lower, 1_000_000_000).await?;
    let update = devnet.send_public(raw.clone()).await?;
    troupe.pending(update).await?.map_err(|why| RehearsalError::Scene(format!("the update was ignored: {why:?}")))?;
    let market = devnet.contracts().market(&borrower.market)?;
    let theirs = devnet.rival_liquidation(market, borrower.person.address(), borrower.collateral / U256::from(2), milli_ether(1_000)).await?;
    private_bundle(devnet, vec![raw, theirs], "the rival's relay identity").await?;
    troupe.block(devnet).await?;
    match ends_of(&troupe.decided, &borrower).next() {
        Some(Decided { outcome: Outcome::Lost { to, .. }, .. }) => Ok((format!("lost to {to}"), *to == devnet.rival().address())),
        Some(end) => Ok((format!("{:?}", end.outcome), false)),
        None => Ok(("no bundle".to_owned(), false)),
    }
}

/// (g) A feed reverts, and later works again.
async fn no_price(devnet: &Devnet, troupe: &mut Troupe) -> Seen {
    let story = devnet.story().borrower("grace").market("stake-usdc").collateral(milli_ether(10_000)).health(WAD + WAD / 200);
    let borrower = only(open(troupe, devnet, story).await?)?;
    devnet.stop_feed("STAKE/USD", true).await?;
    troupe.block(devnet).await?;
    let without = troupe.head_outcome().and_then(|outcome| {
        let refusal = outcome.refusals.iter().find(|refusal| refusal.market.1.0 == borrower.market_id)?;
        Some(refusal.skip.reason)
    });
    devnet.stop_feed("STAKE/USD", false).await?;
    troupe.block(devnet).await?;
    let update = devnet.price_moves("STAKE/USD", -100).await?;
    troupe.pending(update).await?.map_err(|why| RehearsalError::Scene(format!("the update was ignored: {why:?}")))?;
    troupe.block(devnet).await?;
    let (got, ok) = landed(troupe, &borrower);
    Ok((format!("{}; then {got}", without.map_or("not refused", SkipReason::name)), without == Some(SkipReason::PriceUnavailable) && ok))
}
