//! `harrier simulate MARKET TARGET`: one target planned, sized and simulated now, as a dry-run would.

use super::{ConfigFile, Failure, print, setup};
use crate::{
    book::{Book, MarketRef, Shelf},
    config::Config,
    drivers::{
        report::Line,
        start::{Begin, Watchers, dry_run},
    },
    engine::{Batch, Candidate, Outcome},
    fork::SimTx,
    plan::{Size, SizeUnit, SkipReason, TargetKey},
    protocols::{MarketReading, OrderKey, Screen},
};
use alloy::{
    consensus::Transaction,
    primitives::{Address, U256},
};
use serde::Serialize;

/// Arguments of `harrier simulate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// The market's id, or the beginning of it where no other market's begins so.
    market: String,
    /// The target: the address of a borrower, `pool` for a whole pool, or `tick:NUMBER`.
    target: String,
    /// Print the call tree of each transaction.
    #[arg(long)]
    trace: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Where a target stands in its market's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Standing {
    /// Its key in the order; it grows with risk. None outside of the order.
    key: Option<String>,
    /// Keys above it may be acted on. None for a market without an order.
    boundary: Option<String>,
    /// `beyond` or `within` the boundary, or why there is no order: `dust`, `no_collateral`, `unordered`, `unreadable`.
    place: &'static str,
    /// Debt in the protocol's own unit of debt.
    debt: String,
    /// Collateral in token units.
    collateral: String,
}

/// One line of `--json`.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    line: Line,
    #[serde(flatten)]
    standing: Standing,
    /// How much of the target is taken; empty without a candidate.
    size: String,
    /// What the size counts.
    size_unit: &'static str,
    /// Bytes of calldata of its transaction.
    calldata_bytes: usize,
    /// Full simulations that it took.
    simulations: usize,
    /// The call tree of its transaction, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let asked = Asked::parse(&args.target).map_err(Failure::Usage)?;
    let wanted = Prefix::parse(&args.market).map_err(Failure::Usage)?;
    let (config, environment) = setup::configured(&args.file)?;
    let mut searcher = dry_run(config, &environment, Begin::Latest, Watchers::default(), &setup::Bar::default()).await.map_err(Failure::start)?;
    let (market, key, standing) = {
        let book = searcher.session().book().read();
        let market = wanted.find(&book).map_err(Failure::Usage)?;
        let key = asked.find(&book, market).map_err(Failure::Usage)?;
        (market, key, standing(&book, market, key).map_err(Failure::Usage)?)
    };
    let outcome = searcher.target(market, key).await.map_err(Failure::from_error)?;
    let session = searcher.session();
    let words = Words { config: session.config(), executor: session.engine().settings().executor, json: args.json };
    words.heading(&session.book().read(), session.head().number, market, key, &standing);
    for batch in &outcome.batches {
        for candidate in &batch.candidates {
            let txs = transactions(batch, candidate.tx);
            let trace = if args.trace { Some(session.trace(txs.clone()).await.map_err(Failure::from_error)?) } else { None };
            words.candidate(&outcome, batch, candidate, &standing, &txs, trace);
        }
    }
    words.refusals(&outcome, &standing);
    Ok(())
}

/// The transactions up to and with the candidate's own.
fn transactions(batch: &Batch, place: usize) -> Vec<SimTx> {
    let last = place.saturating_add(1).min(batch.txs.len());
    batch.txs.iter().take(last).map(|simulated| simulated.tx.clone()).collect()
}

/// A target as a person names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Named completely.
    Key(TargetKey),
    /// A tick, whatever node fills it now.
    Tick(i32),
}

impl Asked {
    fn parse(text: &str) -> eyre::Result<Self> {
        if text == "pool" {
            return Ok(Self::Key(TargetKey::Pool));
        }
        if let Some(number) = text.strip_prefix("tick:") {
            return number.parse().map(Self::Tick).map_err(|error| eyre::eyre!("TARGET {text:?} is no tick: {error}"));
        }
        let account = text.parse().map_err(|error| eyre::eyre!("TARGET {text:?} is no address, and neither `pool` nor `tick:NUMBER`: {error}"))?;
        Ok(Self::Key(TargetKey::Account(account)))
    }

    /// The target itself: a tick is the one that is known, or listed as beyond the boundary, under its number.
    fn find(self, book: &Book, market: MarketRef) -> eyre::Result<TargetKey> {
        let number = match self {
            Self::Key(key) => return Ok(key),
            Self::Tick(number) => number,
        };
        let known = book.shelf(market).into_iter().flat_map(|shelf| shelf.targets().map(|(key, _)| *key));
        let of_number = |key: &TargetKey| matches!(key, TargetKey::Tick { tick, .. } if *tick == number);
        let found = listed(book, market).into_iter().chain(known).find(of_number);
        found.ok_or_else(|| eyre::eyre!("market {} has no tick {number} with debt that is known or beyond its boundary", market.market))
    }
}

