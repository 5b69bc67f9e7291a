//! Building a block: the best bundles that get along first, then public transactions by tip, mined once.
//!
//! ```text
//! store ─▶ each bundle alone in a trial block ─▶ by what the fee recipient gains ─▶ one behind the other ─┐
//! mempool ─▶ by effective tip ────────────────────────────────────────────────────────────────────────────┴─▶ mine ─▶ heads, logs
//! ```
//!
//! A bundle goes in whole or not at all. Nothing here depends on the clock or on chance: same bundles, same mempool, same block.

use super::{
    SLOT_SECONDS,
    front::{Front, FrontError, HeadNow, tx::SignedTx},
    node::{NodeError, Receipt},
    relay::bundle::Bundle,
    report::{BlockReport, IncludedBundle, RejectedBundle, Rejection},
    trial::{self, Trial, TrialBlock},
};
use alloy::primitives::{Address, B256, I256, U256};
use std::{
    collections::{HashMap, HashSet},
    time::SystemTime,
};

/// Why no block was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The node failed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The front could not follow.
    #[error(transparent)]
    Front(#[from] FrontError),
    /// The mined block does not begin with the bundles as they were tried.
    #[error("the mined block differs from the trial at transaction {0}")]
    Diverged(B256),
    /// The task that builds ended early.
    #[error("the building task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// The bundle part of a block as far as it is decided.
#[derive(Clone, Debug, Default)]
struct Draft {
    txs: Vec<SignedTx>,
    receipts: Vec<Receipt>,
    gain: I256,
    chosen: Vec<(u64, IncludedBundle)>,
}

/// A bundle behind a draft.
#[derive(Clone, Debug)]
struct Attempt {
    kept: Vec<SignedTx>,
    dropped: Vec<B256>,
    trial: Trial,
    gain: I256,
    gas_used: u64,
}

/// A bundle that stands alone.
#[derive(Debug)]
struct Standing {
    seq: u64,
    bundle: Bundle,
    alone: Attempt,
}

/// The block that is being built.
struct Site<'a> {
    front: &'a Front,
    block: TrialBlock,
    base_fee: u64,
}

/// Builds the next block. The caller holds the gate's write half.
pub(super) async fn build(front: &Front) -> Result<BlockReport, BuildError> {
    let head = front.head();
    let base_fee = head.next_base_fee();
    let number = head.head.number.saturating_add(1);
    let timestamp = head.head.timestamp.saturating_add(SLOT_SECONDS);
    let block = TrialBlock { timestamp, base_fee: Some(base_fee), skipped: 0, fee_recipient: front.fee_recipient() };
    let site = Site { front, block, base_fee };

    let mut rejected = Vec::new();
    let mut standing = Vec::new();
    for (seq, bundle) in front.bundles_for(number) {
        match site.alone(&bundle).await? {
            Ok(alone) => {
                front.note_simulated(&bundle, number, alone.gas_used);
                standing.push(Standing { seq, bundle, alone });
            }
            Err(reason) => rejected.push((seq, bundle, reason)),
        }
    }
    let (draft, outpaid) = site.arrange(standing).await?;
    rejected.extend(outpaid);
    let report = site.mine(number, draft, rejected).await;
    if report.is_err() {
        // Whatever the node still holds must not slip into a later block.
        front.node().empty_pool().await?;
        front.sync().await?;
    }
    report
}

