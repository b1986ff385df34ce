//! A request's or reply's body: on the wire until somebody needs it whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use thiserror::Error;

use super::budget::{HELD, Share};
use super::copying::Copying;
use super::event_stream::EventStream;
use super::gunzip::Gunzip;
use super::limited::Limited;
use super::streaming::Streaming;
use super::upload::Upload;

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
    /// Still on the wire, to be copied on the way.
    Copying(Box<Copying>),
    /// Still on the wire, and only for so long.
    Limited(Box<Limited>),
    /// Still on the wire, as events that tell if they break off.
    EventStream(Box<EventStream>),
}

/// Why a body could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The peer broke off or broke the framing.
    #[error("the body could not be read: {0}")]
    Broken(#[source] io::Error),
    /// It is longer than allowed.
    #[error("the body is longer than the limit")]
    TooLarge,
    /// The bodies that are held whole take all the memory they may.
    #[error("bodies held in memory take as much as http_server_options.max_buffered_bytes allows")]
    NoRoom,
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
            Self::Stream(_) | Self::Packed(_) | Self::Copying(_) | Self::Limited(_) | Self::EventStream(_) => None,
        }
    }

    /// How far it is on its way, if it streams from a client.
    pub fn upload(&self) -> Option<Upload> {
        match self {
            Self::Stream(stream) => stream.upload(),
            _ => None,
        }
    }

    /// Takes the body for sending; bytes in memory stay readable here.
    #[must_use]
    pub fn take(&mut self) -> Self {
        match self {
            Self::Whole { bytes, chunked } => Self::Whole { bytes: bytes.clone(), chunked: *chunked },
            Self::Stream(_) | Self::Packed(_) | Self::Copying(_) | Self::Limited(_) | Self::EventStream(_) => {
                std::mem::replace(self, Self::empty())
            }
        }
    }
}

/// A body on its way into memory; one that comes in one piece is not copied.
struct Collected {
    first: Bytes,
    more: BytesMut,
    share: Share<'static>,
}

impl Collected {
    fn add(&mut self, data: Bytes) -> Result<(), ReadError> {
        if !self.share.grow(data.len()) {
            return Err(ReadError::NoRoom);
        }
        if self.first.is_empty() {
            self.first = data;
            return Ok(());
        }
        if self.more.is_empty() {
            self.more.extend_from_slice(&self.first);
        }
        self.more.extend_from_slice(&data);
        Ok(())
    }

    fn whole(self) -> Bytes {
        let bytes = if self.more.is_empty() { self.first } else { self.more.freeze() };
        self.share.hold(bytes)
    }
}

async fn collect(body: &mut Body, limit: Option<u64>) -> Result<Bytes, ReadError> {
    let mut left = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let mut collected = Collected { first: Bytes::new(), more: BytesMut::new(), share: HELD.share() };
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(ReadError::Broken)?.into_data() else { continue };
        left = left.checked_sub(data.len()).ok_or(ReadError::TooLarge)?;
        collected.add(data)?;
    }
    Ok(collected.whole())
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Stream(stream) => stream.poll(cx),
            Self::Packed(gunzip) => gunzip.poll(cx),
            Self::Copying(copying) => copying.poll(cx),
            Self::Limited(limited) => limited.poll(cx),
            Self::EventStream(events) => events.poll(cx),
            Self::Whole { bytes, .. } if bytes.is_empty() => Poll::Ready(None),
            Self::Whole { bytes, .. } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.is_end(),
            Self::Packed(_) => false,
            Self::Copying(copying) => copying.is_end(),
            Self::Limited(limited) => limited.body.is_end_stream(),
            Self::EventStream(events) => events.is_end(),
            Self::Whole { bytes, .. } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Stream(stream) => stream.size_hint(),
            Self::Copying(copying) => copying.size_hint(),
            Self::Limited(limited) => limited.body.size_hint(),
            Self::Whole { chunked: true, .. } | Self::Packed(_) | Self::EventStream(_) => SizeHint::default(),
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
