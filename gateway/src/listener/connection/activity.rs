//! Whether a connection has requests under way, and for how long it had none.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::exchange::Body;

/// A connection's requests: how many are under way in the low half, how many began in the high one.
#[derive(Default)]
pub(super) struct Activity(Arc<AtomicU64>);

const UNDER_WAY: u64 = 1;
const BEGUN: u64 = 1 << 32;

/// A request under way, until its reply's last byte.
pub(super) struct Busy(Arc<AtomicU64>);

/// A reply's body that keeps its connection busy.
pub(super) struct Watched {
    body: Body,
    _busy: Busy,
}

impl Activity {
    pub(super) fn begin(&self) -> Busy {
        self.0.fetch_add(BEGUN + UNDER_WAY, Ordering::Relaxed);
        Busy(Arc::clone(&self.0))
    }

    /// Done when no request was under way for `limit`, and for twice as long at most. One timer for
    /// many requests costs them nothing.
    pub(super) async fn silence(&self, limit: Duration) {
        loop {
            let before = self.0.load(Ordering::Relaxed);
            tokio::time::sleep(limit).await;
            if before.is_multiple_of(BEGUN) && before == self.0.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

impl Busy {
    pub(super) fn until_the_end_of(self, body: Body) -> Watched {
        Watched { body, _busy: self }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(UNDER_WAY, Ordering::Relaxed);
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(cx)
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

    #[tokio::test]
    async fn it_is_silent_only_when_none_of_several_requests_is_under_way() {
        let activity = Activity::default();
        let silent_within =
            async |limit| tokio::time::timeout(limit, activity.silence(Duration::from_millis(1))).await.is_ok();
        let (long, short) = (Duration::from_secs(30), Duration::from_millis(20));
        assert!(silent_within(long).await);
        let (first, second) = (activity.begin(), activity.begin());
        drop(first);
        assert!(!silent_within(short).await);
        drop(second);
        assert!(silent_within(long).await);
    }
}
