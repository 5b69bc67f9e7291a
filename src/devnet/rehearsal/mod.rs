//! A searcher on a devnet, and scenes that show what it does: for the demo and the tests.
//!
//! ```text
//! Devnet ◀─ stories, prices, rivals ─ scene ─ waits for events ─▶ Troupe { searcher, its events, its ledger }
//!                                        └─▶ SceneResult { expected, got, ok }
//! ```
//!
//! Nothing waits for luck: a scene goes on when the searcher says that it is done with a head or a trigger.

mod accounts;
pub mod flux;
pub mod fx;
mod landing;
mod set;
pub mod thread;

pub use accounts::{Accounts, Played};

use super::{BlockReport, BuildError, Devnet, DevnetConfig, DevnetError, SearcherError, SearcherFacts};
use crate::{
    config::{Config, Environment},
    drivers::{
        Decided,
        deploy::{self, DeployError},
        discovery::Quiet,
        dropped::Dropped,
        live::LiveSink,
        register::{self, RegisterError},
        searcher::{EVENT_QUEUE, Event, SearchError, Searcher},
        session::Session,
        start::{StartError, Watchers, live},
    },
    engine::Outcome,
    ledger::{Ledger, LedgerError},
    plan::Trigger,
    risk::KillSwitch,
};
use alloy::{
    primitives::{Address, B256, Bytes},
    providers::{ProviderBuilder, ext::MevApi},
    rpc::types::mev::EthSendBundle,
    signers::local::PrivateKeySigner,
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// The longest that a scene waits for the searcher. Only a fault reaches it.
const LONGEST: Duration = Duration::from_secs(60);

/// Why a rehearsal broke off. A scene that went otherwise than expected is no error.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The devnet.
    #[error(transparent)]
    Devnet(#[from] DevnetError),
    /// A block.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The searcher's configuration.
    #[error(transparent)]
    Searcher(#[from] SearcherError),
    /// The executor.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// The executor's registration.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The searcher's start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The searcher's run.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The searcher did not do what was waited for.
    #[error("the searcher did not come to {0} within {LONGEST:?}")]
    Waited(String),
    /// Something that a scene needs is missing or refused.
    #[error("{0}")]
    Scene(String),
}

/// A scene's name and what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scene {
    /// `thread-a`, `fx-a` and so on.
    pub name: &'static str,
    /// What has to happen.
    pub expected: &'static str,
}

/// What happened in a scene, and whether it is what was expected.
type Seen = Result<(String, bool), RehearsalError>;

/// What a scene showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SceneResult {
    /// `thread-a`, `fx-a` and so on.
    pub name: String,
    /// What had to happen.
    pub expected: String,
    /// What happened.
    pub got: String,
    /// Whether it is the same.
    pub ok: bool,
}

/// A running searcher with what it has told so far.
#[derive(Debug)]
pub struct Troupe {
    events: mpsc::Receiver<Event>,
    ends: mpsc::Receiver<Decided>,
    stop: watch::Sender<bool>,
    run: JoinHandle<Result<Searcher<LiveSink>, SearchError>>,
    /// Everything that happened, in order.
    pub happened: Vec<Event>,
    /// Every bundle's end, in order.
    pub decided: Vec<Decided>,
    /// Its configuration.
    pub config: Config,
    /// Where its ledger is.
    pub ledger: PathBuf,
}

impl Troupe {
    /// Starts a live searcher on a devnet with a deployed executor, and waits until it sees everything.
    ///
    /// # Errors
    /// When it can't start.
    pub async fn start(devnet: &Devnet, executor: Address, receiver: Address, ledger: &Path, overrides: &[(String, String)]) -> Result<Self, RehearsalError> {
        let facts = SearcherFacts { executor: Some(executor), receiver, ledger };
        let (config, environment) = devnet.searcher(&facts, overrides)?;
        let (events_in, events) = mpsc::channel(EVENT_QUEUE);
        let (ends_in, ends) = mpsc::channel(EVENT_QUEUE);
        let watchers = Watchers { events: Some(events_in), decided: Some(ends_in) };
        let searcher = live(config.clone(), &environment, KillSwitch::default(), watchers, &Quiet).await?;
        let (stop, stopped) = watch::channel(false);
        let run = tokio::spawn(async move { searcher.follow(stopped).await });
        let mut troupe = Self { events, ends, stop, run, happened: Vec::new(), decided: Vec::new(), config, ledger: ledger.to_owned() };
        troupe.until("its beginning", |event| matches!(event, Event::Ready { .. })).await?;
        Ok(troupe)
    }