impl Site<'_> {
    /// A bundle alone on the head.
    async fn alone(&self, bundle: &Bundle) -> Result<Result<Attempt, Rejection>, BuildError> {
        let timestamp = self.block.timestamp;
        if bundle.withheld {
            return Ok(Err(Rejection::Withheld));
        }
        if bundle.min_timestamp.is_some_and(|min| timestamp < min) || bundle.max_timestamp.is_some_and(|max| timestamp > max) {
            return Ok(Err(Rejection::Timestamp { timestamp }));
        }
        self.behind(&Draft::default(), bundle).await
    }

    /// A bundle behind a draft, leaving out what it allows.
    async fn behind(&self, draft: &Draft, bundle: &Bundle) -> Result<Result<Attempt, Rejection>, BuildError> {
        let present: HashSet<B256> = draft.txs.iter().map(SignedTx::hash).collect();
        let used: HashSet<(Address, u64)> = draft.txs.iter().map(|tx| (tx.sender(), tx.nonce())).collect();
        let mut dropped = Vec::new();
        let mut kept = Vec::new();
        for tx in &bundle.txs {
            let reason = if present.contains(&tx.hash()) {
                Rejection::InBlock(tx.hash())
            } else if used.contains(&(tx.sender(), tx.nonce())) {
                Rejection::NonceUsed(tx.hash())
            } else {
                kept.push(tx.clone());
                continue;
            };
            if !bundle.dropping.contains(&tx.hash()) {
                return Ok(Err(reason));
            }
            dropped.push(tx.hash());
        }
        loop {
            if kept.is_empty() {
                return Ok(Err(Rejection::Nothing));
            }
            let list: Vec<SignedTx> = draft.txs.iter().chain(&kept).cloned().collect();
            let trial = trial::run(self.front.node(), &list, self.block, false).await?;
            let Some((culprit, reason)) = self.culprit(&trial, &list, bundle) else {
                let gain = trial.gain.saturating_sub(draft.gain);
                if gain <= I256::ZERO {
                    return Ok(Err(Rejection::PaysNothing));
                }
                let own = trial.receipts.iter().skip(draft.txs.len());
                let gas_used = own.fold(0u64, |sum, receipt| sum.saturating_add(receipt.gas_used.to()));
                return Ok(Ok(Attempt { kept, dropped, trial, gain, gas_used }));
            };
            if present.contains(&culprit) {
                return Err(BuildError::Diverged(culprit));
            }
            if !bundle.dropping.contains(&culprit) {
                return Ok(Err(reason));
            }
            kept.retain(|tx| tx.hash() != culprit);
            dropped.push(culprit);
        }
    }

    /// The first transaction that spoils a trial, and how.
    fn culprit(&self, trial: &Trial, list: &[SignedTx], bundle: &Bundle) -> Option<(B256, Rejection)> {
        if let Some((tx, why)) = &trial.refused {
            return Some((*tx, Rejection::NotExecutable { tx: *tx, why: why.clone() }));
        }
        if let Some(missing) = trial.first_missing(list) {
            let tx = missing.hash();
            let why = if missing.tip(self.base_fee).is_none() {
                format!("max fee per gas less than block base fee {}", self.base_fee)
            } else {
                "nonce, funds or gas do not allow it here".to_owned()
            };
            return Some((tx, Rejection::NotExecutable { tx, why }));
        }
        let reverted = trial.receipts.iter().find(|receipt| {
            let own = bundle.txs.iter().any(|tx| tx.hash() == receipt.transaction_hash);
            own && !receipt.ok() && !bundle.reverting.contains(&receipt.transaction_hash)
        })?;
        Some((reverted.transaction_hash, Rejection::Reverts(reverted.transaction_hash)))
    }

    /// Puts the bundles that get along behind each other. Where some are in each other's way, two orders are tried,
    /// by gain and by gain per gas, and the draft that pays more is taken.
    async fn arrange(&self, mut standing: Vec<Standing>) -> Result<(Draft, Vec<(u64, Bundle, Rejection)>), BuildError> {
        standing.sort_by(|a, b| b.alone.gain.cmp(&a.alone.gain).then(a.seq.cmp(&b.seq)));
        let by_gain: Vec<&Standing> = standing.iter().collect();
        let (best, outpaid) = self.stack(&by_gain).await?;
        if outpaid.is_empty() {
            return Ok((best, outpaid));
        }
        let mut by_price = by_gain.clone();
        let price = |item: &Standing| item.alone.gain.saturating_mul(I256::unchecked_from(1_000_000_000)) / I256::unchecked_from(item.alone.gas_used.max(1));
        by_price.sort_by(|a, b| price(b).cmp(&price(a)).then(a.seq.cmp(&b.seq)));
        if by_price.iter().map(|item| item.seq).eq(by_gain.iter().map(|item| item.seq)) {
            return Ok((best, outpaid));
        }
        let (other, other_outpaid) = self.stack(&by_price).await?;
        Ok(if other.gain > best.gain { (other, other_outpaid) } else { (best, outpaid) })
    }

    /// Takes the bundles in this order, each where it works behind those before it.
    async fn stack(&self, order: &[&Standing]) -> Result<(Draft, Vec<(u64, Bundle, Rejection)>), BuildError> {
        let mut draft = Draft::default();
        let mut outpaid = Vec::new();
        for item in order {
            let attempt = if draft.txs.is_empty() { Ok(item.alone.clone()) } else { self.behind(&draft, &item.bundle).await? };
            match attempt {
                Ok(attempt) => draft.take(item, attempt, self.base_fee),
                Err(reason) => outpaid.push((item.seq, item.bundle.clone(), Rejection::Outpaid(Box::new(reason)))),
            }
        }
        Ok((draft, outpaid))
    }

    /// Mines the draft and the public transactions behind it, checks that it came out as tried, and tells everybody.
    async fn mine(&self, number: u64, draft: Draft, rejected: Vec<(u64, Bundle, Rejection)>) -> Result<BlockReport, BuildError> {
        let node = self.front.node();
        let taken: HashSet<B256> = draft.txs.iter().map(SignedTx::hash).collect();
        let mut nonces = HashMap::new();
        for sender in self.front.pool_senders() {
            let used = draft.txs.iter().filter(|tx| tx.sender() == sender).count();
            let used = u64::try_from(used).unwrap_or(u64::MAX);
            nonces.insert(sender, node.nonce(sender).await?.saturating_add(used));
        }
        let public = self.front.best_public(self.base_fee, &nonces, &taken);
        let before = node.balance(self.block.fee_recipient).await?;
        node.prepare_block(self.block.timestamp, self.block.base_fee).await?;
        let mut refused = Vec::new();
        for tx in &draft.txs {
            node.send_raw(&tx.raw).await?;
        }
        for tx in &public {
            match node.send_raw(&tx.raw).await {
                Ok(_) => {}
                Err(NodeError::Refused { message, .. }) => refused.push((tx.hash(), message)),
                Err(error) => return Err(error.into()),
            }
        }
        node.mine().await?;
        node.empty_pool().await?;
        let receipts = node.newest_receipts().await?;
        let after = node.balance(self.block.fee_recipient).await?;

        let same = |tried: &Receipt, mined: &Receipt| {
            tried.transaction_hash == mined.transaction_hash
                && tried.status == mined.status
                && tried.gas_used == mined.gas_used
                && tried.transaction_index == mined.transaction_index
        };
        let diverged = draft.receipts.iter().enumerate().find(|(index, tried)| !receipts.get(*index).is_some_and(|mined| same(tried, mined)));

        let now = SystemTime::now();
        let bundles: Vec<IncludedBundle> = draft.chosen.iter().map(|(_, bundle)| bundle.clone()).collect();
        let gone: Vec<u64> = draft.chosen.iter().map(|(seq, _)| *seq).collect();
        self.front.settle_bundles(number, &bundles, &gone, now);
        let head = self.front.block_mined(&receipts, &refused).await?;
        if let Some((_, tried)) = diverged {
            return Err(BuildError::Diverged(tried.transaction_hash));
        }
        Ok(BlockReport {
            head,
            txs: receipts.iter().map(|receipt| receipt.transaction_hash).collect(),
            succeeded: receipts.iter().map(Receipt::ok).collect(),
            bundles,
            rejected: rejected.into_iter().map(|(_, bundle, reason)| turn_down(bundle, reason)).collect(),
            public: receipts.iter().map(|receipt| receipt.transaction_hash).filter(|hash| !taken.contains(hash)).collect(),
            refused,
            fee_recipient_gain: wei(after).saturating_sub(wei(before)),
        })
    }
}

