//! The gateway at work: workers, and the doors through which connections come to them.

use std::future::Future;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use super::admission::Admission;
use super::doors::{Doors, Sockets};
use super::entrance::Door;
use super::tls::{Renewal, Tls};
use super::worker::{Crew, StartError, Worker};
use super::{Gateway, files};

/// Serves until `shutdown` is done, then stops accepting and lets what is in flight finish within the
/// grace period.
pub async fn serve(
    sockets: Sockets,
    gateway: Arc<Gateway>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let (tls, renewal) = gateway.config.tls.as_ref().map(|tls| Tls::new(tls, &gateway)).transpose()?.unzip();
    let count = thread::available_parallelism().map_or(1, NonZero::get);
    let workers = (0..count).map(|at| Worker::start(at, Arc::clone(&gateway))).collect::<Result<Vec<_>, _>>()?;
    let admission = Admission::new(&gateway.config.guards, files::raise_limit());
    let mut doors = Doors::new(&gateway, Crew::new(&workers), admission, tls);
    doors.open(sockets.main, Door::Main);
    if let Some(control) = sockets.control {
        doors.open(control, Door::Control);
    }
    tokio::select! {
        () = doors.arrange(gateway.arrangements()) => {}
        () = renew(renewal) => {}
        () = shutdown => {}
    }
    doors.close().await;
    let stopping = workers.into_iter().map(Worker::stop);
    for thread in stopping.collect::<Vec<_>>() {
        // A worker that panicked has nothing left to finish.
        let _ = tokio::task::spawn_blocking(|| thread.join()).await;
    }
    Ok(())
}

async fn renew(renewal: Option<Renewal>) {
    match renewal {
        Some(renewal) => renewal.run().await,
        None => std::future::pending().await,
    }
}
