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
    begun: bool,
    ended: bool,
    trailers: Option<Frame<Bytes>>,
}

impl Gunzip {
    /// Unpacks what streams.
    pub fn new(packed: Streaming) -> Self {
        Self { packed, decoder: MultiGzDecoder::new(Vec::new()), begun: false, ended: false, trailers: None }
    }

    fn unpack(&mut self, packed: &[u8]) -> io::Result<Bytes> {
        self.begun |= !packed.is_empty();
        self.decoder.write_all(packed)?;
        // The decoder would hold what it has unpacked until more comes.
        self.decoder.flush()?;
        Ok(std::mem::take(self.decoder.get_mut()).into())
    }

    fn rest(&mut self) -> io::Result<Bytes> {
        self.ended = true;
        // Nothing at all is no broken body.
        if self.begun {
            self.decoder.try_finish()?;
        }
        Ok(std::mem::take(self.decoder.get_mut()).into())
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        while !self.ended {
            let bytes = match ready!(self.packed.poll(cx)) {
                None => self.rest(),
                Some(Err(error)) => Err(error),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(packed) => self.unpack(&packed),
                    Err(trailers) => {
                        self.trailers = Some(trailers);
                        self.rest()
                    }
                },
            };
            match bytes {
                Ok(bytes) if bytes.is_empty() => {}
                result => return Poll::Ready(Some(result.map(Frame::data))),
            }
        }
        Poll::Ready(self.trailers.take().map(Ok))
    }
}
