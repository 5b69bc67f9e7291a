//! `harrier dry-run`: what would be sent and earned, without keys and without a deployed contract.

use super::{ConfigFile, Failure, follow::print_events, print, setup};
use crate::drivers::{
    searcher::EVENT_QUEUE,
    start::{Begin, Watchers, dry_run, dry_run_of},
};
use std::path::PathBuf;
use tokio::sync::mpsc;

/// Arguments of `harrier dry-run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Answer for the block after this one, instead of after the newest.
    #[arg(long, conflicts_with = "follow")]
    block: Option<u64>,
    /// Go on with every head and pending transaction until interrupted.
    #[arg(long)]
    follow: bool,
    /// Answer for a snapshot's block, without any node.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["block", "follow"])]
    snapshot: Option<PathBuf>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let stop = setup::interrupted();
    let (events, happened) = mpsc::channel(EVENT_QUEUE);
    let watchers = Watchers { events: Some(events), decided: None };
    let searcher = match &args.snapshot {
        Some(snapshot) => dry_run_of(setup::configured_without_node(&args.file)?, snapshot, watchers).await,
        None => {
            let (config, environment) = setup::configured(&args.file)?;
            let begin = args.block.map_or(Begin::Latest, Begin::Block);
            dry_run(config, &environment, begin, watchers, &setup::Bar::default()).await
        }
    }
    .map_err(Failure::start)?;
    let read_on = searcher.session().view().generation().clone();
    let head = searcher.session().head().number;
    let (markets, targets) = {
        let book = searcher.session().book().read();
        (book.markets().count(), book.target_count())
    };
    print::note(format!("block {head}: {markets} markets, {targets} targets in debt"));
    let printing = tokio::spawn(print_events(happened, None, args.json));
    let sink =
        if args.follow { searcher.follow(stop).await.map(|searcher| searcher.into_parts().1) } else { searcher.once().await }.map_err(Failure::from_error)?;
    printing.await.map_err(Failure::from_error)?;
    if args.snapshot.is_some() && read_on.misses() > 0 {
        print::note(format!("{} reads are not in the snapshot: what needed them was skipped. Take it again with this configuration", read_on.misses()));
    }
    print::note(format!("{} bundles would have been sent, for {} ether", sink.batches, print::ether(sink.profit_wei)));
    if sink.chores > 0 {
        let noun = if sink.chores == 1 { "chore" } else { "chores" };
        print::note(format!("and {} {noun} of a keeper, at a cost of {} ether", sink.chores, print::ether(sink.chores_wei)));
    }
    Ok(())
}
