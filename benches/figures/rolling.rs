//! `roll_requests`: what a roll asks of the node when all that a block of 100 transactions touches is known.
//!
//! ```text
//! block of 100 ─▶ head ─┬─▶ a fork that chooses ─▶ requests on its wire: the figure
//!                       └─▶ three forks, one a way ─▶ their requests and times, beside it
//! ```

use super::{
    figure::{Absolute, Better, Figure, Measured, Promise, median},
    http_wire::HttpWire,
};
use alloy::{
    network::AnyNetwork,
    primitives::{Address, Bytes, U256},
    providers::{Provider, ProviderBuilder},
};
use eyre::ensure;
use harrier::{
    config::Roll,
    devnet::{Devnet, DevnetConfig, SLOT_SECONDS},
    fork::{ChainRules, Facet, Fork, ForkOptions, Hardfork, ReadSet},
};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Transactions of a block.
const TRANSACTIONS: usize = 100;
/// Those who send them.
const SENDERS: usize = 5;
/// Blocks before anything is measured: each way was measured once, and what a block touches is known.
const WARM_UP: usize = 4;
/// Blocks of one measurement.
const BLOCKS: usize = 5;
/// Wei per gas for the fee recipient.
const TIP: u128 = 1_000_000_000;

/// A fork on a wire of its own.
struct Follower {
    fork: Fork,
    wire: HttpWire,
}

impl Follower {
    async fn start(devnet: &Devnet, roll: Roll) -> eyre::Result<Self> {
        let wire = HttpWire::to(devnet.http_url()).await?;
        let provider = ProviderBuilder::new().disable_recommended_fillers().network::<AnyNetwork>().connect_http(wire.url().parse()?).erased();
        let rules = ChainRules::fixed(devnet.chain_id(), SLOT_SECONDS, Hardfork::Osaka);
        let fork = Fork::start(&provider, devnet.head(), ForkOptions::default())?.with_rolling(roll, &rules);
        fork.probe().await;
        Ok(Self { fork, wire })
    }

    /// Rolls to the head; requests on the wire, the time, and what the diff speaks of.
    async fn roll(&self, devnet: &Devnet) -> eyre::Result<(u64, Duration, ReadSet)> {
        let before = self.wire.requests();
        let begin = Instant::now();
        let rolled = self.fork.roll(&devnet.head()).await?;
        let time = begin.elapsed();
        let mut touched = ReadSet::default();
        rolled.diff.iter().for_each(|change| touched.insert(change.facet));
        Ok((self.wire.requests().saturating_sub(before), time, touched))
    }
}

/// A devnet and four forks that follow it.
pub(crate) struct RollRequests<'a> {
    runtime: &'a Runtime,
    devnet: Devnet,
    chooser: Follower,
    each: [(&'static str, Follower); 3],
}

impl<'a> RollRequests<'a> {
    /// Starts everything and warms it up.
    pub(crate) fn set(runtime: &'a Runtime) -> eyre::Result<Self> {
        runtime.block_on(async {
            let devnet = Devnet::start(DevnetConfig::default()).await?;
            let chooser = Follower::start(&devnet, Roll::Auto).await?;
            let each = [
                ("trace", Follower::start(&devnet, Roll::Trace).await?),
                ("replay", Follower::start(&devnet, Roll::Replay).await?),
                ("reread", Follower::start(&devnet, Roll::Reread).await?),
            ];
            let figure = Self { runtime, devnet, chooser, each };
            for _ in 0..WARM_UP {
                figure.block().await?;
                // A trace tells all that a block touched; the next one touches the same.
                let mut touched = figure.each[0].1.roll(&figure.devnet).await?.2;
                touched.insert(Facet::Balance(figure.devnet.fee_recipient()));
                for follower in figure.followers() {
                    follower.roll(&figure.devnet).await?;
                    follower.fork.prefetch(&touched).await?;
                }
            }
            Ok(figure)
        })
    }

    fn followers(&self) -> impl Iterator<Item = &Follower> {
        std::iter::once(&self.chooser).chain(self.each.iter().map(|(_, follower)| follower))
    }

    /// Half of them wrap ether, half pay somebody.
    async fn block(&self) -> eyre::Result<()> {
        let weth = self.devnet.contracts().token("WETH")?.address;
        for number in 0..TRANSACTIONS {
            let sender = self.devnet.dev_account(number % SENDERS)?;
            let somebody = Address::repeat_byte(u8::try_from(number)?.saturating_add(0x20));
            let (to, data) = if number % 2 == 0 { (weth, Bytes::from_static(&[0xd0, 0xe3, 0x0d, 0xb0])) } else { (somebody, Bytes::new()) };
            let raw = self.devnet.signed(&sender, Some(to), U256::from(1_000 + number), data, 100_000, TIP).await?;
            self.devnet.send_public(raw).await?;
        }
        let report = self.devnet.build_block().await?;
        ensure!(report.public.len() >= TRANSACTIONS, "{} of {TRANSACTIONS} transactions are in the block", report.public.len());
        Ok(())
    }
}

impl Figure for RollRequests<'_> {
    fn promise(&self) -> Promise {
        Promise { name: "roll_requests", unit: "requests a head", target: 3.0, better: Better::Lower }
    }

    fn measure(&mut self) -> eyre::Result<Measured> {
        self.runtime.block_on(async {
            let (mut most, mut times, mut requests) = (0, vec![Vec::new(); self.each.len()], vec![0; self.each.len()]);
            for _ in 0..BLOCKS {
                self.block().await?;
                most = most.max(self.chooser.roll(&self.devnet).await?.0);
                for (place, (_, follower)) in self.each.iter().enumerate() {
                    let (asked, time, _) = follower.roll(&self.devnet).await?;
                    times[place].push(time);
                    requests[place] = requests[place].max(asked);
                }
            }
            let mut beside = Vec::new();
            for ((name, _), (times, requests)) in self.each.iter().zip(times.into_iter().zip(requests)) {
                beside.push(Absolute {
                    name: format!("roll_requests_{name}"),
                    value: f64::from(u32::try_from(requests)?),
                    unit: "requests",
                    better: Better::Lower,
                });
                beside.push(Absolute::time(format!("roll_{name}_100_txs"), median(times)));
            }
            Ok(Measured { value: f64::from(u32::try_from(most)?), beside })
        })
    }
}
