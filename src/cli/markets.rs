//! `harrier markets`: every market of every configured protocol, with its parameters, price and boundary, or why it is out of reach.

use super::{ConfigFile, Failure, print, setup};
use crate::{
    book::{Book, MarketRef, Shelf},
    drivers::start::{Begin, Watchers, dry_run},
    fork::TargetBlock,
    plan::Skip,
    protocols::{MarketReading, Screen},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Arguments of `harrier markets`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// One market.
#[derive(Debug, Serialize)]
struct Row {
    protocol: String,
    market: String,
    /// `open`, or the reason from the closed set for which nothing can be done in it now.
    status: &'static str,
    /// What that reason is about; empty for an open market.
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    debt_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collateral_token: Option<String>,
    /// The price that decides, in the protocol's own fixed point.
    price: Option<String>,
    /// Keys above it may be acted on; none for a market without an order of its own.
    boundary: Option<String>,
    /// Targets known.
    targets: usize,
    /// Targets beyond the boundary at the target block.
    beyond: usize,
    /// What the protocol itself says of the market.
    parameters: BTreeMap<&'static str, String>,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let (config, environment) = setup::configured(&args.file)?;
    let searcher = dry_run(config, &environment, Begin::Latest, Watchers::default(), &setup::Bar::default()).await.map_err(Failure::start)?;
    let session = searcher.session();
    let block = session.target_block();
    let book = session.book().read();
    let symbol = |token| session.config().symbol_of(token).map_or_else(|| format!("{token}"), str::to_owned);
    for (market, shelf) in book.markets() {
        let protocol = book.protocol(market).map(|protocol| protocol.id().to_string()).unwrap_or_default();
        match shelf.reading().map(|read| &read.value) {
            Some(Ok(reading)) => show(&open(&book, &block, market, shelf, protocol, reading), args.json, || {
                format!("{} against {}", symbol(reading.debt_token), symbol(reading.collateral_token))
            }),
            Some(Err(skip)) => show(&closed(market, shelf, protocol, skip), args.json, String::new),
            None => print::note(format!("{protocol} {}: the node could not answer", market.market)),
        }
    }
    Ok(())
}

fn open(book: &Book, block: &TargetBlock, market: MarketRef, shelf: &Shelf, protocol: String, reading: &MarketReading) -> Row {
    Row {
        protocol,
        market: market.market.to_string(),
        status: "open",
        detail: String::new(),
        debt_token: Some(reading.debt_token.to_string()),
        collateral_token: Some(reading.collateral_token.to_string()),
        price: reading.price.map(|price| price.to_string()),
        boundary: match &reading.screen {
            Screen::Ordered { boundary } => Some(boundary.to_string()),
            Screen::Timed | Screen::Listed(_) | Screen::OnStale => None,
        },
        targets: shelf.len(),
        beyond: match &reading.screen {
            Screen::Ordered { .. } | Screen::Timed | Screen::Listed(_) => book.beyond(market, reading, block).len(),
            // Without an order every target is asked, which says nothing of it.
            Screen::OnStale => 0,
        },
        parameters: book.protocol(market).map(|protocol| protocol.parameters(reading)).unwrap_or_default().into_iter().collect(),
    }
}

fn closed(market: MarketRef, shelf: &Shelf, protocol: String, skip: &Skip) -> Row {
    Row {
        protocol,
        market: market.market.to_string(),
        status: skip.reason.name(),
        detail: skip.detail.clone(),
        debt_token: None,
        collateral_token: None,
        price: None,
        boundary: None,
        targets: shelf.len(),
        beyond: 0,
        parameters: BTreeMap::new(),
    }
}

fn show(row: &Row, json: bool, pair: impl FnOnce() -> String) {
    if json {
        print::json(row);
        return;
    }
    let pair = pair();
    let what = if row.detail.is_empty() { pair } else { format!("{}: {}", row.status, row.detail) };
    print::line(format!("{} {}", row.protocol, row.market));
    print::line(format!("  {what}"));
    if let Some(price) = &row.price {
        print::line(format!("  price {price}{}", row.boundary.as_ref().map_or_else(String::new, |boundary| format!(", boundary {boundary}"))));
    }
    print::line(format!("  {} targets known, {} beyond the boundary", row.targets, row.beyond));
    for (name, value) in &row.parameters {
        print::line(format!("  {name} {value}"));
    }
}
