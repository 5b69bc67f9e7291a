use super::*;
use alloy::{
    primitives::{U256, address},
    providers::ProviderBuilder,
};

const MAINNET: &str = include_str!("../../config/mainnet.toml");
const DEVNET: &str = include_str!("../../config/devnet.toml");
const KEY: &str = "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";

/// The key without its prefix.
fn bare_key() -> &'static str {
    KEY.trim_start_matches("0x")
}

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs.iter().copied().collect()
}

fn mistakes(text: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    match Config::parse("test.toml", text, &environment(pairs)) {
        Ok(_) => Vec::new(),
        Err(error) => {
            assert!(!error.to_string().contains(bare_key()), "the key is shown: {error}");
            assert!(!format!("{error:?}").contains(bare_key()), "the key is shown");
            assert!(!error.mistakes().is_empty(), "{error}");
            error.mistakes().iter().map(ToString::to_string).collect()
        }
    }
}

fn devnet_facts() -> Table {
    toml::from_str(
        r#"
        [node]
        http = "http://127.0.0.1:8545"
        ws = "ws://127.0.0.1:8545"
        [executor]
        address = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
        profit_receiver = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
        [[relays]]
        name = "devnet"
        url = "http://127.0.0.1:8545/relay"
        identity = "env:HARRIER_RELAY_IDENTITY"
        optional_fields = ["dropping_tx_hashes", "replacement_uuid"]
        [tokens.WETH]
        address = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
        decimals = 18
        [protocols.morpho_blue]
        kind = "morpho_blue"
        contract = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"
        from_block = 0
        [protocols.morpho_blue.min_debt]
        WETH = 5
        [venues]
        weth = "WETH"
        [venues.uniswap_v3]
        factory = "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9"
        [flash]
        morpho_blue = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"
        "#,
    )
    .unwrap()
}

fn devnet() -> Config {
    Config::parse_filled("devnet.toml", DEVNET, &devnet_facts(), &Environment::default()).unwrap()
}

#[test]
fn the_committed_mainnet_file_is_valid_without_any_environment() {
    let config = Config::parse("mainnet.toml", MAINNET, &Environment::default()).unwrap();
    assert_eq!(config.chain.id, 1);
    assert_eq!(config.chain.hardfork_at(1_800_000_000), Some(Hardfork::Bpo2));
    assert_eq!(config.chain.hardfork_at(1_764_798_550), Some(Hardfork::Prague));
    assert_eq!((config.chain.hardfork_at(1_765_290_070), config.chain.hardfork_at(1_765_290_071)), (Some(Hardfork::Osaka), Some(Hardfork::Bpo1)));
    assert_eq!(config.chain.hardfork_at(1_600_000_000), None);
    assert_eq!(config.tokens.len(), 14);
    assert_eq!(config.venues.weth, address!("C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"));
    let morpho = &config.protocols["morpho_blue"];
    let ProtocolKind::MorphoBlue(own) = &morpho.kind else { panic!("{morpho:?}") };
    assert_eq!(own.min_debt[&config.venues.weth], U256::from(30_000_000_000_000_000_u64));
    let ProtocolKind::Fx(own) = &config.protocols["fx"].kind else { panic!("fx") };
    assert_eq!((config.symbol_of(own.fx_usd), config.symbol_of(own.stable)), (Some("fxUSD"), Some("USDC")));
    assert_eq!(config.symbol_of(config.venues.weth), Some("WETH"));
}

#[test]
fn each_protocol_is_told_what_belongs_to_it_and_nothing_else() {
    let fx = r#"
        [protocols.p]
        kind = "fx"
        contract = "0x250893CA4Ba5d05626C785e8da758026928FCD24"
        from_block = 1
        markets = ["0x6Ecfa38FeE8a5277B91eFdA204c235814F0122E8"]
    "#;
    let base = MAINNET.replace("[protocols.fx]", "[protocols.other]");
    let mistakes = |text: &str| Config::parse("m.toml", &format!("{base}\n{text}"), &Environment::default()).unwrap_err().to_string();
    let told = mistakes(fx);
    for key in ["short_manager", "base_pool", "fx_usd", "stable"] {
        assert!(told.contains(&format!("protocols.p.{key}")), "{told}");
    }
    assert!(!told.contains("protocols.p.markets"), "an address is a market: {told}");
    let dust = format!("{fx}\n[protocols.p.min_debt]\nUSDC = 1");
    assert!(mistakes(&dust).contains("protocols.p.min_debt"), "{}", mistakes(&dust));
    assert!(mistakes(&fx.replace("0x6Ecfa38FeE8a5277B91eFdA204c235814F0122E8", "0x6Ecf")).contains("protocols.p.markets[0]"));
}

