//! A client's socket that tells what it does, and what it was admitted by.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::activity::{Activity, Requests};
use crate::exchange::Strand;
use crate::listener::admission::Admitted;

/// Also when the connection goes on in another protocol, it stays admitted as long as its socket.
pub(super) struct Gauge<S> {
    inner: S,
    requests: Arc<Requests>,
    outgoing: Strand,
    _admitted: Admitted,
}

impl<S> Gauge<S> {
    pub(super) fn new(inner: S, activity: &Activity, admitted: Admitted) -> Self {
        let requests = Arc::clone(activity.requests());
        Self { inner, requests, outgoing: Strand::of(&activity.outgoing), _admitted: admitted }
    }

    fn wrote<T>(&mut self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match polled {
            Poll::Pending => self.outgoing.wait(),
            Poll::Ready(_) => self.outgoing.advance(),
        }
        polled
    }
}

impl<S: Read + Unpin> Read for Gauge<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if polled.is_ready() {
            self.requests.read();
        }
        polled
    }
}

impl<S: Write + Unpin> Write for Gauge<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.wrote(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.wrote(polled)
    }
}
