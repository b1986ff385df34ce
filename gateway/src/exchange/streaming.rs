//! A body on the wire. One that comes from an upstream gives its connection back at its end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::flow::{Flow, Strand};
use super::upload::Upload;
use crate::upstream::Lease;

/// Frames as they arrive.
#[derive(Debug)]
pub struct Streaming {
    incoming: Incoming,
    lease: Option<Lease>,
    /// What is told of a client's body.
    sending: Option<(Strand, Upload)>,
}

impl Streaming {
    /// A client's body, which is part of this flow.
    pub fn new(incoming: Incoming, flow: &Arc<Flow>) -> Self {
        let sending = (!incoming.is_end_stream()).then(|| (Strand::of(flow), Upload::begin()));
        Self { incoming, lease: None, sending }
    }

    /// An upstream's body, over this connection if it is nobody else's meanwhile.
    pub fn leased(incoming: Incoming, lease: Option<Lease>) -> Self {
        let mut streaming = Self { incoming, lease, sending: None };
        if streaming.is_end() {
            streaming.release();
        }
        streaming
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if let Some((strand, upload)) = &mut self.sending {
            match polled.is_pending() {
                true => (strand.wait(), upload.wait()),
                false => (strand.advance(), upload.advance()),
            };
        }
        let frame = ready!(polled);
        let last = match &frame {
            Some(Ok(frame)) => self.is_end() || frame.is_trailers(),
            Some(Err(_)) => false,
            // A body without a length says so only now.
            None => true,
        };
        if last {
            self.release();
        }
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }

    /// How far it is, if it is a client's.
    pub(super) fn upload(&self) -> Option<Upload> {
        self.sending.as_ref().map(|(_, upload)| upload.clone())
    }

    pub(super) fn is_end(&self) -> bool {
        self.incoming.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}
