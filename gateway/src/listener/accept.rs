//! The listening socket: accepted sockets go to the workers in turn.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;

use super::tls::{Renewal, Tls};
use super::worker::{StartError, Worker};
use super::{BindError, Gateway};

/// How long to wait when the system has no more sockets to give.
const BREATH: Duration = Duration::from_millis(50);

/// A bound socket that accepts nobody yet.
pub struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// Binds; needs a runtime.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        match TcpListener::bind(address).await {
            Ok(socket) => Ok(Self { socket }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(BindError::InUse(address)),
            Err(source) => Err(BindError::Other { address, source }),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `shutdown` is done, then stops accepting and lets what is in flight finish
    /// within the grace period.
    pub async fn serve(self, gateway: Arc<Gateway>, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
        let (tls, renewal) = gateway.config.tls.as_ref().map(Tls::new).transpose()?.unzip();
        let count = thread::available_parallelism().map_or(1, NonZero::get);
        let start = |at| Worker::start(at, Arc::clone(&gateway), tls.clone());
        let workers = (0..count).map(start).collect::<Result<Vec<_>, _>>()?;
        tokio::select! {
            () = self.hand_out(&workers) => {}
            () = renew(renewal) => {}
            () = shutdown => {}
        }
        drop(self);
        let stopping = workers.into_iter().map(Worker::stop);
        for thread in stopping.collect::<Vec<_>>() {
            // A worker that panicked has nothing left to finish.
            let _ = tokio::task::spawn_blocking(|| thread.join()).await;
        }
        Ok(())
    }

    async fn hand_out(&self, workers: &[Worker]) {
        for worker in workers.iter().cycle() {
            let (socket, peer) = self.accept().await;
            worker.take(socket, peer);
        }
    }

    /// The next connection; errors never end the loop.
    async fn accept(&self) -> (std::net::TcpStream, SocketAddr) {
        loop {
            let accepted = self.socket.accept().await.and_then(|(socket, peer)| {
                socket.set_nodelay(true)?;
                Ok((socket.into_std()?, peer))
            });
            match accepted {
                Ok(connection) => return connection,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

async fn renew(renewal: Option<Renewal>) {
    match renewal {
        Some(renewal) => renewal.run().await,
        None => std::future::pending().await,
    }
}
