//! `harrier devnet`: a local chain that goes on until interrupted.

use super::{Failure, print, setup};
use crate::{
    config::LogFormat,
    devnet::{ChainConfig, Devnet, DevnetConfig, SearcherFacts, Seed},
};
use std::{path::PathBuf, time::Duration};

/// Arguments of `harrier devnet`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Seconds of real time between blocks; each block's timestamp is 12 seconds after its parent's.
    #[arg(long, default_value_t = 12)]
    block_every: u64,
    /// Borrowers to begin with.
    #[arg(long, default_value_t = 300)]
    borrowers: u32,
    /// Deploy f(x) too, with positions in all its pools.
    #[arg(long)]
    fx: bool,
    /// Deploy Flux too, with lenders' money in its vaults.
    #[arg(long)]
    flux: bool,
    /// Write a searcher's configuration for this devnet to a file; its secrets are printed as environment variables.
    #[arg(long)]
    write_config: Option<PathBuf>,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    setup::logging("warn", LogFormat::Text)?;
    let mut stop = setup::interrupted();
    let chain = ChainConfig { block_every: Some(Duration::from_secs(args.block_every.max(1))), ..ChainConfig::default() };
    let seed = Some(Seed { borrowers: args.borrowers, ..Seed::default() });
    let devnet = Devnet::start(DevnetConfig { chain, seed, fx: args.fx, flux: args.flux, flux_vaults: Vec::new() }).await.map_err(Failure::from_error)?;
    let facts = devnet.config_facts().map_err(Failure::from_error)?;
    print::line(format!("http    {}", facts.http_url));
    print::line(format!("ws      {}", facts.ws_url));
    print::line(format!("relay   {}", facts.relay_url));
    print::line(format!("morpho  {}", facts.contracts.morpho));
    for market in facts.contracts.markets.values() {
        print::line(format!("market  {}  {}", market.id, market.name));
    }
    for pair in devnet.fx().into_iter().flat_map(|fx| &fx.pairs) {
        print::line(format!("f(x)    {} long {} short {}", pair.symbol, pair.long, pair.short));
    }
    for vault in devnet.flux().into_iter().flat_map(|flux| &flux.vaults) {
        print::line(format!("flux    {} {}", vault.address, vault.name));
    }
    if let Some(path) = args.write_config {
        let ledger = path.with_extension("sqlite");
        let owner = devnet.owner().map_err(Failure::from_error)?.address();
        let searcher = SearcherFacts { executor: None, receiver: owner, ledger: &ledger };
        let (config, _) = devnet.searcher(&searcher, &[]).map_err(Failure::from_error)?;
        let text = config.to_toml().map_err(Failure::from_error)?;
        std::fs::write(&path, text).map_err(Failure::from_error)?;
        print::line(format!("config  {}", path.display()));
        for (name, key) in devnet.secrets().map_err(Failure::from_error)? {
            print::line(format!("export {name}={key}"));
        }
    }
    // Only an interrupt ends it.
    let _closed = stop.wait_for(|stop| *stop).await;
    Ok(())
}
