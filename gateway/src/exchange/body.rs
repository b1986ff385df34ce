//! A request's or reply's body: on the wire until somebody needs it whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use thiserror::Error;

use super::gunzip::Gunzip;
use super::streaming::Streaming;

/// A body that streams, or one that is in memory.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole {
        /// The bytes.
        bytes: Bytes,
        /// Whether it travels in chunks although its length is known.
        chunked: bool,
    },
    /// Still on the wire.
    Stream(Streaming),
    /// Still on the wire, to be unpacked on the way.
    Packed(Box<Gunzip>),
}

/// Why a body could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The peer broke off or broke the framing.
    #[error("the body could not be read: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is longer than allowed.
    #[error("the body is longer than the limit")]
    TooLarge,
}

impl Body {
    /// A body in memory, sent with its length.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole { bytes: bytes.into(), chunked: false }
    }

    /// No body.
    pub fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// Reads the body into memory, up to `limit` bytes; a body without a length stays chunked.
    pub async fn read(&mut self, limit: Option<u64>) -> Result<&Bytes, ReadError> {
        if self.bytes().is_none() {
            let chunked = self.size_hint().exact().is_none();
            let bytes = collect(self, limit).await?;
            *self = Self::Whole { chunked: chunked && !bytes.is_empty(), bytes };
        }
        static NOTHING: Bytes = Bytes::new();
        Ok(self.bytes().unwrap_or(&NOTHING))
    }

    /// Puts other bytes in its place; what came chunked stays so unless nothing is left.
    pub fn replace(&mut self, bytes: Bytes) {
        let chunked = self.size_hint().exact().is_none() && !bytes.is_empty();
        *self = Self::Whole { chunked, bytes };
    }

    /// The bytes, if they are in memory.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Whole { bytes, .. } => Some(bytes),
            Self::Stream(_) | Self::Packed(_) => None,
        }
    }

    /// Takes the body for sending; bytes in memory stay readable here.
    #[must_use]
    pub fn take(&mut self) -> Self {
        match self {
            Self::Whole { bytes, chunked } => Self::Whole { bytes: bytes.clone(), chunked: *chunked },
            Self::Stream(_) | Self::Packed(_) => std::mem::replace(self, Self::empty()),
        }
    }
}

async fn collect(body: &mut Body, limit: Option<u64>) -> Result<Bytes, ReadError> {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    match Limited::new(body, limit).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ReadError::TooLarge),
        Err(error) => Err(ReadError::Broken(error)),
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Stream(stream) => stream.poll(cx),
            Self::Packed(gunzip) => gunzip.poll(cx),
            Self::Whole { bytes, .. } if bytes.is_empty() => Poll::Ready(None),
            Self::Whole { bytes, .. } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.is_end(),
            Self::Packed(_) => false,
            Self::Whole { bytes, .. } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Stream(stream) => stream.size_hint(),
            Self::Whole { chunked: true, .. } | Self::Packed(_) => SizeHint::default(),
            Self::Whole { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coding(body: &Body) -> (Option<u64>, bool) {
        (body.size_hint().exact(), body.is_end_stream())
    }

    #[test]
    fn what_came_chunked_stays_chunked_until_it_is_empty() {
        let mut body = Body::Whole { bytes: Bytes::from_static(b"abc"), chunked: true };
        body.replace(Bytes::from_static(b"hello"));
        assert_eq!(coding(&body), (None, false));
        body.replace(Bytes::new());
        assert_eq!(coding(&body), (Some(0), true));
    }

    #[test]
    fn bytes_stay_readable_after_they_were_taken_for_sending() {
        let mut body = Body::whole("abc");
        assert_eq!(coding(&body.take()), (Some(3), false));
        assert_eq!(body.bytes().map(Bytes::as_ref), Some(b"abc".as_ref()));
    }
}