/// The targets that a market's own structure puts beyond its boundary.
fn listed(book: &Book, market: MarketRef) -> Vec<TargetKey> {
    match book.shelf(market).and_then(Shelf::reading).map(|read| &read.value) {
        Some(Ok(MarketReading { screen: Screen::Listed(targets), .. })) => targets.clone(),
        _ => Vec::new(),
    }
}

/// The beginning of a market's id, in lower case and with its `0x`.
#[derive(Debug, PartialEq, Eq)]
struct Prefix(String);

impl Prefix {
    fn parse(text: &str) -> eyre::Result<Self> {
        let lower = text.to_lowercase();
        let digits = lower.strip_prefix("0x").unwrap_or(&lower);
        if digits.is_empty() || digits.len() > 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(eyre::eyre!("MARKET {text:?} is no market id: it has 1 to 64 hexadecimal digits"));
        }
        Ok(Self(format!("0x{digits}")))
    }

    fn find(&self, book: &Book) -> eyre::Result<MarketRef> {
        let found = self.among(book.markets().map(|(market, _)| market));
        match found.as_slice() {
            [market] => Ok(*market),
            [] => Err(eyre::eyre!("no market's id begins with {}; {} markets are known, `harrier positions` lists them", self.0, book.markets().count())),
            several => {
                let ids: Vec<String> = several.iter().take(8).map(|market| market.market.to_string()).collect();
                Err(eyre::eyre!("{} markets' ids begin with {}: {}", several.len(), self.0, ids.join(", ")))
            }
        }
    }

    fn among(&self, markets: impl Iterator<Item = MarketRef>) -> Vec<MarketRef> {
        markets.filter(|market| market.market.to_string().starts_with(&self.0)).collect()
    }
}

fn standing(book: &Book, market: MarketRef, key: TargetKey) -> eyre::Result<Standing> {
    let shelf = book.shelf(market);
    if listed(book, market).contains(&key) {
        return Ok(Standing { place: "beyond", ..Standing::default() });
    }
    let entry = shelf.and_then(|shelf| shelf.get(&key)).ok_or_else(|| {
        let known = shelf.map_or(0, |shelf| shelf.len());
        eyre::eyre!("{key} has no debt in market {}; {known} targets of it have", market.market)
    })?;
    let boundary = shelf.and_then(|shelf| shelf.reading()).and_then(|read| match &read.value {
        Ok(reading) => match reading.screen {
            Screen::Ordered { boundary } => Some(boundary),
            Screen::Timed | Screen::Listed(_) | Screen::OnStale => None,
        },
        Err(_) => None,
    });
    let Ok(target) = &entry.reading else { return Ok(Standing { place: "unreadable", ..Standing::default() }) };
    let (ratio, place) = match (target.key, boundary) {
        (OrderKey::Ratio(ratio), Some(boundary)) => (Some(ratio), if ratio > boundary { "beyond" } else { "within" }),
        (OrderKey::Ratio(ratio), None) => (Some(ratio), "unordered"),
        (OrderKey::From(_), _) => (None, "timed"),
        (OrderKey::Dust, _) => (None, "dust"),
        (OrderKey::NoCollateral, _) => (None, "no_collateral"),
        (OrderKey::Unordered | OrderKey::Closed, _) => (None, "unordered"),
    };
    Ok(Standing {
        key: ratio.map(|ratio| ratio.to_string()),
        boundary: boundary.map(|boundary| boundary.to_string()),
        place,
        debt: target.debt.to_string(),
        collateral: target.collateral.to_string(),
    })
}

/// Says what was found.
struct Words<'a> {
    config: &'a Config,
    executor: Address,
    json: bool,
}

