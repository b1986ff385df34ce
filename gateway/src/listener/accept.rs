//! The listening socket: accepted sockets go to the workers in turn.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::admission::{Admission, Full};
use super::complaint::Complaint;
use super::entrance::Entrance;
use super::worker::{Accepted, Crew};
use super::{BindError, files};

/// How long to wait when the system has no more sockets to give.
const BREATH: Duration = Duration::from_millis(50);

/// How many connections may wait to be accepted, as far as the system allows.
const BACKLOG: u32 = 4096;

/// How much of an answer the system may keep that it has not sent yet, in bytes. Without a limit it keeps
/// megabytes for each client that does not read, until other sockets have no memory.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 << 10;

/// A bound socket that accepts nobody yet.
pub struct Listener {
    socket: TcpListener,
}

/// Turns connections that come into connections that may be served.
pub(super) struct Porter {
    admission: Arc<Admission>,
    entrance: Arc<Entrance>,
    exhausted: Complaint,
    full: Complaint,
}

impl Listener {
    /// Binds; needs a runtime.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        match bind(address) {
            Ok(socket) => Ok(Self { socket }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(BindError::InUse(address)),
            Err(source) => Err(BindError::Other { address, source }),
        }
    }

    /// A socket that listens already; needs a runtime.
    pub fn inherited(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        limit_unsent(&socket)?;
        Ok(Self { socket: TcpListener::from_std(socket)? })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until it is told to close; who has come by then is let in.
    pub(super) async fn hand_out(self, crew: &Crew, mut porter: Porter, close: impl Future<Output = ()>) {
        let mut close = pin!(close);
        loop {
            tokio::select! {
                biased;
                () = &mut close => break,
                accepted = self.accept(&mut porter) => crew.take(accepted),
            }
        }
        if let Ok(socket) = self.socket.into_std() {
            // No more than could wait: some may come without end.
            for (socket, peer) in (0..BACKLOG).map_while(|_| socket.accept().ok()) {
                if let Some(accepted) = porter.admit_late(socket, peer) {
                    crew.take(accepted);
                }
            }
        }
    }

    /// The next connection that may be served; errors never end the loop.
    async fn accept(&self, porter: &mut Porter) -> Accepted {
        loop {
            match self.socket.accept().await {
                Ok((socket, peer)) => {
                    if let Some(accepted) = porter.admit(socket, peer) {
                        return accepted;
                    }
                }
                Err(error) => porter.failed(&error).await,
            }
        }
    }
}

impl Porter {
    pub(super) fn new(admission: Arc<Admission>, entrance: Arc<Entrance>) -> Self {
        Self { admission, entrance, exhausted: Complaint::default(), full: Complaint::default() }
    }

    /// Nobody waits for a place: who is one too many is closed at once.
    fn admit(&mut self, socket: TcpStream, peer: SocketAddr) -> Option<Accepted> {
        let admitted = match self.admission.admit(peer.ip()) {
            Ok(admitted) => admitted,
            Err(full) => {
                self.turn_away(full, peer);
                return None;
            }
        };
        match socket.set_nodelay(true).and_then(|()| socket.into_std()) {
            Ok(socket) => Some(Accepted { socket, peer, admitted, entrance: Arc::clone(&self.entrance) }),
            Err(error) => {
                tracing::debug!(%error, %peer, "a connection ended before it was served");
                None
            }
        }
    }

    /// The same for one whose port closes.
    fn admit_late(&mut self, socket: std::net::TcpStream, peer: SocketAddr) -> Option<Accepted> {
        socket
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(socket))
            .ok()
            .and_then(|socket| self.admit(socket, peer))
    }

    fn turn_away(&mut self, full: Full, peer: SocketAddr) {
        if let Some(count) = self.full.again() {
            let key = match full {
                Full::All => "http_server_options.max_connections",
                Full::Address => "http_server_options.max_connections_per_address",
            };
            tracing::warn!(count, limit = key, last = %peer, "connections were closed at once: there are as many as there may be");
        }
    }

    /// A client that was gone again matters to nobody; without files or memory there is none for the
    /// next one either.
    async fn failed(&mut self, error: &io::Error) {
        if files::is_gone(error) {
            tracing::debug!(%error, "a connection ended before it was accepted");
            return;
        }
        if let Some(count) = self.exhausted.again() {
            tracing::warn!(%error, count, "connections cannot be accepted");
        }
        tokio::time::sleep(BREATH).await;
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // The address of a gateway that has just ended is free.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    limit_unsent(&socket)?;
    socket.listen(BACKLOG)
}

/// Connections have the limit from the socket that accepts them.
#[cfg(target_os = "linux")]
fn limit_unsent(socket: &impl AsFd) -> io::Result<()> {
    socket2::SockRef::from(socket).set_tcp_notsent_lowat(UNSENT)
}

/// Only Linux lets it be set: for development, other systems do without.
#[cfg(not(target_os = "linux"))]
fn limit_unsent(_: &impl AsFd) -> io::Result<()> {
    Ok(())
}
