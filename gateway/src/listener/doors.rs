//! The ports that are open: the gateway's own, the control API's, and those of APIs, which come and
//! go with reloads.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{error, info};

use super::Gateway;
use super::accept::{Listener, Porter};
use super::admission::Admission;
use super::entrance::{Door, Entrance};
use super::tls::Tls;
use super::worker::Crew;

/// Asks for the ports to be made those of the APIs that are served now.
pub struct Arrange(mpsc::UnboundedSender<oneshot::Sender<()>>);

/// Who waits for that.
pub(super) type Arrangements = mpsc::UnboundedReceiver<oneshot::Sender<()>>;

/// The ports that are open.
pub(super) struct Doors {
    gateway: Arc<Gateway>,
    crew: Crew,
    admission: Arc<Admission>,
    tls: Option<Tls>,
    /// The gateway's own and the control API's.
    fixed: Vec<Open>,
    apis: BTreeMap<u16, Open>,
}

/// An open port.
struct Open {
    secure: bool,
    /// Ends those who are inside.
    closed: watch::Sender<bool>,
    /// Lets nobody in any more.
    close: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Arrange {
    pub(super) fn new() -> (Self, Arrangements) {
        let (asked, asks) = mpsc::unbounded_channel();
        (Self(asked), asks)
    }

    /// Done when the ports are as they should be, or those that cannot be opened were told of.
    pub async fn ask(&self) {
        let (done, waits) = oneshot::channel();
        // A gateway that does not listen has no ports to arrange.
        if self.0.send(done).is_ok() {
            let _ = waits.await;
        }
    }
}

impl Doors {
    pub(super) fn new(gateway: &Arc<Gateway>, crew: Crew, admission: Arc<Admission>, tls: Option<Tls>) -> Self {
        let (fixed, apis) = (Vec::new(), BTreeMap::new());
        Self { gateway: Arc::clone(gateway), crew, admission, tls, fixed, apis }
    }

    /// Opens a port for as long as the gateway runs.
    pub(super) fn open(&mut self, listener: Listener, door: Door) {
        let open = self.enter(listener, door, self.gateway.config.use_ssl);
        self.fixed.push(open);
    }

    fn enter(&self, listener: Listener, door: Door, secure: bool) -> Open {
        let (closed, closing) = watch::channel(false);
        let tls = self.tls.clone().filter(|_| secure);
        let entrance = Arc::new(Entrance { door, tls, closed: closing });
        let porter = Porter::new(Arc::clone(&self.admission), entrance);
        let (crew, (close, told)) = (self.crew.clone(), oneshot::channel());
        let accepting = async move { listener.hand_out(&crew, porter, async { drop(told.await) }).await };
        Open { secure, closed, close, accepting: tokio::spawn(accepting) }
    }

    /// Does what is asked for, for ever.
    pub(super) async fn arrange(&mut self, mut asks: Arrangements) {
        self.arrange_once().await;
        while let Some(done) = asks.recv().await {
            self.arrange_once().await;
            let _ = done.send(());
        }
        std::future::pending().await
    }

    /// Ports that stay are not touched; one that cannot be opened is tried again next time.
    async fn arrange_once(&mut self) {
        let wanted: BTreeMap<_, _> = self.gateway.registry.load().ports().collect();
        let unwanted: Vec<_> = self.apis.iter().filter(|(port, open)| wanted.get(port) != Some(&open.secure)).collect();
        for port in unwanted.into_iter().map(|(port, _)| *port).collect::<Vec<_>>() {
            if let Some(open) = self.apis.remove(&port) {
                open.close().await;
                info!(port, "no API has this port any more, it is closed");
            }
        }
        for (port, secure) in wanted {
            if self.apis.contains_key(&port) {
                continue;
            }
            let address = SocketAddr::new(self.gateway.config.listen.ip(), port);
            match Listener::bind(address) {
                Ok(listener) => {
                    info!(%address, secure, "a port of APIs is open");
                    let open = self.enter(listener, Door::Apis(port), secure);
                    self.apis.insert(port, open);
                }
                Err(error) => {
                    error!(%error, "the listen_port of API definitions cannot be opened; they are not served until a reload finds it free")
                }
            }
        }
    }

    /// Nobody new is let in.
    pub(super) async fn close(self) {
        for open in self.fixed.into_iter().chain(self.apis.into_values()) {
            // The workers end what goes on.
            drop(open.let_nobody_in().await);
        }
    }
}

impl Open {
    /// Requests under way finish.
    async fn close(self) {
        self.let_nobody_in().await.send_replace(true);
    }

    /// Who has come before is on the way to a worker.
    async fn let_nobody_in(self) -> watch::Sender<bool> {
        drop(self.close);
        let _ = self.accepting.await;
        self.closed
    }
}

/// What was bound for the gateway.
pub struct Sockets {
    /// Its own port.
    pub main: Listener,
    /// The control API's, if it has one.
    pub control: Option<Listener>,
}

impl Sockets {
    /// Where the gateway listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.main.address()
    }
}
