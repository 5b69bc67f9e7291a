//! `harrier executor deploy|status`.

use super::{ConfigFile, Failure, print, setup};
use crate::drivers::{deploy, start::connect};
use std::time::Duration;

/// Arguments of `harrier executor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Deploy the executor with the configured owner's key, receiver, operators and targets.
    Deploy {
        /// Seconds to wait for the transaction to be mined.
        #[arg(long, default_value_t = 180)]
        wait: u64,
    },
    /// Compare the executor on chain with the configuration.
    Status,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let (mut config, environment) = setup::configured(&args.file)?;
    let (owner, expected) = deploy::executor_config(&config, &environment).map_err(|error| Failure::Usage(error.into()))?;
    match args.command {
        Command::Deploy { wait } => {
            // The address that may stand there is the old one; the new one is checked by `status`.
            config.executor.address = None;
            let node = connect(&config, &environment).await.map_err(Failure::start)?;
            let deployment = deploy::send(&node, &owner, &expected).await.map_err(Failure::from_error)?;
            print::note(format!("sent {}, waiting to be mined", deployment.transaction));
            deploy::wait(&node, deployment, Duration::from_secs(wait)).await.map_err(Failure::from_error)?;
            print::line(deployment.address);
            print::note("put it into the configuration as executor.address");
            Ok(())
        }
        Command::Status => {
            let node = connect(&config, &environment).await.map_err(Failure::start)?;
            let status = deploy::status(&node, &config, &expected).await.map_err(Failure::from_error)?;
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
            if status.code_is_ours && status.differing.is_empty() { Ok(()) } else { Err(Failure::NotHeld) }
        }
    }
}
