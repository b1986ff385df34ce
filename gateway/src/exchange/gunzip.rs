//! Unpacks a gzipped body while it streams.

use std::io::{self, Write};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http_body::Frame;

use super::streaming::Streaming;

/// A body whose bytes come unpacked; its length is unknown.
#[derive(Debug)]
pub struct Gunzip {
    packed: Streaming,
    decoder: MultiGzDecoder<Vec<u8>>,
    ended: bool,
}

impl Gunzip {
    /// Unpacks what streams.
    pub fn new(packed: Streaming) -> Self {
        Self { packed, decoder: MultiGzDecoder::new(Vec::new()), ended: false }
    }

    fn unpack(&mut self, packed: &[u8]) -> io::Result<Bytes> {
        self.decoder.write_all(packed)?;
        Ok(std::mem::take(self.decoder.get_mut()).into())
    }

    fn rest(&mut self) -> io::Result<Bytes> {
        self.ended = true;
        self.decoder.try_finish()?;
        Ok(std::mem::take(self.decoder.get_mut()).into())
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        while !self.ended {
            let bytes = match ready!(self.packed.poll(cx)) {
                None => self.rest(),
                Some(Err(error)) => Err(error),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(packed) => self.unpack(&packed),
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
            };
            match bytes {
                Ok(bytes) if bytes.is_empty() => {}
                result => return Poll::Ready(Some(result.map(Frame::data))),
            }
        }
        Poll::Ready(None)
    }
}