#[test]
fn flux_names_its_vaults() {
    let flux = r#"
        [protocols.p]
        kind = "flux"
        contract = "0x250893CA4Ba5d05626C785e8da758026928FCD24"
        from_block = 1
        markets = ["0x6Ecfa38FeE8a5277B91eFdA204c235814F0122E8"]
    "#;
    let parse = |text: &str| Config::parse("m.toml", &format!("{MAINNET}\n{text}"), &Environment::default());
    let config = parse(flux).unwrap();
    let ProtocolKind::Flux(own) = &config.protocols["p"].kind else { panic!("flux") };
    assert!(!own.partial, "an extension is off unless it is asked for");
    assert_eq!((own.dust_usd, own.additional_wrappers.len()), (10, 0));
    assert_eq!(own.keeper_gas_budget_wei, None, "nobody pays for others without being told to");
    let keeper = parse(&format!("{flux}\nkeeper_gas_budget_wei = \"5000000000000000\"")).unwrap();
    let ProtocolKind::Flux(told) = &keeper.protocols["p"].kind else { panic!("flux") };
    assert_eq!((told.keeper_gas_budget_wei, told.keeper_tip_wei, told.keeper_min_repay_usd), (Some(U256::from(5_000_000_000_000_000_u64)), 100_000_000, 100));
    assert_eq!(Config::parse("again.toml", &keeper.to_toml().unwrap(), &Environment::default()).unwrap(), keeper);
    assert!(parse(&format!("{flux}\nkeeper_gas_budget_wei = \"much\"")).unwrap_err().to_string().contains("protocols.p.keeper_gas_budget_wei"));
    let vault = config.protocols["p"].markets[0];
    assert!(contracts(&config).contains(&("protocols.p.markets[0]".to_owned(), Address::from_word(vault.0))));
    let without = flux.replace("markets = [\"0x6Ecfa38FeE8a5277B91eFdA204c235814F0122E8\"]", "");
    assert!(parse(&without).unwrap_err().to_string().contains("protocols.p.markets"));
    assert!(parse(&format!("{flux}\npartial = \"yes\"")).unwrap_err().to_string().contains("protocols.p.partial"));
}

#[test]
fn the_devnet_template_misses_exactly_what_the_devnet_deploys() {
    assert_eq!(mistakes(DEVNET, &[]), ["node.http: is missing, and so is ws; one of them must be there", "venues: is missing", "protocols: is missing"]);
    let config = devnet();
    assert_eq!(config.chain.slot_seconds, 12);
    assert_eq!(config.operators.keys.len(), 4);
}

#[test]
fn what_is_written_reads_back_the_same() {
    for config in [devnet(), Config::parse("mainnet.toml", MAINNET, &Environment::default()).unwrap()] {
        let text = config.to_toml().unwrap();
        assert_eq!(Config::parse("written.toml", &text, &Environment::default()).unwrap(), config, "{text}");
    }
}

