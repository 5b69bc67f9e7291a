//! `harrier executor deploy|status|register-flux`.

use super::{ConfigFile, Failure, print, setup};
use crate::{
    config::{Config, Environment},
    drivers::{
        deploy,
        register::{self, RegisterError, Standing},
        start::connect,
    },
};
use std::time::Duration;

/// Arguments of `harrier executor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    #[command(subcommand)]
    command: Command,
}

/// Seconds to wait for a transaction to be mined.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Wait {
    /// Seconds to wait for the transaction to be mined.
    #[arg(long, default_value_t = 180)]
    wait: u64,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Deploy the executor with the configured owner's key, receiver, operators and targets.
    Deploy(Wait),
    /// Compare the executor on chain with the configuration, and look into the registers where it must stand.
    Status,
    /// Have the executor register itself with the factory of each configured Flux deployment. Does nothing where that is done.
    RegisterFlux(Wait),
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let (config, environment) = setup::configured(&args.file)?;
    match args.command {
        Command::Deploy(Wait { wait }) => deploy(config, &environment, Duration::from_secs(wait)).await,
        Command::Status => status(&config, &environment).await,
        Command::RegisterFlux(Wait { wait }) => register_flux(&config, &environment, Duration::from_secs(wait)).await,
    }
}

async fn deploy(mut config: Config, environment: &Environment, wait: Duration) -> Result<(), Failure> {
    let (owner, expected) = deploy::executor_config(&config, environment).map_err(|error| Failure::Usage(error.into()))?;
    // The address that may stand there is the old one; the new one is checked by `status`.
    config.executor.address = None;
    let node = connect(&config, environment).await.map_err(Failure::start)?;
    let deployment = deploy::send(&node, &owner, &expected).await.map_err(Failure::from_error)?;
    print::note(format!("sent {}, waiting to be mined", deployment.transaction));
    deploy::wait(&node, deployment, wait).await.map_err(Failure::from_error)?;
    print::line(deployment.address);
    print::note("put it into the configuration as executor.address");
    Ok(())
}

async fn status(config: &Config, environment: &Environment) -> Result<(), Failure> {
    let (_, expected) = deploy::executor_config(config, environment).map_err(|error| Failure::Usage(error.into()))?;
    let node = connect(config, environment).await.map_err(Failure::start)?;
    let status = deploy::status(&node, config, &expected).await.map_err(Failure::from_error)?;
    print::line(format!("address   {}", status.address));
    print::line(format!(
        "code      {}",
        if status.code_is_ours {
            "as this program has it"
        } else if status.has_code {
            "other code"
        } else {
            "none"
        }
    ));
    print::line(format!("owner     {}", status.owner));
    print::line(format!("receiver  {}", status.receiver));
    print::line(format!("balance   {} ether", print::ether(status.balance)));
    for slot in &status.differing {
        print::line(format!("differs   slot {slot}: operators, targets, receiver or owner are not as configured"));
    }
    let standings = register::standings(&node, config).await.map_err(refused)?;
    for standing in &standings {
        print::line(format!("register  {}", line(standing)));
    }
    let is_held = status.code_is_ours && status.differing.is_empty() && standings.iter().all(|standing| standing.is_registered);
    if is_held { Ok(()) } else { Err(Failure::NotHeld) }
}

async fn register_flux(config: &Config, environment: &Environment, wait: Duration) -> Result<(), Failure> {
    let node = connect(config, environment).await.map_err(Failure::start)?;
    let standings = register::standings(&node, config).await.map_err(refused)?;
    if standings.is_empty() {
        return Err(Failure::Usage(eyre::eyre!("no protocol of kind \"flux\" is configured: there is nothing to register with")));
    }
    let missing: Vec<Standing> = standings.iter().filter(|standing| !standing.is_registered).cloned().collect();
    let standings = if missing.is_empty() {
        print::note("nothing to do");
        standings
    } else {
        let transaction = register::send(&node, config, environment, &missing).await.map_err(refused)?;
        print::note(format!("sent {transaction}, waiting to be mined"));
        register::wait(&node, config, transaction, wait).await.map_err(refused)?
    };
    standings.iter().for_each(|standing| print::line(line(standing)));
    Ok(())
}

fn line(Standing { protocol, registration, is_registered }: &Standing) -> String {
    format!("{protocol} {} {}", registration.register, if *is_registered { "registered" } else { "missing" })
}

/// What the configuration can mend, and what it can't.
fn refused(error: RegisterError) -> Failure {
    match error {
        RegisterError::Missing(_) | RegisterError::Secret(_) | RegisterError::NotOperator { .. } | RegisterError::NotListed(_) => Failure::Usage(error.into()),
        _ => Failure::Failed(error.into()),
    }
}
