//! A chain or a devnet, and how the tests talk to it.

use alloy::{
    primitives::{Address, B256, Bytes, I256, U256, address, hex, keccak256},
    providers::ext::sign_flashbots_payload,
    signers::local::PrivateKeySigner,
    transports::http::reqwest,
};
use harrier::devnet::{BlockReport, Chain, ChainConfig, Devnet, DevnetConfig, Person, people::Draft};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const GWEI: u128 = 1_000_000_000;
pub(crate) const NOBODY: Address = address!("00000000000000000000000000000000000000aa");
/// What waits for something that surely happens.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) async fn chain() -> Chain {
    Chain::start(ChainConfig::default()).await.unwrap()
}

pub(crate) async fn devnet() -> Devnet {
    Devnet::start(DevnetConfig::default()).await.unwrap()
}

pub(crate) fn identity(name: &str) -> PrivateKeySigner {
    Person::named(name).signer().clone()
}

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap()
}

/// One JSON-RPC call through the front.
pub(crate) async fn rpc(chain: &Chain, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string();
    let text = http().post(chain.http_url()).body(body).send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["id"], 7, "{answer}");
    answer
}

pub(crate) async fn result(chain: &Chain, method: &str, params: Value) -> Value {
    let answer = rpc(chain, method, params).await;
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].clone()
}

pub(crate) async fn error(chain: &Chain, method: &str, params: Value) -> String {
    let answer = rpc(chain, method, params).await;
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{method} should fail: {answer}")).to_owned()
}

/// A signed request to a relay: status and body.
pub(crate) async fn relay_at(url: &str, who: &PrivateKeySigner, method: &str, params: Value) -> (u16, String) {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let header = sign_flashbots_payload(body.clone(), who).await.unwrap();
    let response = http().post(url).header("X-Flashbots-Signature", header).body(body).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

pub(crate) async fn relay(chain: &Chain, who: &PrivateKeySigner, method: &str, params: Value) -> Value {
    let (status, text) = relay_at(&chain.relay_url(), who, method, params).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Sends a bundle and expects it to be taken; its hash.
pub(crate) async fn send_bundle(chain: &Chain, who: &PrivateKeySigner, bundle: Value) -> B256 {
    let answer = relay(chain, who, "eth_sendBundle", json!([bundle])).await;
    answer["result"]["bundleHash"].as_str().unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

pub(crate) async fn refused_bundle(chain: &Chain, who: &PrivateKeySigner, bundle: Value) -> String {
    let answer = relay(chain, who, "eth_sendBundle", json!([bundle])).await;
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

pub(crate) fn next_block(chain: &Chain) -> String {
    format!("0x{:x}", chain.head().number + 1)
}

pub(crate) fn hash_of(raw: &Bytes) -> B256 {
    keccak256(raw)
}

pub(crate) fn bundle_hash(raws: &[&Bytes]) -> B256 {
    keccak256(raws.iter().flat_map(|raw| hash_of(raw).0).collect::<Vec<u8>>())
}

/// A plain transfer with everything said.
pub(crate) fn transfer(chain: &Chain, from: &Person, nonce: u64, to: Address, value: u64, tip: u128) -> Bytes {
    from.sign(&Draft { chain_id: chain.chain_id(), nonce, to: Some(to), value: U256::from(value), data: Bytes::new(), gas: 60_000, max_fee: 100 * GWEI, tip })
        .unwrap()
}

/// Creates a contract whose runtime code is `code`; its address.
pub(crate) async fn contract(chain: &Chain, by: &Person, code: &[u8]) -> Address {
    // PUSH2 size DUP1 PUSH1 10 PUSH0 CODECOPY PUSH0 RETURN, then the code.
    let size = u16::try_from(code.len()).unwrap().to_be_bytes();
    let mut init = vec![0x61, size[0], size[1], 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3];
    init.extend(code);
    let raw = chain.signed(by, None, U256::ZERO, init.into(), 300_000, GWEI).await.unwrap();
    let nonce = chain.front().next_nonce(by.address()).await.unwrap();
    chain.send_public(raw).await.unwrap();
    let report = chain.build_block().await.unwrap();
    assert!(report.succeeded.iter().all(|ok| *ok));
    by.address().create(nonce)
}

/// Pays all that it is sent to the fee recipient; without value it reverts.
pub(crate) const PAYS_COINBASE: [u8; 18] = hex!("34 15 600e 57 5f5f5f5f 34 41 5a f1 00 5b 5f 5f fd");

/// A slot that only one caller may take: reverts when it is taken.
pub(crate) const TAKES_ONCE: [u8; 13] = hex!("5f 54 6009 57 34 5f 55 00 5b 5f 5f fd");

pub(crate) async fn call_value(chain: &Chain, by: &Person, to: Address, value: u64, tip: u128) -> Bytes {
    chain.signed(by, Some(to), U256::from(value), Bytes::new(), 100_000, tip).await.unwrap()
}

pub(crate) fn identities_hold(report: &BlockReport) {
    for bundle in &report.bundles {
        assert_eq!(bundle.coinbase_diff, I256::try_from(bundle.gas_fees).unwrap() + bundle.eth_sent_to_coinbase);
    }
}
