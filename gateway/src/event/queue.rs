//! The queue: it has room for so many bytes, and what finds no room is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use super::deliver::Couriers;
use super::{Event, Handlers, Name, Subject};

/// What an event takes at least, so that there are never too many.
const LEAST: u32 = 32 << 10;
/// Room for all events that wait or are being delivered: 2048 small ones.
const ROOM: u32 = 2048 * LEAST;
/// Room for the events that are being delivered to one handler: 256 small ones.
pub(super) const HANDLER_ROOM: u32 = 256 * LEAST;
/// How often the log says that events were dropped.
const REPORT: Duration = Duration::from_secs(5);

/// Where events are told.
#[derive(Clone, Debug)]
pub struct Events {
    told: UnboundedSender<Told>,
    room: Arc<Semaphore>,
    dropped: Arc<AtomicU64>,
}

/// Where they come out.
#[derive(Debug)]
pub struct Deliveries {
    told: UnboundedReceiver<Told>,
    dropped: Arc<AtomicU64>,
}

/// An event on its way.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) event: Event,
    pub(super) handlers: Arc<Handlers>,
    size: u32,
    _room: OwnedSemaphorePermit,
}

/// An empty queue.
pub fn queue() -> (Events, Deliveries) {
    let (tell, told) = mpsc::unbounded_channel();
    let dropped = Arc::new(AtomicU64::new(0));
    let room = Arc::new(Semaphore::new(ROOM as usize));
    (Events { told: tell, room, dropped: Arc::clone(&dropped) }, Deliveries { told, dropped })
}

impl Events {
    /// Tells these handlers, without waiting for any.
    pub fn tell(&self, event: Event, handlers: &Arc<Handlers>) {
        let size = size(&event);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(size) else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        // A gateway that is about to end tells nobody any more.
        let _ = self.told.send(Told { event, handlers: Arc::clone(handlers), size, _room: room });
    }

    /// Tells of a key, if these handlers want to hear of it.
    pub fn tell_of_key(&self, name: Name, message: &'static str, [org_id, key]: [&str; 2], handlers: &Arc<Handlers>) {
        if handlers.hear(name) {
            let subject = Subject::Key { org_id: org_id.to_owned(), key: key.to_owned() };
            self.tell(Event { name, message, subject, at: std::time::SystemTime::now() }, handlers);
        }
    }

    /// Waits until all have been delivered, but no longer than this.
    pub async fn settle(&self, longest: Duration) {
        if tokio::time::timeout(longest, self.room.acquire_many(ROOM)).await.is_err() {
            warn!("events are lost: their handlers did not take them before the gateway stopped");
        }
    }
}

/// What an event takes of the room; one handler has room for the largest.
fn size(event: &Event) -> u32 {
    let bytes = match &event.subject {
        Subject::Request { wire, path, key, .. } => wire.len() + path.len() + key.len(),
        Subject::Circuit { wire, path, .. } => wire.len() + path.len(),
        Subject::Key { .. } | Subject::Quota { .. } | Subject::Host(_) => 0,
    };
    u32::try_from(bytes).unwrap_or(u32::MAX).clamp(LEAST, HANDLER_ROOM)
}

impl Deliveries {
    /// Delivers for ever. A handler that hangs holds up nobody else: what it has no room for is dropped.
    pub async fn run(mut self, couriers: Couriers) {
        let couriers = Arc::new(couriers);
        let mut report = tokio::time::interval(REPORT);
        loop {
            tokio::select! {
                told = self.told.recv() => match told {
                    Some(told) => self.deliver(&couriers, told),
                    None => return,
                },
                _ = report.tick() => self.report(),
            }
        }
    }

    fn deliver(&self, couriers: &Arc<Couriers>, told: Told) {
        let told = Arc::new(told);
        for handler in told.handlers.of(told.event.name) {
            let Ok(room) = Arc::clone(&handler.room).try_acquire_many_owned(told.size) else {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let (couriers, handler, told) = (Arc::clone(couriers), Arc::clone(handler), Arc::clone(&told));
            tokio::spawn(async move {
                couriers.deliver(&handler, &told).await;
                drop(room);
            });
        }
    }

    fn report(&self) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            warn!(dropped, "events were dropped: their handlers are too slow for so many");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn handlers() -> Arc<Handlers> {
        let log = r#"{"events": {"TokenCreated": [{"handler_name": "eh_log_handler"}]}}"#;
        Handlers::of_the_system(&serde_json::from_str(log).unwrap()).handlers.unwrap()
    }

    fn event(wire: usize) -> Event {
        let subject = Subject::Request {
            wire: vec![0; wire],
            path: String::new(),
            client: String::new(),
            key: String::new(),
            reason: None,
        };
        Event { name: Name::TokenCreated, message: "", subject, at: UNIX_EPOCH }
    }

    #[tokio::test]
    async fn what_finds_no_room_is_dropped_and_counted_and_room_comes_back() {
        let (events, mut deliveries) = queue();
        let handlers = handlers();
        for _ in 0..2048 {
            events.tell(event(1), &handlers);
        }
        events.tell(event(1), &handlers);
        assert_eq!(deliveries.dropped.load(Ordering::Relaxed), 1);
        drop(deliveries.told.recv().await.unwrap());
        events.tell(event(1), &handlers);
        assert_eq!(deliveries.dropped.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn large_events_take_their_size_but_never_more_than_a_handler_has() {
        let sizes = [0, 100_000, usize::try_from(HANDLER_ROOM).unwrap() * 2].map(|bytes| size(&event(bytes)));
        assert_eq!(sizes, [LEAST, 100_000, HANDLER_ROOM]);
    }

    #[tokio::test]
    async fn settling_waits_for_what_is_on_its_way() {
        let (events, mut deliveries) = queue();
        events.tell(event(1), &handlers());
        let settled = events.settle(Duration::from_secs(60));
        tokio::pin!(settled);
        assert!(tokio::time::timeout(Duration::from_millis(10), &mut settled).await.is_err());
        drop(deliveries.told.recv().await.unwrap());
        settled.await;
    }
}
