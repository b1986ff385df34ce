//! The service manager that started the process, if it is one like systemd: the sockets that it
//! opened for us, and what it wants to hear.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tracing::warn;

/// Listening sockets that were open before the process began, in their order.
pub struct Inherited(ListenFd);

impl Inherited {
    /// Those that are meant for this process.
    pub fn from_environment() -> Self {
        Self(ListenFd::from_env())
    }

    /// The socket at this place, if there is one.
    pub fn take(&mut self, at: usize) -> io::Result<Option<TcpListener>> {
        if at >= self.0.len() { Ok(None) } else { self.0.take_tcp_listener(at) }
    }
}

/// Clients can connect.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// What is served is about to be loaded anew; [`ready`] says when it has been.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "the service manager cannot be told of a reload"),
    }
}

/// The process is about to end.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Without a service manager that listens this does nothing.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "the service manager cannot be told of a change");
    }
}
