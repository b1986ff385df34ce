//! A SOCKS 5 proxy.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use super::listen;

const VERSION: u8 = 5;
const NO_METHOD: u8 = 0xff;
const BY_PASSWORD: u8 = 2;
const DOMAIN: u8 = 3;

/// A proxy that takes everybody to one port of loopback, whomever they ask for, and remembers that.
pub struct Socks {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Socks {
    /// Lets in who knows this user and password, or everybody.
    pub async fn start(port: u16, credentials: Option<(&'static str, &'static str)>) -> Self {
        let listener = listen().await;
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let remembered = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let asked = Arc::clone(&remembered);
                tokio::spawn(async move {
                    if !welcome(&mut socket, credentials).await? {
                        return Ok(());
                    }
                    let destination = request(&mut socket).await?;
                    asked.lock().unwrap().push(destination);
                    let mut upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
                    socket.write_all(&[VERSION, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
                    copy_bidirectional(&mut socket, &mut upstream).await?;
                    io::Result::Ok(())
                });
            }
        });
        Self { address, asked }
    }

    /// Whom it was asked for: names, as they came.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn welcome(socket: &mut TcpStream, credentials: Option<(&str, &str)>) -> io::Result<bool> {
    let mut head = [0; 2];
    socket.read_exact(&mut head).await?;
    let mut methods = vec![0; head[1].into()];
    socket.read_exact(&mut methods).await?;
    let wanted = if credentials.is_some() { BY_PASSWORD } else { 0 };
    if !methods.contains(&wanted) {
        socket.write_all(&[VERSION, NO_METHOD]).await?;
        return Ok(false);
    }
    socket.write_all(&[VERSION, wanted]).await?;
    let Some((user, password)) = credentials else { return Ok(true) };
    socket.read_u8().await?;
    let right = text(socket).await? == user && text(socket).await? == password;
    socket.write_all(&[1, u8::from(!right)]).await?;
    Ok(right)
}

/// The host and port of a request to connect.
async fn request(socket: &mut TcpStream) -> io::Result<String> {
    let mut head = [0; 4];
    socket.read_exact(&mut head).await?;
    if head != [VERSION, 1, 0, DOMAIN] {
        return Err(io::Error::other(format!("no request to connect to a name: {head:?}")));
    }
    let host = text(socket).await?;
    Ok(format!("{host}:{}", socket.read_u16().await?))
}

async fn text(socket: &mut TcpStream) -> io::Result<String> {
    let mut text = vec![0; socket.read_u8().await?.into()];
    socket.read_exact(&mut text).await?;
    String::from_utf8(text).map_err(io::Error::other)
}
