//! `harrier simulate`, the program itself, on a devnet: a target beyond the boundary, a healthy one, and arguments that name nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "a test says what it expects")]

use alloy::primitives::{Address, I256, U256};
use harrier::devnet::{Devnet, DevnetConfig, SearcherFacts};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;

struct Program {
    config: PathBuf,
    secrets: Vec<(String, String)>,
}

struct Said {
    code: i32,
    out: String,
    errors: String,
}

impl Program {
    fn new(devnet: &Devnet, folder: &Path) -> Self {
        let ledger = folder.join("ledger.sqlite");
        let searcher = SearcherFacts { executor: None, receiver: devnet.owner().unwrap().address(), ledger: &ledger };
        let (config, _) = devnet.searcher(&searcher, &[]).unwrap();
        let path = folder.join("devnet.toml");
        std::fs::write(&path, config.to_toml().unwrap()).unwrap();
        Self { config: path, secrets: devnet.secrets().unwrap() }
    }

    async fn simulate(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harrier"));
        command.arg("simulate").args(arguments).arg("--config").arg(&self.config).envs(self.secrets.iter().cloned());
        let output = command.stdin(Stdio::null()).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code().unwrap(), out: text(output.stdout), errors: text(output.stderr) }
    }

    async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let said = self.simulate(&[arguments, &["--json"]].concat()).await;
        assert_eq!(said.code, 0, "{}", said.errors);
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn number(value: &Value) -> U256 {
    value.as_str().unwrap_or_else(|| panic!("{value}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_planned_sized_and_simulated_or_said_to_be_healthy() {
    let devnet = Devnet::start(DevnetConfig::default()).await.unwrap();
    let people = devnet.story().borrower("alice").health(1_020_000_000_000_000_000).borrower("bob").health(1_500_000_000_000_000_000).open().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new(&devnet, folder.path());
    let market = people[0].market_id.to_string();
    let [alice, bob] = [&people[0], &people[1]].map(|borrower| borrower.person.address().to_string());

    let lines = program.json(&[&market, &alice]).await;
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["reason"], &lines[0]["place"], &lines[0]["status"]), (&"healthy".into(), &"within".into(), &"skipped".into()));
    assert!(number(&lines[0]["key"]) <= number(&lines[0]["boundary"]));
    assert!(!lines[0]["detail"].as_str().unwrap().is_empty());

    let fall = devnet.answer("ETH/USD").await.unwrap() * I256::try_from(95).unwrap() / I256::try_from(100).unwrap();
    devnet.price_mined("ETH/USD", fall).await.unwrap();
    let lines = program.json(&[&market[..10], &alice, "--trace"]).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    assert_eq!((&line["status"], &line["action"], &line["place"]), (&"candidate".into(), &"liquidate".into(), &"beyond".into()), "{line}");
    assert!(number(&line["key"]) > number(&line["boundary"]));
    for positive in ["repay", "seized", "profit_wei", "size"] {
        assert!(number(&line[positive]) > U256::ZERO, "{positive} in {line}");
    }
    for positive in ["gas_used", "calldata_bytes", "simulations"] {
        assert!(line[positive].as_u64().unwrap() > 0, "{positive} in {line}");
    }
    let tree = line["trace"].as_str().unwrap();
    let contracts = devnet.contracts();
    assert!(tree.starts_with(&format!("  [{}] ", line["gas_used"])) || tree.trim_start().starts_with(&format!("[{}] ", line["gas_used"])), "{tree}");
    let called = |address: Address| tree.contains(&format!("{address}::"));
    assert!(called(contracts.morpho) && called(contracts.token("USDC").unwrap().address), "{tree}");
    assert!(contracts.pools.iter().any(|pool| called(pool.address)), "{tree}");

    let said = program.simulate(&[&market, &alice, "--trace"]).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    for words in
        ["action    liquidate", "order     key", "beyond", "repay     ", "USDC", "seized    ", "payment   ", "profit    ", "calldata  ", "morpho_blue::"]
    {
        assert!(said.out.contains(words), "{words} in\n{}", said.out);
    }
    println!("{}", said.out);
    let said = program.simulate(&[&market, &bob]).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    assert!(said.out.contains("within") && said.out.contains("healthy   nothing to do"), "{}", said.out);
    println!("{}", said.out);

    let nobody = Address::repeat_byte(0x11).to_string();
    for (arguments, words) in [
        (["weth-usdc", alice.as_str()], "is no market id"),
        (["0x0123456789", alice.as_str()], "no market's id begins with 0x0123456789"),
        (["0x", alice.as_str()], "is no market id"),
        ([market.as_str(), "alice"], "is no address"),
        ([market.as_str(), nobody.as_str()], "has no debt in market"),
    ] {
        let said = program.simulate(&arguments).await;
        assert_eq!(said.code, 2, "{arguments:?}: {}", said.errors);
        assert!(said.errors.contains(words), "{arguments:?}: {}", said.errors);
    }
}