    /// Waits for an event; what came before it is kept as well.
    async fn until(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Result<Event, RehearsalError> {
        let found = tokio::time::timeout(LONGEST, async {
            loop {
                let event = self.events.recv().await?;
                self.happened.push(event.clone());
                if wanted(&event) {
                    return Some(event);
                }
            }
        })
        .await;
        match found {
            Ok(Some(event)) => Ok(event),
            Ok(None) => match (&mut self.run).await {
                Ok(Err(error)) => Err(error.into()),
                Ok(Ok(_)) => Err(RehearsalError::Scene("the searcher stopped by itself".to_owned())),
                Err(error) => Err(RehearsalError::Scene(error.to_string())),
            },
            Err(_) => Err(RehearsalError::Waited(what.to_owned())),
        }
    }

    /// Waits until a head and everything that it opens is done.
    ///
    /// # Errors
    /// When the searcher ended or hangs.
    pub async fn head(&mut self, number: u64) -> Result<(), RehearsalError> {
        let is_it = |event: &Event| matches!(event, Event::Head { number: done, overtaken: false, .. } if *done >= number);
        if !self.happened.iter().any(is_it) {
            self.until(&format!("head {number}"), is_it).await?;
        }
        while let Ok(decided) = self.ends.try_recv() {
            self.decided.push(decided);
        }
        Ok(())
    }

    /// Waits until the head with this hash and everything that it opens is done: on a chain that takes blocks back a height says nothing.
    ///
    /// # Errors
    /// When the searcher ended or hangs.
    pub async fn at(&mut self, head: B256) -> Result<(), RehearsalError> {
        let is_last = |event: &Event| matches!(event, Event::Head { hash, overtaken: false, .. } if *hash == head);
        let last = self.happened.iter().rev().find(|event| matches!(event, Event::Head { .. }));
        if !last.is_some_and(is_last) {
            self.until(&format!("head {head}"), is_last).await?;
        }
        while let Ok(decided) = self.ends.try_recv() {
            self.decided.push(decided);
        }
        Ok(())
    }

    /// Waits until a pending transaction was run or ignored. Gives what came of it, if it was run.
    ///
    /// # Errors
    /// When the searcher ended or hangs.
    pub async fn pending(&mut self, hash: B256) -> Result<Result<Arc<Outcome>, Dropped>, RehearsalError> {
        let is_it = |event: &Event| match event {
            Event::Trigger { outcome, .. } => outcome.trigger == Trigger::Pending { hash },
            Event::Ignored { hash: ignored, .. } => *ignored == hash,
            _ => false,
        };
        let known = self.happened.iter().rev().find(|event| is_it(event)).cloned();
        let event = match known {
            Some(event) => event,
            None => self.until(&format!("the pending transaction {hash}"), is_it).await?,
        };
        match event {
            Event::Trigger { outcome, .. } => Ok(Ok(outcome)),
            Event::Ignored { why, .. } => Ok(Err(why)),
            _ => Err(RehearsalError::Scene("another event than was waited for".to_owned())),
        }
    }

    /// Builds the next block and waits until the searcher is done with it.
    ///
    /// # Errors
    /// When there is no block, or the searcher ended or hangs.
    pub async fn block(&mut self, devnet: &Devnet) -> Result<BlockReport, RehearsalError> {
        let report = devnet.build_block().await?;
        self.head(report.head.number).await?;
        Ok(report)
    }

    /// The newest outcome of a head's own trigger.
    #[must_use]
    pub fn head_outcome(&self) -> Option<&Arc<Outcome>> {
        self.happened.iter().rev().find_map(|event| match event {
            Event::Trigger { outcome, .. } if matches!(outcome.trigger, Trigger::Head { .. }) => Some(outcome),
            _ => None,
        })
    }

    /// Bundles that it has told of so far.
    #[must_use]
    fn sent(&self) -> usize {
        let sent = |event: &Event| if let Event::Trigger { sent, .. } = event { *sent } else { 0 };
        self.happened.iter().map(sent).sum()
    }

    /// Ends the searcher. Gives what it knew at its last head, and how its bundles ended.
    ///
    /// # Errors
    /// When it ended badly.
    pub async fn stop(mut self) -> Result<(Session, Vec<Decided>), RehearsalError> {
        let _already_gone = self.stop.send(true);
        let session = match self.run.await {
            Ok(ended) => ended?.into_parts().0,
            Err(error) => return Err(RehearsalError::Scene(error.to_string())),
        };
        while let Some(decided) = self.ends.recv().await {
            self.decided.push(decided);
        }
        Ok((session, self.decided))
    }

    /// Ends the searcher, and opens its ledger.
    ///
    /// # Errors
    /// When it ended badly, or the ledger can't be opened.
    pub async fn end(self) -> Result<(Ledger, Vec<Decided>), RehearsalError> {
        let path = self.ledger.clone();
        let (_, decided) = self.stop().await?;
        Ok((Ledger::open(&path).await?, decided))
    }
}

/// A devnet with an executor, ready for a searcher.
#[derive(Debug)]
pub struct Stage {
    /// The devnet.
    pub devnet: Devnet,
    /// The executor.
    pub executor: Address,
    /// Who gets the profit: an account that nothing else pays.
    pub receiver: Address,
}

impl Stage {
    /// Starts a devnet and deploys the executor as `harrier executor deploy` does.
    ///
    /// # Errors
    /// When the devnet does not start or the deployment fails.
    pub async fn set(config: DevnetConfig, folder: &Path) -> Result<Self, RehearsalError> {
        let devnet = Devnet::start(config).await?;
        let receiver = super::Person::named("the searcher's treasury").address();
        let executor = deploy_executor(&devnet, receiver, folder).await?;
        Ok(Self { devnet, executor, receiver })
    }

