//! A wire between a searcher and its node, for HTTP and WebSocket, that cuts, delays, lies about the chain id, and puts frames of its own into a WebSocket.
//!
//! ```text
//! searcher ──▶ Wire ──▶ front, or a node
//!          ◀── whole frames, and between them what a test injects ──
//! ```
#![allow(dead_code, reason = "each test uses a part of it")]

use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// The longest that a test waits for one thing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    open: AtomicBool,
    lies: AtomicBool,
    delay: watch::Sender<Duration>,
    connections: Mutex<Vec<JoinHandle<()>>>,
    /// The live subscription to pending transactions: its id, and the way into its connection.
    pending: watch::Sender<Option<(String, mpsc::UnboundedSender<String>)>>,
    /// Answers that were held back until it was too late.
    held_back: watch::Sender<u64>,
}

/// The wire.
#[derive(Debug)]
pub(crate) struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

impl Wire {
    /// A wire to the front at `url`.
    pub(crate) async fn to(url: &str) -> Self {
        Self::before(url.split("//").nth(1).unwrap().trim_end_matches('/').parse().unwrap()).await
    }

    /// A wire to whoever listens there.
    pub(crate) async fn before(upstream: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            upstream,
            open: AtomicBool::new(true),
            lies: AtomicBool::new(false),
            delay: watch::Sender::new(Duration::ZERO),
            connections: Mutex::default(),
            pending: watch::Sender::new(None),
            held_back: watch::Sender::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                // Under the lock, so that nobody slips in while all others are cut.
                let mut connections = serving.connections.lock().unwrap();
                if serving.open.load(Ordering::Acquire) {
                    connections.push(tokio::spawn(connect(Arc::clone(&serving), client)));
                }
            }
        });
        Self { address, shared, task }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn ws(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Breaks every connection.
    pub(crate) fn cut(&self) {
        self.cut_all();
    }

    /// Breaks every connection and lets nobody in; all are gone when this returns.
    pub(crate) async fn close(&self) {
        self.set_open(false);
        for connection in self.cut_all() {
            let _aborted = soon("a connection is cut", connection).await.map_err(drop);
        }
    }

    fn cut_all(&self) -> Vec<JoinHandle<()>> {
        let connections: Vec<_> = self.shared.connections.lock().unwrap().drain(..).collect();
        connections.iter().for_each(JoinHandle::abort);
        self.shared.pending.send_replace(None);
        connections
    }

    /// Whether new connections are served; without it they are closed at once.
    pub(crate) fn set_open(&self, open: bool) {
        self.shared.open.store(open, Ordering::Release);
    }

    /// Says another chain id than the node's.
    pub(crate) fn set_lies(&self, lies: bool) {
        self.shared.lies.store(lies, Ordering::Release);
    }

    /// Holds every answer back for this long; what is held back already comes as soon as this changes.
    pub(crate) fn set_delay(&self, delay: Duration) {
        self.shared.delay.send_replace(delay);
    }

    /// Waits until `count` answers in all were held back for their whole time, or until nobody waited for them any more.
    pub(crate) async fn held_back(&self, count: u64) {
        let mut held = self.shared.held_back.subscribe();
        soon("answers are held back", held.wait_for(|held| *held >= count)).await.unwrap();
    }

    pub(crate) fn held_back_so_far(&self) -> u64 {
        *self.shared.held_back.borrow()
    }

    /// Waits until pending transactions are subscribed to over this wire.
    pub(crate) async fn subscribed(&self) {
        let mut pending = self.shared.pending.subscribe();
        soon("a subscription to pending transactions", pending.wait_for(Option::is_some)).await.unwrap();
    }

    /// Announces something as a pending transaction.
    pub(crate) fn announce(&self, result: &Value) {
        let id = self.shared.pending.borrow().as_ref().unwrap().0.clone();
        let message = serde_json::json!({"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": id, "result": result}});
        self.say(message.to_string());
    }

    /// Puts a text frame into the connection that pending transactions come over.
    pub(crate) fn say(&self, text: String) {
        self.shared.pending.borrow().as_ref().unwrap().1.send(text).unwrap();
    }
}

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("it did not happen: {what}"))
}

async fn connect(shared: Arc<Shared>, client: TcpStream) {
    let Ok(server) = TcpStream::connect(shared.upstream).await else { return };
    // A frame that waits for an acknowledgement of the one before it would be a delay that no test asked for.
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let asked = Arc::new(Mutex::new(None));
    let up = upwards(from_client, to_server, Arc::clone(&asked));
    let down = downwards(Arc::clone(&shared), from_server, to_client, asked);
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// From the client: passed on as it is; the id of a request for pending transactions is remembered.
async fn upwards(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asked: Arc<Mutex<Option<Value>>>) {
    let mut stream = Stream::default();
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut chunk).await {
        if count == 0 {
            return;
        }
        stream.push(&chunk[..count]);
        while let Some(piece) = stream.next() {
            if let Some(Ok(request)) = piece.text.as_deref().map(serde_json::from_str::<Value>)
                && request["params"][0] == "newPendingTransactions"
            {
                *asked.lock().unwrap() = Some(request["id"].clone());
            }
            if to.write_all(&piece.bytes).await.is_err() {
                return;
            }
        }
    }
}