impl Words<'_> {
    fn heading(&self, book: &Book, head: u64, market: MarketRef, key: TargetKey, standing: &Standing) {
        if self.json {
            return;
        }
        let protocol = book.protocol(market).map(|protocol| protocol.id().to_string()).unwrap_or_default();
        print::line(format!("block     {}, as it would be after {head}", head.saturating_add(1)));
        print::line(format!("market    {protocol} {}", market.market));
        if let Some(Ok(reading)) = book.shelf(market).and_then(|shelf| shelf.reading()).map(|read| &read.value) {
            let price = reading.price.map_or_else(|| "none".to_owned(), |price| price.to_string());
            print::line(format!("          {} against {}, price {price}", self.symbol(reading.debt_token), self.symbol(reading.collateral_token)));
        }
        print::line(format!("target    {key}: debt {}, collateral {}", standing.debt, standing.collateral));
        let or_none = |figure: &Option<String>| figure.clone().unwrap_or_else(|| "none".to_owned());
        print::line(format!("order     key {}, boundary {}: {}", or_none(&standing.key), or_none(&standing.boundary), standing.place));
    }

    fn candidate(&self, outcome: &Outcome, batch: &Batch, candidate: &Candidate, standing: &Standing, txs: &[SimTx], trace: Option<String>) {
        let line = Line::candidate(outcome.trigger, batch, candidate, "candidate");
        let calldata_bytes = txs.last().map_or(0, |tx| tx.input().len());
        let Size { unit, amount } = candidate.size;
        if self.json {
            let size_unit = unit_name(unit);
            print::json(&Row {
                line,
                standing: standing.clone(),
                size: amount.to_string(),
                size_unit,
                calldata_bytes,
                simulations: candidate.simulations,
                trace,
            });
            return;
        }
        let opportunity = &candidate.opportunity;
        print::line(format!("action    {}", line.action));
        print::line(format!("size      {amount} {}", unit_name(unit)));
        print::line(format!("repay     {}", self.tokens(candidate.repay, opportunity.debt_token)));
        print::line(format!("seized    {}", self.tokens(candidate.seized, opportunity.collateral_token)));
        print::line(format!("gas       {}", line.gas_used));
        print::line(format!("payment   {} ether to the builder", print::ether(candidate.builder_payment)));
        print::line(format!("profit    {} ether after gas and payment ({} wei)", print::ether(candidate.profit_wei), candidate.profit_wei));
        print::line(format!("calldata  {calldata_bytes} bytes, transaction {} of {}", txs.len(), batch.txs.len()));
        print::line(format!("found by  {} simulations", candidate.simulations));
        if let Some(trace) = trace {
            print::line("");
            print::line(self.with_names(trace).trim_end());
        }
    }

    fn refusals(&self, outcome: &Outcome, standing: &Standing) {
        for refusal in &outcome.refusals {
            let line = Line::refusal(outcome.trigger, refusal);
            if self.json {
                let row = Row {
                    line,
                    standing: standing.clone(),
                    size: String::new(),
                    size_unit: "",
                    calldata_bytes: 0,
                    simulations: outcome.simulations,
                    trace: None,
                };
                print::json(&row);
            } else if refusal.skip.reason == SkipReason::Healthy {
                print::line(format!("healthy   nothing to do: {}", refusal.skip.detail));
            } else {
                let action = refusal.action.map(|action| format!("{action}: ")).unwrap_or_default();
                print::line(format!("skipped   {action}{}", refusal.skip));
            }
        }
    }

    fn symbol(&self, token: Address) -> String {
        self.config.symbol_of(token).map_or_else(|| token.to_string(), str::to_owned)
    }

    /// An amount in whole tokens where the decimals are configured, else in the token's units.
    fn tokens(&self, amount: U256, token: Address) -> String {
        match self.config.tokens.values().find(|entry| entry.address == token) {
            Some(entry) => format!("{} {} ({amount})", print::amount(amount, entry.decimals), self.symbol(token)),
            None => format!("{amount} of {token}"),
        }
    }

    /// The tree with names instead of the addresses of the executor and of configured tokens and protocols, where they are called.
    fn with_names(&self, tree: String) -> String {
        let tokens = self.config.tokens.iter().map(|(symbol, token)| (token.address, symbol.as_str()));
        let protocols = self.config.protocols.iter().map(|(name, protocol)| (protocol.contract, name.as_str()));
        tokens
            .chain(protocols)
            .chain([(self.executor, "executor")])
            .fold(tree, |tree, (address, name)| tree.replace(&format!("{address}::"), &format!("{name}::")))
    }
}

const fn unit_name(unit: SizeUnit) -> &'static str {
    match unit {
        SizeUnit::Seized => "collateral units seized",
        SizeUnit::RepaidShares => "debt shares repaid",
        SizeUnit::Budget => "debt tokens at most",
        SizeUnit::Fraction => "of 1e18",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::MarketId;
    use alloy::primitives::b256;

    fn markets() -> [MarketRef; 2] {
        let ids = [
            b256!("ab12000000000000000000000000000000000000000000000000000000000000"),
            b256!("ab34000000000000000000000000000000000000000000000000000000000000"),
        ];
        ids.map(|id| MarketRef { protocol: 0, market: MarketId(id) })
    }

    #[test]
    fn a_market_is_named_by_as_much_of_its_id_as_is_unique() {
        let find = |text: &str| Prefix::parse(text).unwrap().among(markets().into_iter());
        let [first, second] = markets();
        assert_eq!(find("0xab1"), [first]);
        assert_eq!(find("AB34"), [second]);
        assert_eq!(find(&second.market.to_string()), [second]);
        assert_eq!(find("ab").len(), 2);
        assert!(find("0xcd").is_empty());
    }

    #[test]
    fn what_is_no_id_or_address_is_refused_in_words() {
        for text in ["", "0x", "weth-usdc", &"a".repeat(65)] {
            assert!(Prefix::parse(text).unwrap_err().to_string().contains("is no market id"), "{text}");
        }
        assert!(Asked::parse("0x1234").unwrap_err().to_string().contains("is no address"));
        assert!(Asked::parse("tick:12x").unwrap_err().to_string().contains("is no tick"));
        assert!(matches!(Asked::parse("0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"), Ok(Asked::Key(TargetKey::Account(_)))));
        assert_eq!(Asked::parse("tick:-30").unwrap(), Asked::Tick(-30));
        assert_eq!(Asked::parse("pool").unwrap(), Asked::Key(TargetKey::Pool));
    }
}