impl Draft {
    /// Adds a bundle as it was tried behind this draft.
    fn take(&mut self, item: &Standing, attempt: Attempt, base_fee: u64) {
        let own = attempt.trial.receipts.iter().skip(self.txs.len());
        let gas_fees = own.fold(U256::ZERO, |sum, receipt| sum.saturating_add(tips(receipt, base_fee)));
        self.chosen.push((
            item.seq,
            IncludedBundle {
                hash: item.bundle.hash,
                signer: item.bundle.signer,
                relay: item.bundle.relay.clone(),
                uuid: item.bundle.uuid.clone(),
                txs: attempt.kept.iter().map(SignedTx::hash).collect(),
                dropped: attempt.dropped,
                coinbase_diff: attempt.gain,
                gas_fees,
                eth_sent_to_coinbase: attempt.gain.saturating_sub(wei(gas_fees)),
                gas_used: attempt.gas_used,
            },
        ));
        self.gain = attempt.trial.gain;
        self.receipts = attempt.trial.receipts;
        self.txs.extend(attempt.kept);
    }
}

/// Wei of tips in a receipt: what was paid per gas beyond the base fee.
pub(super) fn tips(receipt: &Receipt, base_fee: u64) -> U256 {
    receipt.effective_gas_price.saturating_sub(U256::from(base_fee)).saturating_mul(U256::from(receipt.gas_used))
}

/// Signed wei of an amount; amounts on a devnet are far below the limit.
pub(super) fn wei(amount: U256) -> I256 {
    I256::try_from(amount).unwrap_or(I256::MAX)
}

fn turn_down(bundle: Bundle, reason: Rejection) -> RejectedBundle {
    RejectedBundle { hash: bundle.hash, signer: bundle.signer, relay: bundle.relay, uuid: bundle.uuid, reason }
}

impl HeadNow {
    /// The base fee of the next block by EIP-1559, wei per gas.
    #[must_use]
    pub fn next_base_fee(&self) -> u64 {
        alloy::eips::eip1559::calc_next_block_base_fee(
            self.head.gas_used,
            self.head.gas_limit,
            self.head.base_fee,
            alloy::eips::eip1559::BaseFeeParams::ethereum(),
        )
    }
}
