//! Entry of the `harrier` command.

use clap::Parser;
use harrier::cli::Cli;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().run().await
}
