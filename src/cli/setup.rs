//! What most commands begin with: configuration, log lines, progress bars, an interrupt.

use super::{ConfigFile, Failure};
use crate::{
    config::{Config, Environment, LogFormat},
    drivers::discovery::Progress,
    plan::ProtocolId,
};
use eyre::WrapErr;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Reads the configuration and sends log lines to standard error.
pub(super) fn configured(file: &ConfigFile) -> Result<(Config, Environment), Failure> {
    let environment = Environment::of_process();
    let config = Config::load(&file.config, &environment).map_err(|error| Failure::Usage(error.into()))?;
    logging(&config.log.filter, config.log.format).map_err(Failure::Usage)?;
    Ok((config, environment))
}

/// The same for a run that asks no node.
pub(super) fn configured_without_node(file: &ConfigFile) -> Result<Config, Failure> {
    let environment = Environment::of_process();
    let config = Config::load_without_node(&file.config, &environment).map_err(|error| Failure::Usage(error.into()))?;
    logging(&config.log.filter, config.log.format).map_err(Failure::Usage)?;
    Ok(config)
}

/// Sends log lines that pass `filter` to standard error; standard output belongs to the command. A second call changes nothing.
pub(super) fn logging(filter: &str, format: LogFormat) -> eyre::Result<()> {
    let filter = EnvFilter::try_from_env("HARRIER_LOG").or_else(|_| EnvFilter::try_new(filter)).wrap_err("log.filter")?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Somebody else may have set a subscriber already, as tests do.
    let _already_set = match format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    Ok(())
}

/// A progress bar on the terminal; nothing where there is none.
#[derive(Debug, Default)]
pub(super) struct Bar(Mutex<Option<ProgressBar>>);

impl Progress for Bar {
    fn at(&self, protocol: &ProtocolId, done: u64, all: u64) {
        let mut bar = self.0.lock();
        let bar = bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} blocks, {eta} left").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(all).with_style(style)
        });
        bar.set_length(all);
        bar.set_message(format!("reading logs of {protocol}"));
        bar.set_position(done);
        if done >= all {
            bar.finish_and_clear();
        }
    }
}

/// Turns true when the process is asked to stop.
pub(super) fn interrupted() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let terminated = async {
            match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(mut signal) => {
                    signal.recv().await;
                }
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = terminated => {}
        }
        // Nobody listens any more when the command has ended by itself.
        let _ended = stop.send(true);
    });
    stopped
}