#[test]
fn every_mistake_is_reported_at_once_with_its_key_path() {
    let text = format!(
        r#"
        typo = 1
        [chain]
        id = "one"
        [node]
        http = "ftp://example.org"
        timeout_ms = 0
        [operators]
        keys = ["env:A", "{KEY}", 12345, {{ keystore = "k.json", password = "{KEY}" }}, "env:A"]
        [[relays]]
        name = "r"
        sign = true
        colour = "red"
        optional_fields = ["replacement_uuid", "wings"]
        [tokens.WETH]
        address = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756CC2"
        decimals = 18.5
        [protocols.p]
        kind = "bank"
        contract = "0x0000000000000000000000000000000000000000"
        [protocols.p.min_debt]
        NOPE = -1
        [venues]
        weth = "WETH"
        [risk]
        tolerance_bps = 10000
        min_profit_wei = "12x"
        deny_tokens = ["0x12"]
        "#
    );
    let found = mistakes(&text, &[]);
    let paths: Vec<&str> = found.iter().filter_map(|line| line.split(": ").next()).collect();
    for path in [
        "typo",
        "chain.id",
        "node.http",
        "node.timeout_ms",
        "operators.keys[1]",
        "operators.keys[2]",
        "operators.keys[3]",
        "relays[0].url",
        "relays[0].identity",
        "relays[0].colour",
        "relays[0].optional_fields[1]",
        "tokens.WETH.address",
        "tokens.WETH.decimals",
        "protocols.p.kind",
        "protocols.p.contract",
        "protocols.p.from_block",
        "protocols.p.min_debt.NOPE",
        "risk.tolerance_bps",
        "risk.min_profit_wei",
        "risk.deny_tokens[0]",
    ] {
        assert!(paths.contains(&path), "{path} is not among\n{}", found.join("\n"));
    }
}

#[test]
fn duplicates_are_named() {
    let text =
        MAINNET.replace("\"env:HARRIER_OPERATOR_2\"", "\"env:HARRIER_OPERATOR_1\"").replace("\"env:HARRIER_RELAY_IDENTITY\"", "\"env:HARRIER_OPERATOR_3\"");
    let text = text.replace("0xdAC17F958D2ee523a2206206994597C13D831ec7", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48");
    assert_eq!(
        mistakes(&text, &[]),
        [
            "operators.keys[1]: is the same as operators.keys[0]",
            "tokens.USDT.address: is the same as tokens.USDC.address",
            "relays[0].identity: is the same as operators.keys[2]"
        ]
    );
}

#[test]
fn a_syntax_error_names_its_line_and_repeats_nothing() {
    let error = Config::parse("x.toml", &format!("[node]\n\nkey = {KEY}z\n"), &Environment::default()).unwrap_err();
    assert!(error.to_string().contains("(line 3)"), "{error}");
    assert!(!error.to_string().contains(bare_key()));
    assert!(!format!("{error:?}").contains(bare_key()));
}

#[test]
fn the_environment_lies_over_the_file() {
    let pairs = [
        ("HARRIER__risk__min_profit_wei", "7"),
        ("HARRIER__node__http", "http://127.0.0.1:1"),
        ("HARRIER__relays__0__timeout_ms", "123"),
        ("HARRIER__operators__keys__1", "file:/nowhere"),
        ("HARRIER__risk__deny_borrowers", "[\"0x70997970c51812dc3a010c7d01b50e0d17dc79c8\"]"),
        ("HARRIER__tokens__LINK", "{ address = \"0x514910771AF9Ca656af840dff83E8264EcF986CA\", decimals = 18 }"),
        ("HARRIER_VECTORS", "not ours"),
        ("OTHER", "x"),
    ];
    let config = Config::parse("mainnet.toml", MAINNET, &environment(&pairs)).unwrap();
    assert_eq!(config.risk.min_profit_wei, U256::from(7));
    assert_eq!(config.node.http.as_ref().unwrap().to_string(), "http://127.0.0.1:1");
    assert_eq!(config.relays[0].timeout_ms, 123);
    assert_eq!(config.operators.keys[1], KeyRef::Hex(SecretRef::File("/nowhere".into())));
    assert_eq!(config.risk.deny_borrowers, [address!("70997970c51812dc3a010c7d01b50e0d17dc79c8")]);
    assert!(config.tokens.contains_key("LINK"));

    let wrong = [("HARRIER__relays__7__timeout_ms", "1"), ("HARRIER__chain__id__deep", "1"), ("HARRIER__risk____x", "1"), ("HARRIER__engine__x", "1")];
    let found = mistakes(MAINNET, &wrong);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[0].starts_with("environment HARRIER__chain__id__deep: "), "{found:?}");
}

