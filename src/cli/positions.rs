//! `harrier positions`: known markets and targets, the riskiest first.

use super::{ConfigFile, Failure, print, setup};
use crate::{
    book::MarketRef,
    drivers::{
        session::Session,
        start::{Begin, Watchers, dry_run},
    },
    protocols::{Listed, OrderKey, ProtocolError, Screen},
};
use alloy::primitives::U256;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// Arguments of `harrier positions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Most targets of a market to show, the riskiest first.
    #[arg(long, default_value_t = 20)]
    top: usize,
}

/// One target.
#[derive(Debug, Serialize)]
struct Row {
    protocol: String,
    market: String,
    target: String,
    debt_token: String,
    collateral_token: String,
    /// Debt in the protocol's own unit of debt.
    debt: String,
    /// Collateral in token units.
    collateral: String,
    /// Share of the way to the boundary in percent, rounded down; at 100 it is at the boundary. None without an order.
    boundary_percent: Option<u64>,
    /// The first second in which it is asked, where time alone brings it to its boundary.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_from: Option<u64>,
    /// `ordered`, `timed`, `dust`, `no_collateral`, `unordered`, or `listed` where the market's own structure names it.
    place: &'static str,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let (config, environment) = setup::configured(&args.file)?;
    let searcher = dry_run(config, &environment, Begin::Latest, Watchers::default(), &setup::Bar::default()).await.map_err(Failure::start)?;
    let session = searcher.session();
    let listings = listings(session).await?;
    let book = session.book().read();
    for (market, shelf) in book.markets() {
        let protocol = book.protocol(market).map(|protocol| protocol.id().to_string()).unwrap_or_default();
        let reading = match shelf.reading().map(|read| &read.value) {
            Some(Ok(reading)) => reading,
            Some(Err(skip)) => {
                print::note(format!("{protocol} {}: {skip}", market.market));
                continue;
            }
            None => continue,
        };
        if !args.json {
            let price = reading.price.map(|price| price.to_string()).unwrap_or_else(|| "none".to_owned());
            let symbol = |token| session.config().symbol_of(token).map_or_else(|| token.to_string(), str::to_owned);
            print::line(format!(
                "{protocol} {}  {} against {}  price {price}  {} known",
                market.market,
                symbol(reading.debt_token),
                symbol(reading.collateral_token),
                shelf.len().saturating_add(listings.get(&market).map_or(0, Vec::len))
            ));
        }
        let mut rows: Vec<(U256, Row)> = shelf
            .targets()
            .filter_map(|(key, entry)| {
                let target = entry.reading.as_ref().ok()?;
                let (ratio, place) = match target.key {
                    OrderKey::Ratio(ratio) => (ratio, "ordered"),
                    // The sooner the riskier.
                    OrderKey::From(timestamp) => (U256::MAX.saturating_sub(U256::from(timestamp)), "timed"),
                    OrderKey::Dust => (U256::ZERO, "dust"),
                    OrderKey::NoCollateral => (U256::MAX, "no_collateral"),
                    OrderKey::Unordered => (U256::ZERO, "unordered"),
                    OrderKey::Closed => return None,
                };
                let boundary_percent = match (target.key, &reading.screen) {
                    (OrderKey::Ratio(ratio), Screen::Ordered { boundary }) => percent(ratio, *boundary),
                    _ => None,
                };
                let row = Row {
                    protocol: protocol.clone(),
                    market: market.market.to_string(),
                    target: key.to_string(),
                    debt_token: reading.debt_token.to_string(),
                    collateral_token: reading.collateral_token.to_string(),
                    debt: target.debt.to_string(),
                    collateral: target.collateral.to_string(),
                    boundary_percent,
                    asked_from: if let OrderKey::From(timestamp) = target.key { Some(timestamp) } else { None },
                    place,
                };
                Some((ratio, row))
            })
            .collect();
        rows.sort_by_key(|(ratio, _)| std::cmp::Reverse(*ratio));
        let mut shown: Vec<Row> = rows.into_iter().take(args.top).map(|(_, row)| row).collect();
        let mut listed: BTreeMap<&str, Vec<&Listed>> = BTreeMap::new();
        for line in listings.get(&market).into_iter().flatten() {
            listed.entry(line.kind).or_default().push(line);
        }
        // The kinds that stand nearest to a decision first: ticks before positions.
        for (kind, mut lines) in listed.into_iter().rev() {
            lines.sort_by_key(|line| std::cmp::Reverse(line.boundary_percent));
            shown.extend(lines.into_iter().take(args.top).map(|line| Row {
                protocol: protocol.clone(),
                market: market.market.to_string(),
                target: format!("{kind} {}", line.name),
                debt_token: reading.debt_token.to_string(),
                collateral_token: reading.collateral_token.to_string(),
                debt: line.debt.to_string(),
                collateral: line.collateral.to_string(),
                boundary_percent: line.boundary_percent,
                asked_from: None,
                place: "listed",
            }));
        }
        for row in &shown {
            if args.json {
                print::json(row);
            } else {
                let far = row.boundary_percent.map_or_else(|| row.place.to_owned(), |percent| format!("{percent:>3} %"));
                let from = row.asked_from.map_or_else(String::new, |second| format!("  asked from second {second} on"));
                print::line(format!("  {far:>14}  {}  debt {}  collateral {}{from}", row.target, row.debt, row.collateral));
            }
        }
    }
    Ok(())
}

/// What markets hold that the book does not know.
async fn listings(session: &Session) -> Result<BTreeMap<MarketRef, Vec<Listed>>, Failure> {
    let (book, view, block) = (Arc::clone(session.book()), session.view(), session.target_block());
    let read = move || {
        let book = book.read();
        let mut listings = BTreeMap::new();
        for (market, shelf) in book.markets() {
            let (Some(protocol), Some(Ok(reading))) = (book.protocol(market), shelf.reading().map(|read| &read.value)) else { continue };
            match protocol.listing(&view, &block, reading)? {
                Ok(listed) => {
                    listings.insert(market, listed);
                }
                Err(skip) => print::note(format!("{} {}: {skip}", protocol.id(), market.market)),
            }
        }
        Ok::<_, ProtocolError>(listings)
    };
    tokio::task::spawn_blocking(read).await.map_err(Failure::from_error)?.map_err(Failure::from_error)
}

fn percent(ratio: U256, boundary: U256) -> Option<u64> {
    // Both are large: dividing the boundary first loses less than a hundredth of a percent.
    let hundredth = boundary / U256::from(100);
    if hundredth.is_zero() { None } else { (ratio / hundredth).try_into().ok() }
}
