//! HTTP/2 frames made by hand, for what a well-behaved client would not send.

use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{Authority, Gateway, Setup, Upstream, Wire, api};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const WITH_PRIORITY: u8 = 32;
/// A request without a body.
pub const ALL: u8 = END_STREAM | END_HEADERS;

pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const COMPRESSION_ERROR: u32 = 9;

/// A field as HPACK has it that names everything in full.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[text.len().try_into().unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// The fields of a request with this method, and more.
pub fn request(method: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "localhost")];
    block(&[&pseudo, more].concat())
}

pub fn get() -> Vec<u8> {
    request("GET", &[])
}

pub fn post(more: &[(&str, &str)]) -> Vec<u8> {
    request("POST", more)
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub fn setting(key: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, [&key.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

/// A client that has said its settings and heard those of the gateway.
pub struct Peer {
    pub wire: Wire<Socket>,
    /// How many requests it may have open.
    pub streams: u32,
}

/// TLS or not.
pub type Socket = Box<dyn Duplex>;

pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a frame that ends something.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// How the gateway writes the status of an answer: one byte for each that is usual.
    pub fn status(&self) -> u16 {
        match self.payload[0] {
            0x88 => 200,
            0x8c => 400,
            0x8e => 500,
            other => u16::from(other),
        }
    }
}

impl Peer {
    pub async fn new(socket: Socket) -> Self {
        let mut peer = Self { wire: Wire::over(socket), streams: 0 };
        peer.wire.send([PREFACE, &frame(SETTINGS, 0, 0, "")].concat()).await;
        let settings = peer.next().await.expect("settings");
        assert_eq!((settings.kind, settings.flags & ACK, settings.stream), (SETTINGS, 0, 0));
        let streams = settings.payload.chunks(6).find(|setting| setting[..2] == [0, 3]).expect("a limit of streams");
        peer.streams = u32::from_be_bytes(streams[2..].try_into().unwrap());
        peer.wire.send(frame(SETTINGS, ACK, 0, "")).await;
        while !matches!(peer.next().await, Some(Frame { kind: SETTINGS, flags: ACK, .. })) {}
        peer
    }

    /// The next frame, unless the connection ends.
    pub async fn next(&mut self) -> Option<Frame> {
        let head = self.wire.bytes(9).await?;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte));
        let payload = self.wire.bytes(number(&head[..3]) as usize).await?;
        Some(Frame { kind: head[3], flags: head[4], stream: number(&head[5..]), payload })
    }

    /// What comes of the first stream, or of all: how it was refused or answered.
    pub async fn outcome(&mut self) -> Outcome {
        loop {
            match self.next().await {
                None => return Outcome::Closed,
                Some(frame) if frame.kind == GOAWAY => return Outcome::Connection(frame.code()),
                Some(frame) if frame.kind == RST_STREAM => return Outcome::Stream(frame.code()),
                Some(frame) if frame.kind == HEADERS => return Outcome::Answer(frame.status()),
                Some(_) => {}
            }
        }
    }

    /// Whether another request is answered: what went wrong before was no fault of the connection.
    pub async fn serves(&mut self, stream: u32) -> bool {
        self.wire.send(frame(HEADERS, ALL, stream, get())).await;
        loop {
            match self.next().await {
                None => return false,
                Some(frame) if frame.kind == GOAWAY => return false,
                Some(frame) if frame.kind == HEADERS && frame.stream == stream => return frame.status() == 200,
                Some(_) => {}
            }
        }
    }

    pub async fn is_alive(&mut self) -> bool {
        self.wire.send(frame(PING, 0, 0, "12345678")).await;
        loop {
            match self.next().await {
                Some(frame) if frame.kind == PING => return frame.flags == ACK && frame.payload == b"12345678",
                Some(frame) if frame.kind != GOAWAY => {}
                _ => return false,
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answer(u16),
    Stream(u32),
    Connection(u32),
    Closed,
}

/// Gateways that speak HTTP/2, one in the clear and one over TLS.
pub struct Doors {
    plain: Gateway,
    secure: Gateway,
    authority: Authority,
    _upstream: Upstream,
}

impl Doors {
    pub async fn open() -> Self {
        let (upstream, authority) = (Upstream::start().await, Authority::new());
        let setup = || Setup::from(api(&upstream));
        let secure = setup().conf(authority.conf()).conf(json!({"http_server_options": {"use_ssl": true}}));
        let (plain, secure) = (Gateway::start(setup()).await, Gateway::listening(secure).await);
        Self { plain, secure, authority, _upstream: upstream }
    }

    /// Sockets of both.
    pub async fn sockets(&self) -> [(&Gateway, Socket); 2] {
        let plain = TcpStream::connect(self.plain.address).await.unwrap();
        let secure = self.authority.connect(self.secure.address, &["h2"]).await.unwrap();
        [(&self.plain, Box::new(plain)), (&self.secure, Box::new(secure))]
    }

    /// Clients of both.
    pub async fn peers(&self) -> [(&Gateway, Peer); 2] {
        let [(plain, one), (secure, other)] = self.sockets().await;
        [(plain, Peer::new(one).await), (secure, Peer::new(other).await)]
    }
}
