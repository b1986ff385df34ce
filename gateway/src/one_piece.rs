//! A socket that sends small messages in one piece.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

/// Up to this many bytes are copied together: dearer than the copy is a vectored system call.
const PIECE: usize = 8 << 10;

/// A socket below the HTTP/1.1 codec, which hands over head and body as separate slices.
#[derive(Debug)]
pub struct OnePiece<S> {
    inner: S,
    piece: Vec<u8>,
}

impl<S> OnePiece<S> {
    /// Wraps a socket.
    pub fn new(inner: S) -> Self {
        Self { inner, piece: Vec::new() }
    }
}

impl<S: Read + Unpin> Read for OnePiece<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: Write + Unpin> Write for OnePiece<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, piece } = self.get_mut();
        if slices.iter().map(|slice| slice.len()).sum::<usize>() > PIECE {
            return Pin::new(inner).poll_write_vectored(cx, slices);
        }
        piece.clear();
        slices.iter().for_each(|slice| piece.extend_from_slice(slice));
        Pin::new(inner).poll_write(cx, piece)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
