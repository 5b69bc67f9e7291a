//! `harrier run`: follow the chain and send.

use super::{ConfigFile, Failure, follow::print_events, print, setup};
use crate::{
    drivers::{
        searcher::EVENT_QUEUE,
        start::{Watchers, live},
    },
    risk::KillSwitch,
};
use tokio::sync::mpsc;

/// Arguments of `harrier run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let (config, environment) = setup::configured(&args.file)?;
    let stop = setup::interrupted();
    let (events, happened) = mpsc::channel(EVENT_QUEUE);
    let (decided, ends) = mpsc::channel(EVENT_QUEUE);
    let watchers = Watchers { events: Some(events), decided: Some(decided) };
    let searcher = live(config, &environment, KillSwitch::default(), watchers, &setup::Bar::default()).await.map_err(Failure::start)?;
    print::note(format!("following from block {}; interrupt to stop", searcher.session().head().number));
    let printing = tokio::spawn(print_events(happened, Some(ends), args.json));
    searcher.follow(stop).await.map_err(Failure::from_error)?;
    printing.await.map_err(Failure::from_error)?;
    Ok(())
}
