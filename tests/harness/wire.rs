//! Bytes on a socket, for what a well-behaved client or upstream would not show.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Api, Gateway, within};

/// One end of a connection, and what came that nobody has asked for yet.
pub struct Wire<S = TcpStream> {
    socket: S,
    ahead: Vec<u8>,
}

/// An upstream that is played by hand.
pub async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A gateway in front of an upstream that the test plays, and a client.
pub async fn scene() -> (Gateway, Wire, TcpListener) {
    let listener = listen().await;
    let gateway = Gateway::start(Api::to(&format!("http://{}/", listener.local_addr().unwrap()))).await;
    let client = Wire::connect(gateway.address).await;
    (gateway, client, listener)
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::new(within("a connection", TcpStream::connect(address)).await.unwrap())
    }

    pub async fn accept(listener: &TcpListener) -> Self {
        Self::new(within("a connection", listener.accept()).await.unwrap().0)
    }

    fn new(socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        Self::over(socket)
    }

    /// The socket, when no more is to be read by marks.
    pub fn into_socket(self) -> TcpStream {
        assert_eq!(self.ahead, b"");
        self.socket
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub fn over(socket: S) -> Self {
        Self { socket, ahead: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("bytes to be taken", self.try_send(bytes)).await.unwrap();
    }

    /// The same where the other side may have had enough.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.socket.write_all(bytes.as_ref()).await?;
        self.socket.flush().await
    }

    /// All that comes up to and including `mark`.
    pub async fn through(&mut self, mark: &str) -> String {
        loop {
            if let Some(at) = self.ahead.windows(mark.len()).position(|window| window == mark.as_bytes()) {
                let taken = self.ahead.drain(..at + mark.len()).collect();
                return String::from_utf8(taken).unwrap();
            }
            let so_far = String::from_utf8_lossy(&self.ahead).into_owned();
            let read = within(&format!("{mark:?} after {so_far:?}"), self.socket.read_buf(&mut self.ahead)).await;
            assert_ne!(read.unwrap(), 0, "the connection closed after {so_far:?}, before {mark:?}");
        }
    }

    /// This many bytes, unless the other side closes first.
    pub async fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < count {
            let read = within("bytes or the end", self.socket.read_buf(&mut self.ahead)).await;
            // A reset ends a connection as well.
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
        Some(self.ahead.drain(..count).collect())
    }

    /// The head of a message.
    pub async fn head(&mut self) -> String {
        self.through("\r\n\r\n").await
    }

    /// What comes until the other side closes.
    pub async fn rest(&mut self) -> String {
        // A reset ends a connection as well.
        let _ = within("the connection to close", self.socket.read_to_end(&mut self.ahead)).await;
        String::from_utf8_lossy(&std::mem::take(&mut self.ahead)).into_owned()
    }
}
