//! A stream of server-sent events whose last one tells that the upstream broke off.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body::{Body as _, Frame};

use super::{Body, Reply};

const BROKEN: Bytes = Bytes::from_static(b"event: error\ndata: upstream connection terminated unexpectedly\n\n");

/// Passes events on, and ends with one of its own where they break off.
#[derive(Debug)]
pub struct EventStream {
    body: Body,
    broken: bool,
}

/// Lets a client know that the upstream broke off, if the reply is a stream of events.
pub fn tell_of_break(reply: &mut Reply) {
    // Bytes can be added only where no length was told.
    if reply.body().size_hint().exact().is_some() || reply.body().bytes().is_some() {
        return;
    }
    if reply.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        let body = std::mem::replace(reply.body_mut(), Body::empty());
        *reply.body_mut() = Body::EventStream(Box::new(EventStream { body, broken: false }));
    }
}

impl EventStream {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.broken {
            return Poll::Ready(None);
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            // That the API's own time is over is no failure of the upstream's.
            Some(Err(error)) if error.kind() != ErrorKind::TimedOut => {
                tracing::debug!(%error, "an upstream broke off in the middle of events");
                self.broken = true;
                Poll::Ready(Some(Ok(Frame::data(BROKEN))))
            }
            frame => Poll::Ready(frame),
        }
    }

    pub(super) fn is_end(&self) -> bool {
        self.broken || self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn is_wrapped(kind: &'static str, body: Body) -> bool {
        let mut reply = Reply::new(body);
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        tell_of_break(&mut reply);
        matches!(reply.body(), Body::EventStream(_))
    }

    #[test]
    fn only_what_streams_as_events_can_tell_of_a_break() {
        assert!(!is_wrapped("text/event-stream", Body::Whole { bytes: Bytes::from_static(b"data"), chunked: true }));
        assert!(!is_wrapped("text/event-stream", Body::empty()));
    }
}
