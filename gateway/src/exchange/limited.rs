//! A body that must have come whole by some time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Body;

/// A body that breaks off at its deadline.
#[derive(Debug)]
pub struct Limited {
    pub(super) body: Body,
    deadline: Pin<Box<Sleep>>,
}

impl Body {
    /// The same body, of which nothing comes after `deadline`; one that is here already has no use for it.
    #[must_use]
    pub fn until(self, deadline: Instant) -> Self {
        if self.bytes().is_some() || self.is_end_stream() {
            return self;
        }
        Self::Limited(Box::new(Limited { body: self, deadline: Box::pin(sleep_until(deadline)) }))
    }
}

impl Limited {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        // First: a body that never pauses must end too.
        if self.deadline.as_mut().poll(cx).is_ready() {
            let late = "the upstream's answer took longer than the API gives it";
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, late))));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_here_already_needs_no_limit() {
        for body in [Body::whole("abc"), Body::empty()] {
            assert!(body.until(Instant::now()).bytes().is_some());
        }
    }
}
