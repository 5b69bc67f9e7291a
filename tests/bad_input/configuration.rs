//! A configuration full of mistakes.

use crate::support::harrier;

const BROKEN: &str = r#"
[chain]
id = "one"

[node]
http = "ftp://127.0.0.1:8545"
timeout_ms = 0
timeout = 5000

[operators]
keys = ["0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"]

[risk]
min_profit_wei = "a lot"
builder_share_bps = 20000

[tokens.USDC]
address = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB49"
decimals = 99

[protocols.morpho_blue]
kind = "morpho"
contract = "0x1234"

[venues]
weth = "WETH"
"#;

#[tokio::test]
async fn every_mistake_of_a_configuration_is_told_at_once_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.toml");
    std::fs::write(&file, BROKEN).unwrap();
    for command in [&["run"][..], &["dry-run"], &["positions"], &["executor", "status"]] {
        let mut arguments = command.to_vec();
        let place = if command[0] == "executor" { 1 } else { arguments.len() };
        arguments.splice(place..place, ["--config", file.to_str().unwrap()]);
        let (code, said) = harrier(&arguments, Vec::new()).await;
        assert_eq!(code, 2, "{command:?}: {said}");
        for key in [
            "chain.id",
            "node.http",
            "node.timeout_ms",
            "node.timeout",
            "operators.keys[0]",
            "risk.min_profit_wei",
            "risk.builder_share_bps",
            "tokens.USDC.decimals",
            "protocols.morpho_blue.kind",
            "protocols.morpho_blue.contract",
            "protocols.morpho_blue.from_block",
            "venues.weth",
        ] {
            assert!(said.lines().any(|line| line.trim_start().starts_with(&format!("{key}:"))), "{command:?} does not name {key}: {said}");
        }
        assert!(!said.contains("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"), "a secret is told: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let absent = folder.path().join("absent.toml");
    let (code, said) = harrier(&["run", "--config", absent.to_str().unwrap()], Vec::new()).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("absent.toml"), "{said}");
    std::fs::write(&file, "[chain\nid = 1").unwrap();
    let (code, said) = harrier(&["run", "--config", file.to_str().unwrap()], Vec::new()).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("not TOML"), "{said}");
}