#[test]
fn chains_that_are_not_modelled_are_refused_and_unknown_ones_described() {
    for (id, word) in [(10, "OP stack"), (8453, "OP stack"), (42_161, "Arbitrum"), (56, "Moolah")] {
        let found = mistakes(&MAINNET.replace("id = 1\n", &format!("id = {id}\n")), &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("chain.id: ") && found[0].contains(word), "{found:?}");
    }
    let unknown = MAINNET.replace("id = 1\n", "id = 777777\n");
    let found = mistakes(&unknown, &[]);
    assert_eq!(found.len(), 6, "{found:?}");
    let described = MAINNET.replace(
        "id = 1\n",
        "id = 777777\nslot_seconds = 5\nbase_fee = \"ethereum\"\ngas_fee = \"ethereum\"\nsubmission = \"bundles\"\nroll = \"reread\"\nhardforks = [{ name = \"prague\", timestamp = 0 }, { name = \"osaka\", timestamp = 9 }]\n",
    );
    let config = Config::parse("x", &described, &Environment::default()).unwrap();
    assert_eq!((config.chain.hardfork_at(8), config.chain.hardfork_at(9)), (Some(Hardfork::Prague), Some(Hardfork::Osaka)));
    assert_eq!(config.roll(), Roll::Reread);
    // What is said of the node wins.
    let traced = described.replace("[node]\n", "[node]\nroll = \"trace\"\n");
    assert_eq!(Config::parse("x", &traced, &Environment::default()).unwrap().roll(), Roll::Trace);
    let guessed = described.replace("[node]\n", "[node]\nroll = \"guess\"\n");
    assert_eq!(mistakes(&guessed, &[]), ["node.roll: must be one of auto, trace, replay, reread"]);
    let falling = described.replace("timestamp = 9", "timestamp = 9 }, { name = \"cancun\", timestamp = 10");
    assert_eq!(mistakes(&falling, &[]), ["chain.hardforks[2].name: hardforks must rise in order and time"]);
}

#[test]
fn secrets_are_read_late_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let environment = environment(&[("K", KEY), ("EMPTY", ""), ("URL", "https://user:pass@node.example/v2/topsecret")]);
    for reference in [SecretRef::Env("K".into()), SecretRef::File(file.clone())] {
        let secret = reference.resolve(&environment).unwrap();
        assert_eq!(secret.expose(), KEY);
        assert!(!format!("{secret:?}").contains(bare_key()));
        let signer = KeyRef::Hex(reference).open(&environment).unwrap();
        assert_eq!(signer.address(), address!("2c7536E3605D9C16a7a3D7b1898e529396a65c23"));
    }
    assert!(matches!(SecretRef::Env("NONE".into()).resolve(&environment), Err(SecretError::NotSet(_))));
    assert!(matches!(SecretRef::Env("EMPTY".into()).resolve(&environment), Err(SecretError::Empty(_))));
    std::fs::write(&file, "nonsense").unwrap();
    assert!(matches!(KeyRef::Hex(SecretRef::File(file)).open(&environment), Err(SecretError::NotAKey(_))));

    let url = UrlRef::Secret(SecretRef::Env("URL".into()));
    let resolved = UrlRef::plain(url.http(&environment).unwrap());
    assert_eq!(resolved.to_string(), "https://node.example");
    assert!(!format!("{resolved:?}").contains("topsecret"));
    assert!(matches!(url.websocket(&environment), Err(SecretError::NotAUrl(..))));
    assert!(!format!("{environment:?}").contains("topsecret"));
}

