//! The client against real sockets: an HTTP server that keeps what it got and answers as told, and bare TCP for broken ones.

use super::*;
use crate::relay::{OperatorKey, Operators, Relays, ResultShape, Retry, key_from_hex, transaction::fixtures};
use alloy::{
    consensus::TxEip1559,
    primitives::{Address, TxKind, U256},
    providers::ext::verify_flashbots_signature,
    signers::local::PrivateKeySigner,
};
use axum::{
    Router,
    body::Bytes as Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

type Script = Arc<Mutex<Vec<(u16, Option<u64>, String)>>>;
type Seen = Arc<Mutex<Vec<(Option<String>, Vec<u8>)>>>;

/// Answers in turn; the last answer is repeated.
struct Server {
    url: Url,
    seen: Seen,
}

async fn answer(State((script, seen)): State<(Script, Seen)>, headers: HeaderMap, body: Body) -> (StatusCode, HeaderMap, String) {
    let signature = headers.get("x-flashbots-signature").map(|value| value.to_str().unwrap().to_owned());
    seen.lock().push((signature, body.to_vec()));
    let (status, retry_after, text) = {
        let mut script = script.lock();
        if script.len() > 1 { script.remove(0) } else { script[0].clone() }
    };
    let mut headers = HeaderMap::new();
    if let Some(seconds) = retry_after {
        headers.insert("retry-after", seconds.into());
    }
    (StatusCode::from_u16(status).unwrap(), headers, text)
}

async fn server(script: &[(u16, Option<u64>, &str)]) -> Server {
    let script: Script = Arc::new(Mutex::new(script.iter().map(|(status, retry, text)| (*status, *retry, (*text).to_owned())).collect()));
    let seen = Seen::default();
    let app = Router::new().fallback(answer).with_state((script, Arc::clone(&seen)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/secret-token", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Server { url, seen }
}

fn config(url: Url) -> RelayConfig {
    let limit = RateLimit { per_minute: 6_000, burst: 100 };
    RelayConfig {
        name: "test".into(),
        url,
        sign: true,
        capabilities: Capabilities { dropping_tx_hashes: true, timestamps: true, replacement: true, cancel: CancelStyle::Endpoint },
        send_limit: limit,
        cancel_limit: limit,
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(5),
    }
}

fn identity() -> Identity {
    let operators = Operators::new(Vec::<OperatorKey>::new(), U256::ZERO).unwrap();
    Identity::new(key_from_hex(&format!("{:064x}", 1)).unwrap(), &operators).unwrap()
}

fn client(config: RelayConfig) -> FlashbotsRelay {
    FlashbotsRelay::new(config, identity()).unwrap()
}

fn bundle() -> Bundle {
    let tx = TxEip1559 { chain_id: 1, to: TxKind::Call(Address::repeat_byte(9)), ..TxEip1559::default() };
    Bundle::new(20_000_000, vec![], vec![fixtures::sealed(tx, &PrivateKeySigner::random())]).unwrap()
}

#[tokio::test]
async fn the_signed_bytes_are_the_sent_bytes() {
    let server = server(&[(200, None, r#"{"jsonrpc":"2.0","id":1,"result":null}"#)]).await;
    let relay = client(config(server.url.clone()));
    let bundle = bundle().with_replacement("u".into());
    let accepted = relay.send_bundle(&bundle).await.unwrap();
    assert_eq!((accepted.bundle_hash, accepted.answer.shape), (bundle.hash(), ResultShape::Null));
    relay.cancel_bundle("u", 20_000_000).await.unwrap();
    let seen = server.seen.lock().clone();
    for (signature, body) in &seen {
        assert_eq!(verify_flashbots_signature(signature.as_deref().unwrap(), body).unwrap(), identity().address());
    }
    let raw = &bundle.raw_txs()[0];
    let expected =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_sendBundle","params":[{{"txs":["{raw}"],"blockNumber":"0x1312d00","replacementUuid":"u"}}]}}"#);
    assert_eq!(String::from_utf8(seen[0].1.clone()).unwrap(), expected);
    assert_eq!(seen[1].1, br#"{"jsonrpc":"2.0","id":2,"method":"eth_cancelBundle","params":[{"replacementUuid":"u"}]}"#);
}

#[tokio::test]
async fn unsigned_relays_and_empty_bundle_cancelling() {
    let server = server(&[(200, None, r#"{"result":200}"#)]).await;
    let mut plain = config(server.url.clone());
    plain.sign = false;
    plain.capabilities.cancel = CancelStyle::EmptyBundle;
    assert_eq!(client(plain.clone()).cancel_bundle("u", 255).await.unwrap().shape, ResultShape::Number);
    let (signature, body) = server.seen.lock()[0].clone();
    assert_eq!(signature, None);
    assert!(String::from_utf8(body).unwrap().ends_with(r#""params":[{"txs":[],"blockNumber":"0xff","replacementUuid":"u"}]}"#));
    plain.capabilities.cancel = CancelStyle::None;
    assert!(matches!(client(plain).cancel_bundle("u", 255).await, Err(RelayError::Unsupported(_))));
    assert_eq!(server.seen.lock().len(), 1);
}

#[tokio::test]
async fn answers_over_a_socket() {
    let server = server(&[
        (200, None, r#"{"id":1,"result":{"bundleHash":"0x5a2e5ab6b96c4f6cf1306b29d5c7a28fb38a1e4270592750dbcf822a3cdb57bc"}}"#),
        (200, None, r#"{"id":2,"error":{"code":-32000,"message":"nonce too low"}}"#),
        (401, None, r#"{"error":"missing or invalid signature"}"#),
        (500, None, "trouble"),
        (307, None, ""),
        (200, None, "<html>welcome</html>"),
    ])
    .await;
    let relay = client(config(server.url.clone()));
    let bundle = bundle();
    assert!(relay.send_bundle(&bundle).await.unwrap().hash_differs(), "a relay that names another hash is noticed");
    assert!(matches!(relay.send_bundle(&bundle).await, Err(RelayError::Rpc { code: Some(-32_000), .. })));
    assert!(matches!(relay.send_bundle(&bundle).await, Err(RelayError::Http { status: 401, .. })));
    assert!(matches!(relay.send_bundle(&bundle).await, Err(RelayError::Http { status: 500, .. })));
    assert!(matches!(relay.send_bundle(&bundle).await, Err(RelayError::Http { status: 307, .. })), "no redirect is followed");
    assert!(matches!(relay.send_bundle(&bundle).await, Err(RelayError::Nonsense { .. })));
}

#[tokio::test]
async fn too_many_requests_closes_the_endpoint_only() {
    let server = server(&[(429, Some(30), "slow down"), (200, None, r#"{"result":true}"#)]).await;
    let relay = client(config(server.url.clone()));
    let error = relay.send_bundle(&bundle()).await.unwrap_err();
    assert!(matches!(&error, RelayError::RateLimited { by_relay: true, raw, .. } if raw == "slow down"));
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(30)));
    let error = relay.send_bundle(&bundle()).await.unwrap_err();
    assert!(matches!(error, RelayError::RateLimited { by_relay: false, .. }));
    assert_eq!(server.seen.lock().len(), 1, "the second attempt did not leave");
    assert_eq!(relay.cancel_bundle("u", 1).await.unwrap().shape, ResultShape::True);
}

#[tokio::test]
async fn our_own_rate_limit_holds() {
    let server = server(&[(200, None, r#"{"result":null}"#)]).await;
    let mut tight = config(server.url.clone());
    tight.send_limit = RateLimit { per_minute: 1, burst: 2 };
    let relay = client(tight);
    for _ in 0..2 {
        relay.send_bundle(&bundle()).await.unwrap();
    }
    assert!(matches!(relay.send_bundle(&bundle()).await, Err(RelayError::RateLimited { by_relay: false, .. })));
    assert_eq!(server.seen.lock().len(), 2);
}

/// Accepts one connection, reads something, says `answer` and hangs up; with `None` it says nothing and stays.
async fn tcp(answer: Option<&'static [u8]>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/secret-token", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = [0_u8; 4_096];
        let _read = socket.read(&mut buffer).await;
        match answer {
            Some(answer) => drop(socket.write_all(answer).await),
            None => std::future::pending::<()>().await,
        }
    });
    url
}

#[tokio::test]
async fn a_silent_relay_meets_the_deadline() {
    let mut config = config(tcp(None).await);
    config.timeout = Duration::from_millis(150);
    let started = Instant::now();
    let error = client(config).send_bundle(&bundle()).await.unwrap_err();
    assert!(matches!(error, RelayError::Deadline(_)), "{error:?}");
    assert!(error.maybe_accepted(), "it may have read all of it");
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn dropped_connections_may_have_carried_the_bundle_and_dead_ports_did_not() {
    let error = client(config(tcp(Some(b"")).await)).send_bundle(&bundle()).await.unwrap_err();
    assert!(matches!(error, RelayError::Transport(_)) && error.maybe_accepted(), "{error:?}");
    let error = client(config(tcp(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")).await)).send_bundle(&bundle()).await.unwrap_err();
    assert!(matches!(error, RelayError::Transport(_)) && error.maybe_accepted(), "{error:?}");
    let error = client(config(tcp(Some(b"ducks\r\n\r\n")).await)).send_bundle(&bundle()).await.unwrap_err();
    assert!(matches!(error, RelayError::Transport(_)), "{error:?}");

    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let relay = client(config(format!("http://127.0.0.1:{port}/secret-token").parse().unwrap()));
    let error = relay.send_bundle(&bundle()).await.unwrap_err();
    assert!(!error.maybe_accepted());
    assert_eq!(error.retry(), Retry::Now);
    let shown = format!("{error} {error:?} {relay:?}");
    assert!(!shown.contains("secret-token"), "{shown}");
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = [0_u8; 4_096];
        let _read = socket.read(&mut buffer).await;
        let _head = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while socket.write_all(&[b'x'; 8_192]).await.is_ok() {}
    });
    let error = client(config(url)).send_bundle(&bundle()).await.unwrap_err();
    assert!(matches!(error, RelayError::Nonsense { .. }), "{error:?}");
}

#[test]
fn bundles_do_not_travel_in_the_clear() {
    let build = |url: &str| FlashbotsRelay::new(config(url.parse().unwrap()), identity()).map(|_| ());
    assert!(build("https://relay.example/").is_ok());
    assert!(build("http://127.0.0.1:8545").is_ok() && build("http://[::1]:1/").is_ok() && build("http://localhost").is_ok());
    assert!(matches!(build("http://relay.example/"), Err(RelayConfigError::Insecure(name)) if name == "test"));
    assert!(build("http://10.0.0.1/").is_err() && build("ftp://relay.example/").is_err());
}

#[tokio::test]
async fn one_relay_of_four_is_enough_and_none_holds_up_the_others() {
    let honest = server(&[(200, None, r#"{"result":null}"#)]).await;
    let refusing = server(&[(200, None, r#"{"error":"no"}"#)]).await;
    let named = |name: &str, url: Url| {
        let mut config = config(url);
        config.name = name.into();
        Arc::new(client(config)) as Arc<dyn Relay>
    };
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let relays = Relays::new(
        vec![
            named("down", format!("http://{dead}/").parse().unwrap()),
            named("silent", tcp(None).await),
            named("refusing", refusing.url.clone()),
            named("honest", honest.url.clone()),
        ],
        Duration::from_millis(500),
    );
    let sent = relays.send(&bundle()).await;
    let names: Vec<&str> = sent.iter().map(|sent| sent.relay.as_str()).collect();
    assert_eq!(names, ["down", "silent", "refusing", "honest"]);
    assert!(matches!(sent[0].result, Err(RelayError::Transport(_))));
    assert!(matches!(sent[1].result, Err(RelayError::Deadline(_))));
    assert!(matches!(sent[2].result, Err(RelayError::Rpc { .. })));
    assert!(sent[3].result.is_ok());
    assert_eq!(sent.iter().map(|sent| sent.may_be_included()).collect::<Vec<_>>(), [false, true, false, true]);
}
