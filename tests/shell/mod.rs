//! The program as a script runs it.

use std::{path::PathBuf, process::Command};

/// A configuration and its secrets.
pub(crate) struct Shell {
    /// Its configuration.
    pub(crate) file: PathBuf,
    /// What the configuration refers to, by the names of environment variables.
    pub(crate) secrets: Vec<(String, String)>,
}

impl Shell {
    /// Runs a command; its exit code, its output and what it said beside it. Keys are given only where `keys` says so.
    pub(crate) async fn run(&self, arguments: &[&str], keys: bool) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harrier"));
        command.args(arguments).env("HARRIER_CONFIG", &self.file);
        if keys {
            command.envs(self.secrets.iter().cloned());
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }
}
