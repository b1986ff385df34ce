//! The first bytes of a connection without TLS: they tell HTTP/2 from HTTP/1.1.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::net::TcpStream;

use super::Protocol;

/// How every HTTP/2 client begins.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until it is clear what the client speaks; gives what was read as well.
pub(super) async fn read(socket: &TcpStream) -> io::Result<(Protocol, Vec<u8>)> {
    let mut ahead = Vec::new();
    while ahead != PREFACE {
        socket.readable().await?;
        let mut buffer = [0; PREFACE.len()];
        let count = match socket.try_read(&mut buffer[..PREFACE.len() - ahead.len()]) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        ahead.extend_from_slice(&buffer[..count]);
        if count == 0 || !PREFACE.starts_with(&ahead) {
            return Ok((Protocol::Http1, ahead));
        }
    }
    Ok((Protocol::Http2, ahead))
}

/// A socket of which something was read already; it is read again.
pub(super) struct Rewound<S> {
    inner: S,
    ahead: Vec<u8>,
}

impl<S> Rewound<S> {
    pub(super) fn new(inner: S, ahead: Vec<u8>) -> Self {
        Self { inner, ahead }
    }
}

impl<S: Read + Unpin> Read for Rewound<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let count = self.ahead.len().min(buf.remaining());
        buf.put_slice(self.ahead.drain(..count).as_slice());
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(()));
        }
        // What else has come is read with it: the codec needs no larger buffer for the rest of a head.
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Pending => Poll::Ready(Ok(())),
            read => read,
        }
    }
}

impl<S: Write + Unpin> Write for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// What is made of bytes that come one by one; the client then says no more.
    async fn told(bytes: &[u8]) -> (Protocol, Vec<u8>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let bytes = bytes.to_vec();
        let sending = tokio::task::spawn_blocking(move || bytes.iter().try_for_each(|byte| client.write_all(&[*byte])));
        let told = read(&socket).await.unwrap();
        sending.await.unwrap().unwrap();
        told
    }

    #[tokio::test]
    async fn only_the_whole_preface_is_http2() {
        for (bytes, protocol) in [
            (&PREFACE[..], Protocol::Http2),
            (b"GET / HTTP/1.1\r\n\r\n", Protocol::Http1),
            (b"PRI * HTTP/1.1\r\n\r\n", Protocol::Http1),
            (b"P", Protocol::Http1),
            (b"", Protocol::Http1),
        ] {
            let (told, ahead) = told(bytes).await;
            assert_eq!(told, protocol, "{}", bytes.escape_ascii());
            assert!(bytes.starts_with(&ahead));
        }
    }
}
