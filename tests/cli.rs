//! The commands as a script sees them, against a running devnet: exit codes and the fields of each JSON line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "a test says what it expects")]

mod shell;

use alloy::primitives::{Address, I256, U256};
use harrier::devnet::{DevnetConfig, SearcherFacts, Seed, rehearsal::Stage};
use serde_json::Value;
use shell::Shell;
use std::process::Command;

/// What every JSON line of `run`, `dry-run` and `simulate` carries at least.
const FIELDS: [&str; 16] = [
    "protocol",
    "market",
    "target",
    "action",
    "trigger",
    "debt_token",
    "repay",
    "collateral_token",
    "seized",
    "profit_token",
    "profit",
    "profit_wei",
    "gas_used",
    "builder_payment_wei",
    "status",
    "reason",
];

fn is_whole(line: &Value) {
    for field in FIELDS {
        assert!(line.get(field).is_some(), "{field} is missing in {line}");
    }
    for amount in ["repay", "seized", "profit", "profit_wei", "builder_payment_wei"] {
        let text = line[amount].as_str().unwrap_or_else(|| panic!("{amount} is a decimal string: {line}"));
        assert!(text.parse::<I256>().is_ok() && !text.starts_with("0x"), "{amount} of {line}");
    }
    assert!(line["gas_used"].is_u64());
}

async fn lines(shell: &Shell, arguments: &[&str]) -> Vec<Value> {
    let (code, out, said) = shell.run(arguments, false).await;
    assert_eq!(code, 0, "{arguments:?}: {said}");
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{arguments:?}: no JSON: {line}"))).collect()
}