/// From the server: whole pieces, delayed, with lies, and with frames of our own between them.
async fn downwards(shared: Arc<Shared>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, asked: Arc<Mutex<Option<Value>>>) {
    let mut stream = Stream::default();
    let mut chunk = vec![0; 64 * 1024];
    let (inject, mut injected) = mpsc::unbounded_channel::<String>();
    loop {
        tokio::select! {
            read = from.read(&mut chunk) => {
                let count = read.unwrap_or(0);
                if count == 0 {
                    return;
                }
                stream.push(&chunk[..count]);
                while let Some(mut piece) = stream.next() {
                    wait(&shared).await;
                    if shared.lies.load(Ordering::Acquire) {
                        lie(&mut piece.bytes);
                    }
                    if to.write_all(&piece.bytes).await.is_err() {
                        return;
                    }
                    let Some(Ok(answer)) = piece.text.as_deref().map(serde_json::from_str::<Value>) else { continue };
                    let mut asked = asked.lock().unwrap();
                    if asked.as_ref().is_some_and(|id| *id == answer["id"])
                        && let Some(subscription) = answer["result"].as_str()
                    {
                        asked.take();
                        shared.pending.send_replace(Some((subscription.to_owned(), inject.clone())));
                    }
                }
            }
            Some(text) = injected.recv() => {
                if to.write_all(&frame(&text)).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn wait(shared: &Shared) {
    let delay = *shared.delay.borrow();
    if delay.is_zero() {
        return;
    }
    let mut changes = shared.delay.subscribe();
    let mut late = Late { shared, too_late: true };
    late.too_late = tokio::time::timeout(delay, changes.changed()).await.is_err();
}

/// Counts an answer that came too late, also when nobody waited for it any more and the connection ended meanwhile.
struct Late<'a> {
    shared: &'a Shared,
    too_late: bool,
}

impl Drop for Late<'_> {
    fn drop(&mut self) {
        if self.too_late {
            self.shared.held_back.send_modify(|held| *held += 1);
        }
    }
}

/// 31337 becomes 31336, wherever it stands.
fn lie(bytes: &mut [u8]) {
    let (truth, lie) = (b"\"0x7a69\"", b"\"0x7a68\"");
    for start in 0..bytes.len().saturating_sub(truth.len() - 1) {
        if bytes[start..].starts_with(truth) {
            bytes[start..start + lie.len()].copy_from_slice(lie);
        }
    }
}

/// A text frame as a server sends it.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match text.len() {
        short @ 0..=125 => bytes.push(u8::try_from(short).unwrap()),
        middle @ 126..=65_535 => {
            bytes.push(126);
            bytes.extend(u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(127);
            bytes.extend(u64::try_from(long).unwrap().to_be_bytes());
        }
    }
    bytes.extend(text.as_bytes());
    bytes
}

/// Bytes of one direction in pieces: HTTP as it comes, WebSocket in whole frames.
#[derive(Debug, Default)]
struct Stream {
    bytes: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Unknown,
    Plain,
    WebSocket,
}

struct Piece {
    bytes: Vec<u8>,
    text: Option<String>,
}

impl Stream {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    fn next(&mut self) -> Option<Piece> {
        match self.kind {
            Kind::Unknown => {
                let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
                let head = String::from_utf8_lossy(&self.bytes[..end]).to_lowercase();
                if head.contains("upgrade: websocket") {
                    self.kind = Kind::WebSocket;
                    return Some(Piece { bytes: self.bytes.drain(..end).collect(), text: None });
                }
                self.kind = Kind::Plain;
                self.next()
            }
            Kind::Plain if self.bytes.is_empty() => None,
            Kind::Plain => Some(Piece { bytes: std::mem::take(&mut self.bytes), text: None }),
            Kind::WebSocket => self.frame(),
        }
    }

    fn frame(&mut self) -> Option<Piece> {
        let (first, second) = (*self.bytes.first()?, *self.bytes.get(1)?);
        let (length, mut at) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes(self.bytes.get(2..4)?.try_into().unwrap())), 4),
            127 => (usize::try_from(u64::from_be_bytes(self.bytes.get(2..10)?.try_into().unwrap())).unwrap(), 10),
            short => (usize::from(short), 2),
        };
        let mask: Option<[u8; 4]> = if second & 0x80 == 0 {
            None
        } else {
            at += 4;
            Some(self.bytes.get(at - 4..at)?.try_into().unwrap())
        };
        let mut body = self.bytes.get(at..at + length)?.to_vec();
        if let Some(mask) = mask {
            body.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        }
        let text = if first & 0x0f == 1 { String::from_utf8(body).ok() } else { None };
        Some(Piece { bytes: self.bytes.drain(..at + length).collect(), text })
    }
}
