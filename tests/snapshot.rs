//! `harrier snapshot` and `harrier dry-run --snapshot`, the program itself: the node is ended, and the answer stays the same to the wei.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "a test says what it expects")]

use alloy::primitives::{I256, U256};
use harrier::{
    config::Config,
    devnet::{Devnet, DevnetConfig, SearcherFacts},
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;

struct Said {
    code: i32,
    out: String,
    errors: String,
}

async fn harrier(config: &Path, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harrier"));
    let output = command.args(arguments).arg("--config").arg(config).stdin(Stdio::null()).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), errors: text(output.stderr) }
}

async fn lines(config: &Path, arguments: &[&str]) -> Vec<Value> {
    let said = harrier(config, arguments).await;
    assert_eq!(said.code, 0, "{arguments:?}: {}", said.errors);
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_without_the_node_is_the_answer_with_it() {
    let devnet = Devnet::start(DevnetConfig::default()).await.unwrap();
    let people = devnet.story().borrower("alice").health(1_020_000_000_000_000_000).borrower("bob").health(1_500_000_000_000_000_000).open().await.unwrap();
    let fall = devnet.answer("ETH/USD").await.unwrap() * I256::try_from(95).unwrap() / I256::try_from(100).unwrap();
    devnet.price_mined("ETH/USD", fall).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.sqlite");
    let searcher = SearcherFacts { executor: None, receiver: devnet.owner().unwrap().address(), ledger: &ledger };
    let (config, _) = devnet.searcher(&searcher, &[]).unwrap();
    let text = config.to_toml().unwrap();
    let with_node = write(folder.path(), "devnet.toml", &text);
    let block = devnet.head().number;

    let expected = lines(&with_node, &["dry-run", "--json", "--block", &block.to_string()]).await;
    let candidates: Vec<&Value> = expected.iter().filter(|line| line["status"] == "candidate").collect();
    assert_eq!(candidates.len(), 1, "{expected:#?}");
    assert!(candidates[0]["profit_wei"].as_str().unwrap().parse::<U256>().unwrap() > U256::ZERO);

    let (file, again) = (folder.path().join("block.snapshot"), folder.path().join("again.snapshot"));
    let (file, again) = (file.to_str().unwrap(), again.to_str().unwrap());
    let said = harrier(&with_node, &["snapshot", file, "--block", &block.to_string()]).await;
    assert_eq!(said.code, 0, "{}", said.errors);
    println!("{}", said.out);
    assert!(said.out.contains(&format!("block      {block}")) && said.out.contains("checked    1 bundles"), "{}", said.out);
    let summary = &lines(&with_node, &["snapshot", again, "--json"]).await[0];
    assert_eq!(summary["block"], block);
    assert_eq!(summary["profit_wei"], candidates[0]["profit_wei"]);
    assert!(summary["accounts"].as_u64().unwrap() > 10 && summary["slots"].as_u64().unwrap() > 20, "{summary}");
    assert_eq!(std::fs::read(file).unwrap(), std::fs::read(again).unwrap(), "the same block is the same bytes");

    // From here on there is no node, and the configuration names none.
    let old_url = devnet.http_url();
    drop(devnet);
    let said = harrier(&with_node, &["dry-run", "--json"]).await;
    assert_eq!(said.code, 1, "{old_url} is gone: {}", said.errors);
    let mut table: toml::Table = toml::from_str(&text).unwrap();
    table.remove("node");
    let without = write(folder.path(), "offline.toml", &toml::to_string(&table).unwrap());
    for config in [&with_node, &without] {
        assert_eq!(lines(config, &["dry-run", "--json", "--snapshot", file]).await, expected);
    }
    let said = harrier(&without, &["dry-run", "--snapshot", file]).await;
    assert!(said.errors.contains("1 bundles would have been sent") && !said.errors.contains("not in the snapshot"), "{}", said.errors);
    let said = harrier(&without, &["dry-run"]).await;
    assert!(said.code == 2 && said.errors.contains("node"), "{}", said.errors);

    // A snapshot has no next head.
    let said = harrier(&without, &["dry-run", "--snapshot", file, "--follow"]).await;
    assert!(said.code == 2 && said.errors.contains("cannot be used with"), "{}", said.errors);

    damaged_and_foreign_files(folder.path(), &without, file).await;
    another_configuration(folder.path(), &table, &people[0].market_id.to_string(), file).await;
}

async fn damaged_and_foreign_files(folder: &Path, config: &Path, file: &str) {
    let bytes = std::fs::read(file).unwrap();
    let mut flipped = bytes.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let mut newer = bytes.clone();
    newer[11] = 2;
    for (name, bytes, words) in [
        ("cut", bytes[..bytes.len() / 2].to_vec(), "it is cut off"),
        ("flipped", flipped, "the snapshot is damaged"),
        ("newer", newer, "has format version 2, this program reads version 1"),
        ("text", b"[chain]\nid = 1\n".to_vec(), "this is no snapshot"),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        let said = harrier(config, &["dry-run", "--snapshot", path.to_str().unwrap()]).await;
        assert!(said.code == 2 && said.errors.contains(words), "{name}: {} {}", said.code, said.errors);
    }
    let said = harrier(config, &["dry-run", "--snapshot", folder.join("absent").to_str().unwrap()]).await;
    assert!(said.code == 2 && said.errors.contains("can't be read"), "{}", said.errors);
}

async fn another_configuration(folder: &Path, table: &toml::Table, market: &str, file: &str) {
    let run = async |name: &str, change: &dyn Fn(&mut toml::Table)| {
        let mut table = table.clone();
        change(&mut table);
        let path = write(folder, name, &toml::to_string(&table).unwrap());
        Config::load_without_node(&path, &harrier::config::Environment::default()).unwrap();
        harrier(&path, &["dry-run", "--json", "--snapshot", file]).await
    };
    let said = run("chain.toml", &|table| {
        table["chain"].as_table_mut().unwrap().insert("id".to_owned(), 31_338.into());
    })
    .await;
    assert!(said.code == 2 && said.errors.contains("the snapshot is of chain 31337, the configuration is for chain 31338"), "{}", said.errors);
    let unknown = format!("0x{}", "ab".repeat(32));
    let said = run("market.toml", &|table| {
        let markets = toml::Value::Array(vec![market.into(), unknown.clone().into()]);
        table["protocols"]["morpho_blue"].as_table_mut().unwrap().insert("markets".to_owned(), markets);
    })
    .await;
    let words = format!("protocols.morpho_blue.markets[1]: the snapshot does not hold the market {unknown}");
    assert!(said.code == 2 && said.errors.contains(&words), "{}", said.errors);
    let nobody = "0x1111111111111111111111111111111111111111";
    let said = run("factory.toml", &|table| {
        table["venues"]["uniswap_v3"].as_table_mut().unwrap().insert("factory".to_owned(), nobody.into());
    })
    .await;
    assert!(said.code == 2 && said.errors.contains("venues.uniswap_v3.factory: the snapshot does not hold"), "{}", said.errors);
    // Pools that nobody looked for then.
    let said = run("tiers.toml", &|table| {
        table["venues"]["uniswap_v3"].as_table_mut().unwrap().insert("fee_tiers".to_owned(), toml::Value::Array(vec![250.into()]));
    })
    .await;
    assert!(said.code == 1 && said.errors.contains("is not in the snapshot of block"), "{} {}", said.code, said.errors);
}