fn about(lines: &[Value], who: Address) -> &Value {
    lines
        .iter()
        .find(|line| line["target"].as_str().is_some_and(|target| target.parse() == Ok(who)))
        .unwrap_or_else(|| panic!("nothing about {who}: {lines:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_answer_with_whole_json_lines() {
    let folder = tempfile::tempdir().unwrap();
    let seed = Seed { borrowers: 12, ..Seed::default() };
    let stage = Stage::set(DevnetConfig { seed: Some(seed), ..DevnetConfig::default() }, folder.path()).await.unwrap();
    let devnet = &stage.devnet;
    let ledger = folder.path().join("searcher.sqlite");
    let facts = SearcherFacts { executor: Some(stage.executor), receiver: stage.receiver, ledger: &ledger };
    let (config, _) = devnet.searcher(&facts, &[]).unwrap();
    let shell = Shell { file: folder.path().join("harrier.toml"), secrets: devnet.secrets().unwrap() };
    std::fs::write(&shell.file, config.to_toml().unwrap()).unwrap();

    let people = devnet.story().borrower("olga").health(1_005_000_000_000_000_000);
    let people = people.borrower("otto").collateral(U256::from(1_000_000_000_000_000_u64)).health(1_005_000_000_000_000_000).open().await.unwrap();
    let (olga, otto) = (people[0].person.address(), people[1].person.address());
    let healthy_at = devnet.head().number;
    let answer = devnet.answer("ETH/USD").await.unwrap();
    devnet.price_mined("ETH/USD", answer - answer * I256::unchecked_from(7) / I256::unchecked_from(1_000)).await.unwrap();

    // One block's answer, without any key.
    let rows = lines(&shell, &["dry-run", "--json"]).await;
    rows.iter().for_each(is_whole);
    let line = about(&rows, olga);
    assert_eq!((line["status"].as_str(), line["action"].as_str(), line["reason"].as_str()), (Some("candidate"), Some("liquidate"), Some("")));
    let tokens = &devnet.contracts().tokens;
    let token = |field: &str| line[field].as_str().unwrap().parse::<Address>().unwrap();
    assert_eq!(
        (token("debt_token"), token("collateral_token"), token("profit_token")),
        (tokens["USDC"].address, tokens["WETH"].address, tokens["WETH"].address)
    );
    let wei: U256 = line["profit_wei"].as_str().unwrap().parse().unwrap();
    assert!(wei > config.risk.min_profit_wei);
    let dust = about(&rows, otto);
    assert_eq!((dust["status"].as_str(), dust["reason"].as_str()), (Some("skipped"), Some("unprofitable")));

    // The same question again has the same answer, and an earlier block has its own.
    assert_eq!(lines(&shell, &["dry-run", "--json", "--block", &devnet.head().number.to_string()]).await, rows);
    let earlier = lines(&shell, &["dry-run", "--json", "--block", &healthy_at.to_string()]).await;
    earlier.iter().for_each(is_whole);
    assert!(earlier.iter().all(|line| line["status"] == "skipped"), "{earlier:#?}");

    // Positions: everybody in debt, the riskiest of a market first.
    let positions = lines(&shell, &["positions", "--json"]).await;
    assert_eq!(positions.len(), 14);
    for row in &positions {
        for field in ["protocol", "market", "target", "debt_token", "collateral_token", "debt", "collateral", "place"] {
            assert!(row[field].is_string(), "{field} of {row}");
        }
    }
    let market = people[0].market_id.to_string();
    let of_market: Vec<&Value> = positions.iter().filter(|row| row["market"] == market.as_str()).collect();
    let percents: Vec<u64> = of_market.iter().filter_map(|row| row["boundary_percent"].as_u64()).collect();
    assert!(percents.is_sorted_by(|one, other| one >= other), "{percents:?}");
    assert!(about(&positions, olga)["boundary_percent"].as_u64().unwrap() >= 100);

    // Markets: all of them, with what the contract says of them.
    let markets = lines(&shell, &["markets", "--json"]).await;
    assert_eq!(markets.len(), devnet.contracts().markets.len());
    let of = |id: &str| markets.iter().find(|row| row["market"] == id).unwrap_or_else(|| panic!("{id} in {markets:#?}"));
    let row = of(&market);
    assert_eq!((row["status"].as_str(), row["parameters"]["lltv"].is_string()), (Some("open"), true), "{row}");
    assert!(row["beyond"].as_u64().unwrap() >= 2, "olga and otto: {row}");
    assert!(row["boundary"].as_str().unwrap().parse::<U256>().is_ok() && row["price"].is_string(), "{row}");
    let known: u64 = markets.iter().filter_map(|row| row["targets"].as_u64()).sum();
    assert_eq!(known, 14);

    // One target, with its call tree.
    let simulated = lines(&shell, &["simulate", &market[..12], &olga.to_string(), "--json", "--trace"]).await;
    simulated.iter().for_each(is_whole);
    let one = about(&simulated, olga);
    assert_eq!((one["profit_wei"].clone(), one["seized"].clone()), (line["profit_wei"].clone(), line["seized"].clone()), "alone it is what it is among others");
    // Functions stand there by their selector: this one is Morpho's `liquidate`.
    assert!(one["trace"].as_str().unwrap().contains(&format!("{}::d8eabcb8", devnet.contracts().morpho)), "{one}");

    // The executor is what was deployed; whoever has no keys can't say.
    let (code, out, said) = shell.run(&["executor", "status"], true).await;
    assert_eq!(code, 0, "{out} {said}");
    assert!(out.contains("as this program has it") && out.contains(&stage.executor.to_string()), "{out}");
    let (code, _, said) = shell.run(&["run"], false).await;
    assert_eq!(code, 2, "{said}");
    for key in ["operators.keys[0]", "operators.keys[3]", "relays[0].identity"] {
        assert!(said.contains(key), "{key} can't be read, and {said}");
    }
    assert!(!ledger.exists(), "a dry-run never touches the ledger of live runs");
}

#[test]
fn a_demo_tells_its_scenes_in_one_object_and_refuses_unknown_ones() {
    let demo = |only: &str| Command::new(env!("CARGO_BIN_EXE_harrier")).args(["demo", "--json", "--only", only]).output().unwrap();
    let output = demo("fx-a,fx-n,flux-a");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let scenes = told["scenarios"].as_array().unwrap();
    let names: Vec<&str> = scenes.iter().map(|scene| scene["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fx-a", "fx-n", "flux-a"]);
    assert!(scenes.iter().all(|scene| scene["ok"] == true && scene["expected"].is_string() && scene["got"].is_string()), "{scenes:#?}");
    assert_eq!((told["landed"].as_u64(), told["max_error_wei"].as_str()), (Some(4), Some("0")));
    assert_eq!(told["predicted_profit_wei"], told["realised_profit_wei"]);
    let unknown = demo("fx-z");
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(unknown.status.code() == Some(2) && said.contains("fx-z") && said.contains("fx-a"), "{said}");
}
