//! A body that is copied while it passes.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};

use super::Body;
use super::budget::{HELD, Share};

/// Passes a body on, and hands over the copy of one that came to its end, has no trailers, and is no
/// longer than there is room. While it passes, its copy counts as held in memory.
pub struct Copying {
    body: Body,
    copy: BytesMut,
    room: usize,
    share: Share<'static>,
    /// Nobody, once the copy has been handed over or given up.
    to: Option<Receiver>,
}

type Receiver = Box<dyn FnOnce(Bytes) + Send + Sync>;

impl Copying {
    /// Copies what passes, up to `room` bytes.
    pub fn new(body: Body, room: usize, to: impl FnOnce(Bytes) + Send + Sync + 'static) -> Self {
        Self { body, copy: BytesMut::new(), room, share: HELD.share(), to: Some(Box::new(to)) }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => self.take(frame),
            Some(Err(_)) => self.give_up(),
            None => self.hand_over(),
        }
        Poll::Ready(frame)
    }

    fn take(&mut self, frame: &Frame<Bytes>) {
        match frame.data_ref() {
            Some(data) if self.has_room_for(data) => self.copy.extend_from_slice(data),
            _ => self.give_up(),
        }
        // A body of known length is not polled behind its last byte.
        if self.body.is_end_stream() {
            self.hand_over();
        }
    }

    fn has_room_for(&mut self, data: &Bytes) -> bool {
        let fits = self.to.is_some() && self.copy.len() + data.len() <= self.room;
        fits && self.share.grow(data.len())
    }

    fn give_up(&mut self) {
        (self.to, self.copy, self.share) = (None, BytesMut::new(), HELD.share());
    }

    fn hand_over(&mut self) {
        if let Some(to) = self.to.take() {
            to(std::mem::take(&mut self.copy).freeze());
            self.share = HELD.share();
        }
    }

    pub(super) fn is_end(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Copying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copying").field("body", &self.body).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http_body_util::BodyExt;

    use super::*;

    async fn copied(text: &'static str, room: usize) -> (Bytes, Option<Bytes>) {
        let copy = Arc::new(Mutex::new(None));
        let to = Arc::clone(&copy);
        let body = Body::Whole { bytes: text.into(), chunked: true };
        let body = Copying::new(body, room, move |bytes| *to.lock().unwrap() = Some(bytes));
        let passed = Body::Copying(Box::new(body)).collect().await.unwrap().to_bytes();
        let copy = copy.lock().unwrap().take();
        (passed, copy)
    }

    #[tokio::test]
    async fn the_copy_is_whole_or_there_is_none() {
        let text = Bytes::from_static(b"hello");
        assert_eq!(copied("hello", 5).await, (text.clone(), Some(text.clone())));
        assert_eq!(copied("hello", 4).await, (text, None));
        assert_eq!(copied("", 4).await, (Bytes::new(), Some(Bytes::new())));
    }
}
