//! What a busy mempool costs: the time from an update's announcement to its bundle at the relay, alone and among a thousand others a second.
//!
//! ```text
//! wire ──announces──▶ live searcher on a devnet ──bundle──▶ relay (takes, never includes)
//!   ├─ now and then: an update that opens one position, the same one each round   ◀─ measured
//!   └─ in every second round, 1,000 a second: payments and token transfers that concern nobody
//! ```
//!
//! Rounds with and without the others take turns. After each, a replacement takes the update back, and an empty block frees the operator and
//! the position. What is announced over the wire never enters the devnet's own pool, so making the noise costs little of the machine that is
//! measured.

#[path = "../../tests/wire/mod.rs"]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "shared with the tests, where what is unexpected ends the run")]
mod wire;

use alloy::{
    consensus::{TxEnvelope, transaction::SignerRecoverable},
    eips::eip2718::Decodable2718,
    primitives::{Address, B256, Bytes, I256, U256, keccak256},
    rpc::types::{Transaction, TransactionInfo},
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use eyre::{OptionExt, ensure, eyre};
use harrier::{
    devnet::{
        DevnetConfig, Fault, Person, Seed,
        abi::{Feed, Token},
        borrower_name,
        people::Draft,
        rehearsal::{Stage, Troupe},
    },
    drivers::searcher::Event,
};
use serde_json::Value;
use std::time::{Duration, Instant};
use wire::Wire;

/// Rounds of each kind.
const ROUNDS: usize = 15;
/// Rounds before anything is measured.
const WARM_UP: usize = 2;
/// Unrelated transactions a second.
const NOISE: usize = 1_000;
/// How long they are announced before the update is, so that the samples are under way.
const LEAD: Duration = Duration::from_millis(300);
/// Announced together; so many times a second are they announced.
const BURST: usize = 5;
const GWEI: u128 = 1_000_000_000;

/// Medians from announcement to bundle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingCost {
    /// With nothing else in the mempool.
    pub(crate) quiet: Duration,
    /// Among the others.
    pub(crate) busy: Duration,
    /// Others that were announced in a second of a busy round.
    pub(crate) per_second: f64,
}

impl PendingCost {
    /// How many times as long it takes among the others.
    pub(crate) fn ratio(&self) -> f64 {
        self.busy.as_secs_f64() / self.quiet.as_secs_f64()
    }
}

/// Measures both.
pub(crate) async fn measure() -> eyre::Result<PendingCost> {
    let folder = tempfile::tempdir()?;
    let stage = Stage::set(DevnetConfig { seed: Some(Seed::default()), ..DevnetConfig::default() }, folder.path()).await?;
    let wire = Wire::to(&stage.devnet.http_url()).await;
    let overrides = [("HARRIER__node__ws".to_owned(), format!("\"{}\"", wire.ws()))];
    let mut troupe = Troupe::start(&stage.devnet, stage.executor, stage.receiver, &folder.path().join("searcher.sqlite"), &overrides).await?;
    wire.subscribed().await;
    stage.devnet.story().borrower("alice").health(1_005_000_000_000_000_000).open().await?;
    troupe.head(stage.devnet.head().number).await?;
    stage.devnet.relay()?.set_fault(Some(Fault::AcceptNotInclude));

    let mut updates = Updates::of(&stage).await?;
    let mut crowd = Crowd::of(&stage)?;
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    let (mut announced, mut during) = (0_usize, Duration::ZERO);
    for round in 0..2 * (ROUNDS + WARM_UP) {
        let is_busy = round % 2 == 1;
        let noise = if is_busy { crowd.next_round()? } else { Vec::new() };
        let begin = Instant::now();
        let (took, sent) = tokio::select! {
            took = async {
                tokio::time::sleep(LEAD).await;
                one_update(&wire, &mut troupe, &mut updates).await
            } => took?,
            count = announce(&wire, &noise) => return Err(eyre!("the noise ended after {count} transactions")),
        };
        ensure!(sent > 0, "the update's bundle was not sent");
        if is_busy {
            during += begin.elapsed();
            announced += NOISE * usize::try_from(begin.elapsed().as_millis())? / 1_000;
        }
        if round >= 2 * WARM_UP {
            if is_busy { busy.push(took) } else { quiet.push(took) }
        }
        // The update is taken back, and an empty block decides the bundle.
        let back = updates.next(0)?;
        wire.announce(&back);
        troupe.pending(hash_of(&back)?).await?.map_err(|why| eyre!("the replacement was ignored: {why}"))?;
        troupe.block(&stage.devnet).await?;
        // What happened is looked through from its end; what is over would only slow the watcher.
        troupe.happened.clear();
    }
    drop(troupe.end().await?);
    Ok(PendingCost { quiet: median(quiet), busy: median(busy), per_second: f64::from(u32::try_from(announced)?) / during.as_secs_f64() })
}

