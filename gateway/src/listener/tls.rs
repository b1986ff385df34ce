//! TLS on the listener: handshakes, and what clients get that come without one.

mod certificates;
mod clients;
mod renewal;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::certificates::{Certificates, Choice};
use self::clients::AnyClient;
pub(super) use self::renewal::Renewal;
use super::{Gateway, front_door};
use crate::certificate::Shown;
use crate::config;

/// How long a client may take to say its first word, and then to agree on keys.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);

const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// What all handshakes need.
#[derive(Clone)]
pub(super) struct Tls {
    plain: TlsAcceptor,
    /// Asks clients for certificates.
    asking: TlsAcceptor,
}

impl Tls {
    /// Also gives what keeps the certificates up to date.
    pub(super) fn new(config: &config::Tls, gateway: &Arc<Gateway>) -> Result<(Self, Renewal), rustls::Error> {
        let certificates = Arc::new(Certificates::new(&config.certificates, config.server_name.as_deref()));
        let choice = Arc::new(Choice { own: Arc::clone(&certificates), gateway: Arc::clone(gateway) });
        let plain = acceptor(config, &choice, false)?;
        let asking = acceptor(config, &choice, true)?;
        let renewal = Renewal::new(config.certificates.clone(), certificates);
        Ok((Self { plain, asking }, renewal))
    }

    /// Agrees on keys with a client, which may be asked for a certificate.
    pub(super) async fn shake_hands(&self, socket: TcpStream, ask: bool) -> io::Result<TlsStream<TcpStream>> {
        if ask { &self.asking } else { &self.plain }.accept(socket).await
    }
}

/// Each has tickets of its own: no client goes on without a certificate where it would be asked for one.
fn acceptor(config: &config::Tls, choice: &Arc<Choice>, ask: bool) -> Result<TlsAcceptor, rustls::Error> {
    let server = ServerConfig::builder_with_provider(Arc::new(config.provider.clone()))
        .with_protocol_versions(config.versions.supported())?;
    let server = match ask {
        true => server.with_client_cert_verifier(Arc::new(AnyClient::new(&config.provider))),
        false => server.with_no_client_auth(),
    };
    let mut server = server.with_cert_resolver(Arc::clone(choice) as _);
    server.ticketer = Ticketer::new()?;
    if config.http2 {
        server.alpn_protocols.push(HTTP_2.to_vec());
    }
    server.alpn_protocols.push(HTTP_1_1.to_vec());
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// What the client has shown, if it has.
pub(super) fn certificate(socket: &TlsStream<TcpStream>) -> Option<Arc<Shown>> {
    Shown::read(socket.get_ref().1.peer_certificates()?).map(Arc::new)
}

/// Whether the first thing that a client says is a request, which would be TLS's to hide.
pub(super) async fn asks_in_the_clear(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    socket.peek(&mut first).await?;
    // Methods are letters; no record of TLS begins with one.
    Ok(first.iter().all(u8::is_ascii_alphabetic))
}

/// Whether the client chose HTTP/2 of what was offered.
pub(super) fn speaks_http2(socket: &TlsStream<TcpStream>) -> bool {
    socket.get_ref().1.alpn_protocol() == Some(HTTP_2)
}

/// Answers a request in the clear, so that whoever sent it knows what is wrong.
pub(super) async fn turn_away(socket: TcpStream) -> io::Result<()> {
    let service = service_fn(|_| async {
        Ok::<_, Infallible>(front_door::text(StatusCode::BAD_REQUEST, "400 Bad Request: this port speaks https only\n"))
    });
    let mut http = http1::Builder::new();
    let answering = http.keep_alive(false).serve_connection(TokioIo::new(socket), service);
    answering.await.map_err(io::Error::other)
}