#[test]
fn sending_needs_more_than_looking() {
    let config = Config::parse("mainnet.toml", MAINNET, &Environment::default()).unwrap();
    let key = |last: u8| format!("0x{last:064x}");
    let (one, two, three) = (key(1), key(2), key(3));
    let pairs = [
        ("HARRIER_OPERATOR_1", one.as_str()),
        ("HARRIER_OPERATOR_2", two.as_str()),
        ("HARRIER_OPERATOR_3", three.as_str()),
        ("HARRIER_RELAY_IDENTITY", one.as_str()),
    ];
    let error = config.check_ready_to_send(&environment(&pairs)).unwrap_err();
    let found: Vec<String> = error.mistakes().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "executor.address: is missing",
            "executor.profit_receiver: is missing",
            "operators.keys[3]: the environment variable HARRIER_OPERATOR_4 is not set",
            "relays[0].identity: is the same as operators.keys[0]",
        ]
    );
    let keys = [
        ("HARRIER_OPERATOR_1", key(1)),
        ("HARRIER_OPERATOR_2", key(2)),
        ("HARRIER_OPERATOR_3", key(3)),
        ("HARRIER_OPERATOR_4", key(4)),
        ("HARRIER_RELAY_IDENTITY", key(5)),
    ];
    devnet().check_ready_to_send(&keys.into_iter().collect()).unwrap();
}

/// A JSON-RPC server that answers what a table says; the client and its transport are the real ones.
async fn node(answer: fn(&str, &serde_json::Value) -> serde_json::Value) -> String {
    use axum::{Json, Router, routing::post};
    let app = Router::new().route(
        "/",
        post(move |Json(request): Json<serde_json::Value>| async move {
            let mut reply = answer(request["method"].as_str().unwrap(), &request["params"]);
            reply["jsonrpc"] = "2.0".into();
            reply["id"] = request["id"].clone();
            Json(reply)
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn the_chain_disagrees_in_every_point_it_can() {
    let url = node(|method, params| match method {
        "eth_chainId" => serde_json::json!({"result": "0x1"}),
        // No code at the factory.
        "eth_getCode" if params[0].as_str().unwrap().eq_ignore_ascii_case("0x1F98431c8aD98523631AE4a59f267346ea31F984") => serde_json::json!({"result": "0x"}),
        "eth_getCode" => serde_json::json!({"result": "0x60"}),
        "eth_call" => {
            let input = params[0]["input"].as_str().or_else(|| params[0]["data"].as_str()).unwrap();
            if input.starts_with("0x313ce567") {
                serde_json::json!({"result": format!("0x{:064x}", 18)})
            } else {
                serde_json::json!({"error": {"code": 3, "message": "execution reverted"}})
            }
        }
        other => serde_json::json!({"error": {"code": -32601, "message": format!("no {other}")}}),
    })
    .await;
    let config = Config::parse("mainnet.toml", MAINNET, &Environment::default()).unwrap();
    let provider = ProviderBuilder::new().disable_recommended_fillers().network::<alloy::network::AnyNetwork>().connect_http(url.parse().unwrap());
    let error = check_on_chain(&config, &provider).await.unwrap_err();
    let OnChainError::Mistakes(error) = error else { panic!("{error}") };
    let found: Vec<String> = error.mistakes().iter().map(ToString::to_string).collect();
    assert!(found.contains(&"venues.uniswap_v3.factory: there is no code at 0x1F98431c8aD98523631AE4a59f267346ea31F984".to_owned()), "{found:#?}");
    assert!(found.contains(&"tokens.USDC.decimals: is 6, but the contract says 18".to_owned()), "{found:#?}");
    assert_eq!(found.iter().filter(|line| line.contains("symbol: 0x")).count(), 14, "{found:#?}");
    assert_eq!(found.len(), 1 + 4 + 14, "{found:#?}");
}

#[tokio::test]
async fn another_chain_id_is_said_first_and_a_late_node_is_late() {
    let url = node(|_, _| serde_json::json!({"result": "0x5"})).await;
    let mut config = Config::parse("mainnet.toml", MAINNET, &Environment::default()).unwrap();
    let connect = |url: &str| ProviderBuilder::new().disable_recommended_fillers().network::<alloy::network::AnyNetwork>().connect_http(url.parse().unwrap());
    let OnChainError::Mistakes(error) = check_on_chain(&config, &connect(&url)).await.unwrap_err() else { panic!() };
    assert_eq!(error.mistakes()[0].to_string(), "chain.id: is 1, but the node says 5");

    // It takes the connection and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    config.node.timeout_ms = 50;
    let late = format!("http://{}", listener.local_addr().unwrap());
    assert!(matches!(check_on_chain(&config, &connect(&late)).await.unwrap_err(), OnChainError::Late { call: "eth_chainId", .. }));
}
