//! The thread that changes sessions.
//!
//! A change may have to wait for the disk: another thread of the database syncs a file, or has
//! fallen behind. Whoever asked for it waits without keeping its worker from other connections.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::super::StoreError;
use super::Inner;

type Write = Box<dyn FnOnce(&Inner) + Send>;

/// The way to the thread, which ends with it.
pub(super) struct Writer {
    queue: Option<Sender<Write>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(inner: Arc<Inner>) -> Result<Self, StoreError> {
        let place = inner.disk.place().to_owned();
        let (queue, writes) = mpsc::channel::<Write>();
        let work = move || writes.into_iter().for_each(|write| write(&inner));
        let started = thread::Builder::new().name("store".into()).spawn(work);
        let thread = started
            .map_err(|error| StoreError { place, reason: format!("the system gave no thread for writing: {error}") })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Makes a change after those that were asked for before; it is made even if nobody waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<Result<T, StoreError>> {
        let (done, outcome) = oneshot::channel();
        let write = Box::new(move |inner: &Inner| drop(done.send(write(inner))));
        self.queue.as_ref()?.send(write).ok()?;
        outcome.await.ok()
    }
}

impl Drop for Writer {
    /// What was asked for is still written.
    fn drop(&mut self) {
        self.queue = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes the store had ended");
        }
    }
}
