//! The command line: one file a command. The only room that prints.
//!
//! Exit codes: 0 done, 1 failed, 2 bad arguments or configuration, 3 a demo scenario or check did not hold.

mod demo;
mod devnet;
mod dry_run;
mod executor;
mod follow;
mod markets;
mod positions;
mod print;
mod replay;
mod run;
mod setup;
mod simulate;
mod snapshot;

use crate::drivers::start::StartError;
use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// Harrier: a liquidation searcher that proves each profit in a local EVM before it is sent.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Follow the chain and send profitable bundles to the configured relays.
    Run(run::Args),
    /// The same without sending: needs no keys and no deployed contract.
    DryRun(dry_run::Args),
    /// Every market of every configured protocol: parameters, price, boundary, what is closed and why.
    Markets(markets::Args),
    /// One block with all that a dry-run of it reads, as a file.
    Snapshot(snapshot::Args),
    /// Known markets and positions, the riskiest first.
    Positions(positions::Args),
    /// Plan, size and simulate the liquidation of one target.
    Simulate(simulate::Args),
    /// Execute real blocks again on the state that was recorded with them.
    Replay(replay::Args),
    /// Deploy or look at the executor contract.
    Executor(executor::Args),
    /// A local chain with real contracts, its mempool and a relay, until interrupted.
    Devnet(devnet::Args),
    /// Liquidations live on a local chain: every scenario, and what came of it.
    Demo(demo::Args),
}

/// A configuration file, or the default of the folder.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigFile {
    /// The configuration file; `HARRIER__section__key=value` in the environment overrides single values.
    #[arg(long, short, env = "HARRIER_CONFIG", default_value = "config/mainnet.toml")]
    config: PathBuf,
}

/// Why a command ended without doing its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Arguments or configuration.
    Usage(eyre::Report),
    /// Anything else.
    Failed(eyre::Report),
    /// A scenario or check did not hold; it has been printed.
    NotHeld,
}

impl From<eyre::Report> for Failure {
    fn from(report: eyre::Report) -> Self {
        Self::Failed(report)
    }
}

impl Failure {
    /// A start that failed: configuration mistakes are the user's to mend.
    fn start(error: StartError) -> Self {
        match error {
            StartError::Config(_)
            | StartError::OnChain(_)
            | StartError::Missing(_)
            | StartError::Secret(_)
            | StartError::Executor(_)
            | StartError::Snapshot(_) => Self::Usage(error.into()),
            _ => Self::Failed(error.into()),
        }
    }

    fn from_error(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Failed(error.into())
    }
}

impl Cli {
    /// Runs the command to its end.
    pub async fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Run(args) => run::run(args).await,
            Command::DryRun(args) => dry_run::run(args).await,
            Command::Markets(args) => markets::run(args).await,
            Command::Snapshot(args) => snapshot::run(args).await,
            Command::Positions(args) => positions::run(args).await,
            Command::Simulate(args) => simulate::run(args).await,
            Command::Replay(args) => replay::run(args).await,
            Command::Executor(args) => executor::run(args).await,
            Command::Devnet(args) => devnet::run(args).await,
            Command::Demo(args) => demo::run(args).await,
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failure::Usage(report)) => {
                print::error(&report);
                ExitCode::from(2)
            }
            Err(Failure::Failed(report)) => {
                print::error(&report);
                ExitCode::FAILURE
            }
            Err(Failure::NotHeld) => ExitCode::from(3),
        }
    }
}
