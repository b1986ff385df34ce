//! A worker: one thread, one current-thread runtime, its own sockets.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::{io, time::Duration};

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::Gateway;
use super::admission::Admitted;
use super::connection::serve;
use super::drain::Drain;
use super::entrance::Entrance;
use crate::dispatch::GrpcDispatcher;
use crate::sockets::Sockets;
use crate::store::StoreError;
use crate::upstream::{Client, TlsError};

const HEARTBEAT: Duration = Duration::from_millis(500);

/// A connection that may be served.
pub(super) struct Accepted {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) admitted: Admitted,
    pub(super) entrance: Arc<Entrance>,
}

/// Where accepted connections go, in turn.
#[derive(Clone)]
pub(super) struct Crew(Arc<Turns>);

struct Turns {
    workers: Vec<UnboundedSender<Accepted>>,
    next: AtomicUsize,
}

/// The handle of a worker's thread.
pub(super) struct Worker {
    accepted: UnboundedSender<Accepted>,
    thread: JoinHandle<()>,
}

/// Why a worker cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The system gave no thread or no event queue.
    #[error("a worker cannot start: {0}")]
    Thread(#[from] io::Error),
    /// Upstreams cannot be called over TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The listener's TLS cannot be set up.
    #[error("TLS on the listener cannot be set up: {0}")]
    Listener(#[from] rustls::Error),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Crew {
    pub(super) fn new(workers: &[Worker]) -> Self {
        let workers = workers.iter().map(|worker| worker.accepted.clone()).collect();
        Self(Arc::new(Turns { workers, next: AtomicUsize::new(0) }))
    }

    /// Hands a connection over.
    pub(super) fn take(&self, accepted: Accepted) {
        let Turns { workers, next } = &*self.0;
        let worker = &workers[next.fetch_add(1, Ordering::Relaxed) % workers.len()];
        if let Err(SendError(Accepted { peer, .. })) = worker.send(accepted) {
            tracing::error!(%peer, "a worker is gone, the connection is dropped");
        }
    }
}

impl Worker {
    pub(super) fn start(at: usize, gateway: Arc<Gateway>) -> Result<Self, StartError> {
        let (accepted, queue) = mpsc::unbounded_channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let config = &gateway.config;
        let fetching = gateway.shared.ways.transports().fetching()?;
        let upstream = Client::new(&config.upstream, config.canonical_headers, fetching);
        let _entered = runtime.enter();
        let store = gateway.store.connect()?;
        let dispatcher = gateway.dispatchers.add(GrpcDispatcher::new(&config.coprocess));
        let sockets = Sockets { dispatcher, upstream, store };
        let work = move || run(&runtime, queue, &gateway, &Arc::new(sockets));
        let thread = thread::Builder::new().name(format!("worker-{at}")).spawn(work)?;
        Ok(Self { accepted, thread })
    }

    /// No more connections; the thread ends when those it has are done.
    pub(super) fn stop(self) -> JoinHandle<()> {
        self.thread
    }
}

fn run(runtime: &Runtime, mut queue: UnboundedReceiver<Accepted>, gateway: &Arc<Gateway>, sockets: &Arc<Sockets>) {
    runtime.block_on(async {
        tokio::spawn(heartbeat(Arc::clone(sockets)));
        let drain = Drain::new();
        while let Some(Accepted { socket, peer, admitted, entrance }) = queue.recv().await {
            match tokio::net::TcpStream::from_std(socket) {
                Ok(socket) => drop(tokio::spawn(serve(
                    socket,
                    peer,
                    admitted,
                    Arc::clone(gateway),
                    Arc::clone(sockets),
                    Arc::clone(&entrance),
                    drain.connection(&entrance.closed),
                ))),
                Err(error) => tracing::warn!(%error, %peer, "a connection could not be taken over"),
            }
        }
        drain.finish(gateway.config.grace).await;
    });
}

/// Closes idle upstream connections. It also keeps a timer pending that is earlier than those of
/// requests: without it tokio would write to the event queue, and so wake itself, whenever a
/// request's timer becomes the earliest.
async fn heartbeat(sockets: Arc<Sockets>) {
    let mut beat = tokio::time::interval(HEARTBEAT);
    loop {
        beat.tick().await;
        sockets.upstream.sweep();
    }
}