    /// Registers the executor wherever protocols want that, as `harrier executor register-flux` does.
    ///
    /// # Errors
    /// When a register does not answer, or it is in vain.
    pub async fn register(&self, folder: &Path) -> Result<(), RehearsalError> {
        let facts = SearcherFacts { executor: Some(self.executor), receiver: self.receiver, ledger: &folder.join("register.sqlite") };
        let (config, environment): (Config, Environment) = self.devnet.searcher(&facts, &[])?;
        let node = crate::drivers::start::connect(&config, &environment).await?;
        let mut missing = register::standings(&node, &config).await?;
        missing.retain(|standing| !standing.is_registered);
        if !missing.is_empty() {
            let sent = register::send(&node, &config, &environment, &missing).await?;
            self.devnet.build_block().await?;
            register::wait(&node, &config, sent, LONGEST).await?;
        }
        Ok(())
    }
}

async fn deploy_executor(devnet: &Devnet, receiver: Address, folder: &Path) -> Result<Address, RehearsalError> {
    let ledger = folder.join("deploy.sqlite");
    let (config, environment): (Config, Environment) = devnet.searcher(&SearcherFacts { executor: None, receiver, ledger: &ledger }, &[])?;
    let (owner, executor) = deploy::executor_config(&config, &environment)?;
    let node = crate::drivers::start::connect(&config, &environment).await?;
    let deployment = deploy::send(&node, &owner, &executor).await?;
    devnet.build_block().await?;
    deploy::wait(&node, deployment, LONGEST).await?;
    Ok(deployment.address)
}

/// A bundle that nobody sees before its block: sent by another identity to the relay.
async fn private_bundle(devnet: &Devnet, txs: Vec<Bytes>, identity: &str) -> Result<(), RehearsalError> {
    let signer = PrivateKeySigner::from_bytes(&alloy::primitives::keccak256(identity)).map_err(|error| RehearsalError::Scene(error.to_string()))?;
    let url = devnet.relay_url().parse().map_err(|error| RehearsalError::Scene(format!("{error}")))?;
    let bundle = EthSendBundle { txs, block_number: devnet.head().number.saturating_add(1), ..EthSendBundle::default() };
    let sent = ProviderBuilder::new().connect_http(url).send_bundle(bundle).with_auth(signer).await;
    sent.map(drop).map_err(|error| RehearsalError::Scene(format!("the relay did not take a bundle: {error}")))
}
