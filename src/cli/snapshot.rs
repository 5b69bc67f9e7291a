//! `harrier snapshot FILE`: one block with all that a dry-run of it reads.

use super::{ConfigFile, Failure, print, setup};
use crate::drivers::{
    snapshot::{TakeError, take},
    start::Begin,
};
use serde::Serialize;
use std::path::PathBuf;

/// Arguments of `harrier snapshot`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// The file to write. One that is there already is replaced, and only by a whole one.
    snapshot: PathBuf,
    /// The block: a number, or `latest`.
    #[arg(long, default_value = "latest", value_parser = block)]
    block: Begin,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// The object of `--json`.
#[derive(Debug, Serialize)]
struct Summary {
    file: String,
    block: u64,
    hash: String,
    markets: usize,
    targets: usize,
    accounts: usize,
    slots: usize,
    bytes: u64,
    bundles: usize,
    profit_wei: String,
}

fn block(text: &str) -> Result<Begin, String> {
    if text == "latest" {
        return Ok(Begin::Latest);
    }
    text.parse().map(Begin::Block).map_err(|_| "it is a number or latest".to_owned())
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let (config, environment) = setup::configured(&args.file)?;
    let taken = take(config, &environment, args.block, &args.snapshot, &setup::Bar::default()).await.map_err(|error| match error {
        TakeError::Start(error) => Failure::start(error),
        other => Failure::from_error(other),
    })?;
    let summary = Summary {
        file: args.snapshot.display().to_string(),
        block: taken.number,
        hash: taken.hash.to_string(),
        markets: taken.markets,
        targets: taken.targets,
        accounts: taken.accounts,
        slots: taken.slots,
        bytes: taken.bytes,
        bundles: taken.bundles,
        profit_wei: taken.profit_wei.to_string(),
    };
    if args.json {
        print::json(&summary);
        return Ok(());
    }
    print::line(format!("block      {}  {}", summary.block, summary.hash));
    print::line(format!("read       {} markets, {} targets in debt", summary.markets, summary.targets));
    print::line(format!("state      {} accounts, {} slots", summary.accounts, summary.slots));
    print::line(format!("checked    {} bundles for {} ether, with the node and without", summary.bundles, print::ether(taken.profit_wei)));
    print::line(format!("written    {}  {} bytes", summary.file, summary.bytes));
    Ok(())
}
