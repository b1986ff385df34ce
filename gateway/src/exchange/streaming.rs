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
    strand: Option<Strand>,
    upload: Option<Upload>,
}

impl Streaming {
    /// A client's body, which is part of this flow.
    pub fn new(incoming: Incoming, flow: &Arc<Flow>) -> Self {
        let (strand, upload) = match incoming.is_end_stream() {
            true => (None, None),
            false => (Some(Strand::of(flow)), Some(Upload::begin())),
        };
        Self { incoming, lease: None, strand, upload }
    }

    /// An upstream's body, over this connection if it is nobody else's meanwhile.
    pub fn leased(incoming: Incoming, lease: Option<Lease>) -> Self {
        let mut streaming = Self { incoming, lease, strand: None, upload: None };
        if streaming.is_end() {
            streaming.release();
        }
        streaming
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if let Some(strand) = &mut self.strand {
            if polled.is_pending() { strand.wait() } else { strand.advance() }
        }
        if let Some(upload) = &self.upload {
            if polled.is_pending() { upload.wait() } else { upload.advance() }
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
        self.upload.clone()
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
