//! `harrier demo`: liquidations live on a local chain, scene by scene.

use super::{Failure, print, setup};
use crate::{
    config::LogFormat,
    devnet::{
        DevnetConfig, Seed,
        rehearsal::{Accounts, Played, Scene, SceneResult, Stage, flux, fx, thread},
    },
};
use alloy::primitives::{I256, U256};
use std::{path::Path, time::Instant};

/// Arguments of `harrier demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only scenes whose names begin with one of these, for example `thread`, `flux` or `thread-a,fx-e`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// One JSON object with everything at the end, and nothing else.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    // A client that ends while an answer is on its way says so, and each scene ends some.
    setup::logging("error,alloy_transport_ws=off", LogFormat::Text)?;
    let scenes: Vec<&Scene> = thread::scenes().iter().chain(fx::scenes()).chain(flux::scenes()).collect();
    if let Some(unknown) = args.only.iter().find(|only| !scenes.iter().any(|scene| scene.name.starts_with(only.as_str()))) {
        let known: Vec<&str> = scenes.iter().map(|scene| scene.name).collect();
        return Err(Failure::Usage(eyre::eyre!("no scene's name begins with {unknown}; there are {}", known.join(", "))));
    }
    let folder = tempfile::tempdir().map_err(Failure::from_error)?;
    let began = Instant::now();
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| name.starts_with(only.as_str()));
    let mut played = Played::default();
    if thread::scenes().iter().any(|scene| wanted(scene.name)) {
        played.add(first_thread(&args, folder.path(), wanted).await?);
    }
    if fx::scenes().iter().any(|scene| wanted(scene.name)) {
        say(&args, "\nf(x): two long and two short pools with 96 positions, and for each scene a chain and a searcher of its own.\n");
        played.add(fx::play(folder.path(), wanted, |scene| tell(scene, args.json)).await.map_err(Failure::from_error)?);
    }
    if flux::scenes().iter().any(|scene| wanted(scene.name)) {
        say(&args, "\nFlux: vaults for USDC, and for each scene a chain, managers and a searcher of its own.\n");
        played.add(flux::play(folder.path(), wanted, |scene| tell(scene, args.json)).await.map_err(Failure::from_error)?);
    }
    let accounts = Accounts::of(played, began.elapsed());
    if args.json {
        print::json(&accounts);
    } else {
        print_accounts(&accounts);
    }
    if accounts.all_ok() { Ok(()) } else { Err(Failure::NotHeld) }
}

/// The scenes of Morpho Blue and Uniswap V3, on one chain.
async fn first_thread(args: &Args, folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Played, Failure> {
    say(args, "Harrier demo: a local chain with the real Morpho Blue, Uniswap V3 and WETH9, 300 borrowers, and a searcher that follows it.\n");
    let stage = Stage::set(DevnetConfig { seed: Some(Seed::default()), ..DevnetConfig::default() }, folder).await.map_err(Failure::from_error)?;
    let contracts = stage.devnet.contracts();
    say(args, &format!("chain     {} at block {}, {}", stage.devnet.chain_id(), stage.devnet.head().number, stage.devnet.http_url()));
    say(args, &format!("morpho    {} with {} markets", contracts.morpho, contracts.markets.len()));
    say(args, &format!("executor  {}\n", stage.executor));
    stage.play(folder, wanted, |scene| tell(scene, args.json)).await.map_err(Failure::from_error)
}

fn say(args: &Args, text: &str) {
    if !args.json {
        print::line(text);
    }
}

fn tell(scene: &SceneResult, json: bool) {
    if !json {
        print::line(format!("{} {:<9} {}\n               {}", if scene.ok { "ok  " } else { "FAIL" }, scene.name, scene.expected, scene.got));
    }
}

fn print_accounts(accounts: &Accounts) {
    print::line(format!("\nlanded {}  lost {}  skipped {}  in {} s", accounts.landed, accounts.lost, accounts.skipped, accounts.seconds));
    print::line(format!("predicted  {} ether", signed_ether(&accounts.predicted_profit_wei)));
    print::line(format!("realised   {} ether", signed_ether(&accounts.realised_profit_wei)));
    print::line(format!("largest error of a bundle whose inputs were those simulated  {} wei", accounts.max_error_wei));
}

fn signed_ether(wei: &str) -> String {
    let wei: I256 = wei.parse().unwrap_or_default();
    let sign = if wei.is_negative() { "-" } else { "" };
    let size: U256 = wei.unsigned_abs();
    format!("{sign}{}", print::ether(size))
}
