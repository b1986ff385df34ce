//! What a connection is doing, as far as it can be told without looking at single requests.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::Notify;

use crate::exchange::{Body, Flow, Strand};

/// A connection's requests, and the bytes that go both ways.
#[derive(Default)]
pub(super) struct Activity {
    requests: Arc<Requests>,
    /// The socket, towards the client.
    pub(super) outgoing: Arc<Flow>,
    /// Bodies of requests.
    pub(super) uploads: Arc<Flow>,
    /// Bodies of replies that share the socket.
    replies: Arc<Flow>,
}

/// How many requests are under way in the low half of `count`, how many began in the high one.
#[derive(Default)]
pub(super) struct Requests {
    count: AtomicU64,
    /// How many the client took back before they were answered.
    taken_back: AtomicU32,
    /// How many more it may take back than it lets be answered.
    allowance: u32,
    abused: Notify,
    /// How often something was read, and how often when the last request ended.
    reads: AtomicU32,
    reads_at_end: AtomicU32,
}

const UNDER_WAY: u64 = 1;
const BEGUN: u64 = 1 << 32;

/// A request under way, until its reply's last byte.
pub(super) struct Busy {
    requests: Arc<Requests>,
    answered: bool,
}

/// A reply's body that keeps its connection busy.
pub(super) struct Watched {
    body: Body,
    _busy: Busy,
    strand: Option<Strand>,
}

impl Activity {
    /// Nothing yet; the client may take back this many requests more than it lets be answered.
    pub(super) fn new(allowance: u32) -> Self {
        Self { requests: Arc::new(Requests { allowance, ..Requests::default() }), ..Self::default() }
    }

    pub(super) fn begin(&self) -> Busy {
        self.requests.count.fetch_add(BEGUN + UNDER_WAY, Ordering::Relaxed);
        Busy { requests: Arc::clone(&self.requests), answered: false }
    }

    pub(super) fn requests(&self) -> &Arc<Requests> {
        &self.requests
    }

    /// Done when the client took back too many requests.
    pub(super) async fn abuse(&self) {
        self.requests.abused.notified().await;
    }

    /// How many requests there were, if none is under way.
    pub(super) fn idle(&self) -> Option<u32> {
        let count = self.requests.count.load(Ordering::Relaxed);
        count.is_multiple_of(BEGUN).then_some((count / BEGUN) as u32)
    }

    /// The same, if a part of the next one has come.
    pub(super) fn beginning(&self) -> Option<u32> {
        let Requests { reads, reads_at_end, .. } = &*self.requests;
        self.idle().filter(|_| reads.load(Ordering::Relaxed) != reads_at_end.load(Ordering::Relaxed))
    }

    /// How far the body of a request is that the client does not send on.
    pub(super) fn receiving(&self) -> Option<u32> {
        self.uploads.stands_at()
    }

    /// How far an answer is that the client does not take.
    pub(super) fn sending(&self) -> Option<u32> {
        self.outgoing.stands_at()
    }

    /// How far the answers are that wait for the client to make room for them.
    pub(super) fn sharing(&self) -> Option<u32> {
        self.replies.stands_at()
    }

    /// The body of a reply that has its connection for itself.
    pub(super) fn whole(&self, busy: Busy, body: Body) -> Watched {
        Watched { body, _busy: busy.answered(), strand: None }
    }

    /// The body of a reply beside others.
    pub(super) fn shared(&self, busy: Busy, body: Body) -> Watched {
        Watched { body, _busy: busy.answered(), strand: Some(Strand::of(&self.replies)) }
    }
}

impl Requests {
    /// Something was read.
    pub(super) fn read(&self) {
        self.reads.store(self.reads.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    fn end(&self) {
        self.count.fetch_sub(UNDER_WAY, Ordering::Relaxed);
        self.reads_at_end.store(self.reads.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn take_back(&self) {
        let taken_back = self.taken_back.fetch_add(1, Ordering::Relaxed) + 1;
        let begun = (self.count.load(Ordering::Relaxed) / BEGUN) as u32;
        if taken_back > self.allowance.saturating_add(begun.saturating_sub(taken_back)) {
            self.abused.notify_one();
        }
    }
}

impl Busy {
    fn answered(mut self) -> Self {
        self.answered = true;
        self
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.requests.end();
        if !self.answered {
            self.requests.take_back();
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self { body, strand, .. } = &mut *self;
        let Some(strand) = strand else { return Pin::new(body).poll_frame(cx) };
        strand.advance();
        let polled = Pin::new(body).poll_frame(cx);
        // The next is asked for when the client has room for it.
        if matches!(polled, Poll::Ready(Some(Ok(_)))) {
            strand.wait();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_idle_only_when_none_of_several_requests_is_under_way() {
        let activity = Activity::new(0);
        assert_eq!(activity.idle(), Some(0));
        let (first, second) = (activity.begin(), activity.begin());
        drop(first);
        assert_eq!(activity.idle(), None);
        drop(second);
        assert_eq!(activity.idle(), Some(2));
    }

    #[test]
    fn what_is_read_while_no_request_is_under_way_begins_one() {
        let activity = Activity::new(0);
        assert_eq!(activity.beginning(), None);
        activity.requests().read();
        assert_eq!(activity.beginning(), Some(0));
        let busy = activity.begin();
        activity.requests().read();
        assert_eq!(activity.beginning(), None);
        drop(busy);
        assert_eq!((activity.beginning(), activity.idle()), (None, Some(1)));
    }

    #[tokio::test]
    async fn a_client_may_take_back_as_much_as_it_lets_be_answered_and_some_more() {
        let activity = Activity::new(2);
        drop(activity.whole(activity.begin(), Body::empty()));
        for _ in 0..3 {
            drop(activity.begin());
        }
        assert!(futures_ready(activity.abuse()).is_none());
        drop(activity.begin());
        assert!(futures_ready(activity.abuse()).is_some());
    }

    /// What a future gives at once.
    fn futures_ready<T>(future: impl Future<Output = T>) -> Option<T> {
        match std::pin::pin!(future).poll(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }
}
