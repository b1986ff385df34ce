//! One unary gRPC call on an HTTP/2 connection.
//!
//! Done on the `h2` crate itself: a call costs no task, no channel and one copy of the message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use prost::Message;
use tonic::{Code, Status};

/// Compression flag and length before each message.
const PREFIX: usize = 5;

/// Why a call had no reply.
#[derive(Debug)]
pub(super) enum CallError {
    /// The server provably did not begin with it.
    Unsent(h2::Error),
    /// It failed, or was answered with an error.
    Failed(Status),
}

/// A method of a server: what is the same for every call.
pub(super) struct UnaryMethod {
    uri: Uri,
    headers: HeaderMap,
}

impl UnaryMethod {
    /// A method by its path, at this origin.
    pub(super) fn new(uri: Uri) -> Self {
        let agent = HeaderValue::from_static(concat!("outrigger/", env!("CARGO_PKG_VERSION")));
        let headers = [
            (TE, HeaderValue::from_static("trailers")),
            (CONTENT_TYPE, HeaderValue::from_static("application/grpc")),
            (USER_AGENT, agent),
        ];
        Self { uri, headers: HeaderMap::from_iter(headers) }
    }

    /// Sends `message`, already framed, and gives the reply's message of at most `limit` bytes.
    pub(super) async fn call(
        &self,
        sender: SendRequest<Bytes>,
        message: Bytes,
        limit: usize,
    ) -> Result<Bytes, CallError> {
        let mut sender = sender.ready().await.map_err(CallError::Unsent)?;
        let (response, mut body) = sender.send_request(self.request(), false).map_err(CallError::Unsent)?;
        body.send_data(message, true).map_err(failed)?;
        let (head, mut stream) = response.await.map_err(failed)?.into_parts();
        let reply = if stream.is_end_stream() { None } else { Some(read(&mut stream, limit).await?) };
        let trailers = if reply.is_some() { stream.trailers().await.map_err(failed)? } else { None };
        status(head.status, trailers.as_ref().unwrap_or(&head.headers)).map_err(CallError::Failed)?;
        unframe(reply.unwrap_or_default()).map_err(CallError::Failed)
    }

    fn request(&self) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// A message with its prefix; `None` beyond `limit` bytes.
pub(super) fn frame(message: &impl Message, limit: usize) -> Option<Bytes> {
    let length = message.encoded_len();
    let prefix = u32::try_from(length).ok().filter(|_| length <= limit)?;
    let mut out = BytesMut::with_capacity(PREFIX + length);
    out.put_u8(0);
    out.put_u32(prefix);
    message.encode_raw(&mut out);
    Some(out.freeze())
}

/// The whole body, usually one piece that is not copied.
async fn read(stream: &mut RecvStream, limit: usize) -> Result<Bytes, CallError> {
    let mut whole = Bytes::new();
    let mut pieces = BytesMut::new();
    while let Some(piece) = stream.data().await {
        let piece = piece.map_err(failed)?;
        // Giving capacity back fails only for streams that have ended.
        let _ = stream.flow_control().release_capacity(piece.len());
        if whole.is_empty() {
            whole = piece;
        } else {
            if pieces.is_empty() {
                pieces.extend_from_slice(&whole);
            }
            pieces.extend_from_slice(&piece);
        }
        check_size(if pieces.is_empty() { &whole } else { &pieces }, limit).map_err(CallError::Failed)?;
    }
    Ok(if pieces.is_empty() { whole } else { pieces.freeze() })
}

/// Refuses a message as soon as its prefix says that it is too large.
fn check_size(received: &[u8], limit: usize) -> Result<(), Status> {
    let announced = received.get(1..PREFIX).map_or(0, |mut length| length.get_u32() as usize);
    if announced <= limit && received.len() <= limit.saturating_add(PREFIX) {
        return Ok(());
    }
    let message = format!("a returned object of {announced} bytes is over grpc_recv_max_size ({limit})");
    Err(Status::new(Code::ResourceExhausted, message))
}

/// The one message of a body.
fn unframe(mut body: Bytes) -> Result<Bytes, Status> {
    if body.len() < PREFIX {
        return Err(Status::new(Code::Internal, "the call ended without a message"));
    }
    let (compressed, length) = (body.get_u8() != 0, body.get_u32() as usize);
    if compressed {
        return Err(Status::new(Code::Unimplemented, "the returned object is compressed"));
    }
    if body.len() != length {
        return Err(Status::new(Code::Internal, "the returned object is not one whole message"));
    }
    Ok(body)
}

/// What headers or trailers say of the outcome.
fn status(http: StatusCode, trailers: &HeaderMap) -> Result<(), Status> {
    match Status::from_header_map(trailers) {
        Some(status) if status.code() == Code::Ok => Ok(()),
        Some(status) => Err(status),
        None if http == StatusCode::OK => Err(Status::new(Code::Internal, "the call ended without a gRPC status")),
        None => Err(Status::new(Code::Unavailable, format!("the server answered HTTP status {}", http.as_u16()))),
    }
}

/// A stream that the server refused, or that its GOAWAY left out, never began.
fn failed(error: h2::Error) -> CallError {
    let left_out = error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
    if left_out {
        return CallError::Unsent(error);
    }
    let code = if error.reason() == Some(Reason::CANCEL) { Code::Cancelled } else { Code::Unavailable };
    CallError::Failed(Status::new(code, error.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use coprocess::Event;

    use super::*;

    #[test]
    fn a_framed_message_is_found_again() {
        let event = Event { payload: "{}".into() };
        let framed = frame(&event, 10).unwrap();
        assert_eq!(Event::decode(unframe(framed).unwrap()).unwrap(), event);
        assert_eq!(frame(&event, 3), None);
    }

    #[test]
    fn bodies_that_are_not_one_plain_message_are_refused() {
        for body in [&b""[..], b"\0\0\0\0", b"\x01\0\0\0\x01x", b"\0\0\0\0\x02x", b"\0\0\0\0\x01xy"] {
            assert!(unframe(Bytes::from_static(body)).is_err(), "{body:?}");
        }
    }

    #[test]
    fn a_message_is_refused_by_the_length_it_announces() {
        assert!(check_size(b"\0\0\0\0\x05he", 5).is_ok());
        assert_eq!(check_size(b"\0\0\0\0\x06", 5).unwrap_err().code(), Code::ResourceExhausted);
    }

    #[test]
    fn without_a_grpc_status_a_call_has_failed() {
        let ok = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
        assert!(status(StatusCode::OK, &ok).is_ok());
        assert_eq!(status(StatusCode::OK, &HeaderMap::new()).unwrap_err().code(), Code::Internal);
        assert_eq!(status(StatusCode::NOT_FOUND, &HeaderMap::new()).unwrap_err().code(), Code::Unavailable);
    }
}
