//! The front's line to its clients, and its own fault: everybody is cut off, nobody is let in, until it is mended. The node behind goes on.
//!
//! ```text
//! client ──▶ Line::accept ── open? ──▶ Wire ──▶ HTTP, WebSocket
//!                             │ no: closed at once   └─ reset when the line is cut
//! ```

use axum::serve::Listener;
use std::{
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// How the line is.
#[derive(Clone, Copy, Debug)]
struct State {
    open: bool,
    /// Each cut ends the connections that were made before it.
    cuts: u64,
}

/// Cuts and mends a line.
#[derive(Clone, Debug)]
pub(super) struct Switch(watch::Sender<State>);

impl Switch {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(State { open: true, cuts: 0 }))
    }

    /// Breaks every connection, and lets nobody in.
    pub(super) fn cut(&self) {
        self.0.send_modify(|state| *state = State { open: false, cuts: state.cuts.saturating_add(1) });
    }

    /// Lets clients in again.
    pub(super) fn mend(&self) {
        self.0.send_modify(|state| state.open = true);
    }
}

/// A listener whose connections can be cut.
#[derive(Debug)]
pub(super) struct Line {
    listener: TcpListener,
    switch: Switch,
}

impl Line {
    pub(super) const fn new(listener: TcpListener, switch: Switch) -> Self {
        Self { listener, switch }
    }
}

impl Listener for Line {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            let (stream, client) = Listener::accept(&mut self.listener).await;
            let mut changes = self.switch.0.subscribe();
            let State { open, cuts } = *changes.borrow_and_update();
            // As nodes do: an answer never waits for the acknowledgement of the one before it.
            if open && stream.set_nodelay(true).is_ok() {
                let cut = Box::pin(async move {
                    // A switch that is gone belongs to a front that is gone.
                    let _cut_or_gone = changes.wait_for(|state| state.cuts != cuts).await.map(drop);
                });
                return (Wire { stream, cut }, client);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection.
pub(super) struct Wire {
    stream: TcpStream,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Wire {
    /// Whether it was cut; wakes whoever waits on it when that happens. Asked again after it was cut, it is cut still.
    fn is_cut(&mut self, context: &mut Context<'_>) -> bool {
        if self.cut.as_mut().poll(context).is_pending() {
            return false;
        }
        self.cut = Box::pin(std::future::ready(()));
        true
    }
}

fn reset() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_cut(context) { Poll::Ready(Err(reset())) } else { Pin::new(&mut self.stream).poll_read(context, buffer) }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_cut(context) { Poll::Ready(Err(reset())) } else { Pin::new(&mut self.stream).poll_write(context, bytes) }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