/// Announces an update and waits for its bundle; how long that took, and how many bundles were sent.
async fn one_update(wire: &Wire, troupe: &mut Troupe, updates: &mut Updates) -> eyre::Result<(Duration, usize)> {
    let update = updates.next(-70)?;
    let hash = hash_of(&update)?;
    let begin = Instant::now();
    wire.announce(&update);
    let outcome = troupe.pending(hash).await?.map_err(|why| eyre!("the update was ignored: {why}"))?;
    let took = begin.elapsed();
    let sent = troupe.happened.iter().rev().find_map(|event| match event {
        Event::Trigger { outcome: seen, sent } if seen.trigger == outcome.trigger => Some(*sent),
        _ => None,
    });
    Ok((took, sent.unwrap_or_default()))
}

/// Announces at the noise's pace until all is announced; without any it waits for ever.
async fn announce(wire: &Wire, noise: &[Value]) -> usize {
    if noise.is_empty() {
        return std::future::pending().await;
    }
    let mut clock = tokio::time::interval(Duration::from_secs(1) * u32::try_from(BURST).unwrap_or(1) / u32::try_from(NOISE).unwrap_or(1));
    for burst in noise.chunks(BURST) {
        clock.tick().await;
        burst.iter().for_each(|tx| wire.announce(tx));
    }
    noise.len()
}

/// Updates of one feed at one nonce: each replaces the one before.
struct Updates {
    transmitter: Person,
    draft: Draft,
    answer: I256,
}

impl Updates {
    async fn of(stage: &Stage) -> eyre::Result<Self> {
        let devnet = &stage.devnet;
        let transmitter = devnet.dev_account(6)?;
        let draft = Draft {
            chain_id: devnet.chain_id(),
            nonce: devnet.front().next_nonce(transmitter.address()).await?,
            to: Some(devnet.contracts().feed("ETH/USD")?.address),
            value: U256::ZERO,
            data: Bytes::new(),
            gas: 200_000,
            max_fee: 100 * GWEI,
            tip: GWEI,
        };
        Ok(Self { transmitter, draft, answer: devnet.answer("ETH/USD").await? })
    }

    /// The feed's answer on chain, changed by this many hundredths of a percent.
    fn next(&mut self, basis_points: i64) -> eyre::Result<Value> {
        let factor = I256::try_from(10_000 + basis_points)?;
        let answer = self.answer.checked_mul(factor).and_then(|scaled| scaled.checked_div(I256::unchecked_from(10_000))).ok_or_eyre("a price out of range")?;
        self.draft.data = Feed::transmitCall { answer }.abi_encode().into();
        self.draft.max_fee += 1;
        announced(&self.transmitter.sign(&self.draft)?)
    }
}

/// People who have nothing to do with any position of ours, each transaction another.
struct Crowd {
    chain_id: u64,
    token: Address,
    made: u64,
    holders: Vec<(Person, u64)>,
}

impl Crowd {
    fn of(stage: &Stage) -> eyre::Result<Self> {
        let token = stage.devnet.contracts().token("USDC")?.address;
        // Every third borrower took a loan in this token, by one transaction.
        let holders = (0..300).step_by(3).map(|number| (Person::named(&borrower_name(number)), 1)).collect();
        Ok(Self { chain_id: stage.devnet.chain_id(), token, made: 0, holders })
    }

    /// More than a round can use.
    fn next_round(&mut self) -> eyre::Result<Vec<Value>> {
        (0..2 * NOISE).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> eyre::Result<Value> {
        self.made += 1;
        let to = Address::from_word(keccak256(self.made.to_be_bytes()));
        let payment =
            Draft { chain_id: self.chain_id, nonce: 0, to: Some(to), value: U256::from(1), data: Bytes::new(), gas: 21_000, max_fee: 90 * GWEI, tip: GWEI };
        let count = self.holders.len();
        if self.made.is_multiple_of(3)
            && let Some((holder, nonce)) = self.holders.get_mut(usize::try_from(self.made / 3)? % count)
        {
            let data = Token::transferCall { to, amount: U256::from(1) }.abi_encode().into();
            let draft = Draft { nonce: *nonce, to: Some(self.token), value: U256::ZERO, data, gas: 100_000, ..payment };
            *nonce += 1;
            return announced(&holder.sign(&draft)?);
        }
        let key = keccak256([b"a passer-by".as_slice(), &self.made.to_be_bytes()].concat());
        let somebody = Person::with_signer("a passer-by", PrivateKeySigner::from_bytes(&key)?);
        announced(&somebody.sign(&payment)?)
    }
}

/// A signed transaction as a node announces it.
fn announced(raw: &Bytes) -> eyre::Result<Value> {
    let tx = TxEnvelope::decode_2718(&mut raw.as_ref())?;
    let recovered = tx.try_into_recovered()?;
    Ok(serde_json::to_value(Transaction::from_transaction(recovered, TransactionInfo::default()))?)
}

fn hash_of(body: &Value) -> eyre::Result<B256> {
    Ok(body.get("hash").and_then(Value::as_str).ok_or_eyre("no hash")?.parse()?)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
