//! `outrigger healthcheck`: asks a gateway whether it lives, for images without `curl`.

mod tls;

use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub(super) use self::tls::Trust;
use super::CliError;
use super::serve::runtime;

const PATIENCE: Duration = Duration::from_secs(3);

/// Where to ask: a URL.
#[derive(Debug, Clone)]
pub(super) struct Place {
    secure: bool,
    authority: Authority,
    path: PathAndQuery,
}

/// A URL that cannot be asked.
#[derive(Debug, Error)]
#[error("not an http:// or https:// URL with a host")]
pub(super) struct PlaceError;

/// Why a gateway does not count as healthy.
#[derive(Debug, Error)]
pub(super) enum HealthError {
    #[error("{place} cannot be reached: {source}")]
    Unreachable { place: Authority, source: io::Error },
    #[error("{place} speaks no TLS that can be trusted: {source}")]
    Untrusted { place: Authority, source: io::Error },
    #[error("--ca {}: {reason}", file.display())]
    Roots { file: PathBuf, reason: String },
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    #[error("{place} speaks no HTTP: {source}")]
    Broken { place: Authority, source: hyper::Error },
    #[error("{place} gave no answer within {} seconds", PATIENCE.as_secs())]
    Silent { place: Authority },
    #[error("{place}{path} answered {status}")]
    Unhealthy { place: Authority, path: PathAndQuery, status: StatusCode },
}

/// Asks once; an answer of 200 is health.
pub(super) fn run(place: &Place, trust: &Trust) -> Result<(), CliError> {
    let Place { authority, path, .. } = place.clone();
    let status = runtime()?.block_on(async { timeout(PATIENCE, ask(place, trust)).await });
    match status {
        Ok(Ok(StatusCode::OK)) => Ok(()),
        Ok(Ok(status)) => Err(HealthError::Unhealthy { place: authority, path, status }.into()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(HealthError::Silent { place: authority }.into()),
    }
}

async fn ask(place: &Place, trust: &Trust) -> Result<StatusCode, HealthError> {
    let authority = &place.authority;
    let port = authority.port_u16().unwrap_or(if place.secure { 443 } else { 80 });
    let host = authority.host().trim_matches(['[', ']']);
    let socket = TcpStream::connect((host, port))
        .await
        .map_err(|source| HealthError::Unreachable { place: authority.clone(), source })?;
    if !place.secure {
        return ask_over(TokioIo::new(socket), place).await;
    }
    let untrusted = |source| HealthError::Untrusted { place: authority.clone(), source };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| untrusted(io::Error::other(error)))?;
    let connector = TlsConnector::from(Arc::new(trust.config()?));
    ask_over(TokioIo::new(connector.connect(name, socket).await.map_err(untrusted)?), place).await
}

async fn ask_over<S>(socket: S, Place { authority, path, .. }: &Place) -> Result<StatusCode, HealthError>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let broken = |source| HealthError::Broken { place: authority.clone(), source };
    let (mut sender, connection) = http1::handshake(socket).await.map_err(broken)?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = Uri::from(path.clone());
    if let Ok(host) = authority.as_str().parse() {
        request.headers_mut().insert(HOST, host);
    }
    tokio::spawn(connection);
    Ok(sender.send_request(request).await.map_err(broken)?.status())
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let parts = text.parse::<Uri>().map_err(|_| PlaceError)?.into_parts();
        match (parts.scheme, parts.authority) {
            (Some(scheme), Some(authority))
                if [Scheme::HTTP, Scheme::HTTPS].contains(&scheme) && !authority.as_str().contains('@') =>
            {
                let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
                Ok(Self { secure: scheme == Scheme::HTTPS, authority, path })
            }
            _ => Err(PlaceError),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const TRUST: Trust = Trust::SYSTEM;

    #[test]
    fn only_urls_with_a_host_can_be_asked() {
        for (text, secure, authority, path) in [
            ("http://127.0.0.1:8080/hello", false, "127.0.0.1:8080", "/hello"),
            ("https://[::1]:8080/ready?now", true, "[::1]:8080", "/ready?now"),
            ("http://gateway", false, "gateway", "/"),
        ] {
            let place: Place = text.parse().unwrap();
            assert_eq!((place.secure, place.authority.as_str(), place.path.as_str()), (secure, authority, path));
        }
        for text in ["", "/hello", "127.0.0.1:8080", "ftp://gateway/hello", "http://me:secret@gateway/hello"] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn where_nobody_listens_nobody_is_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);

        let error = run(&format!("http://{address}/hello").parse().unwrap(), &TRUST).unwrap_err();

        assert!(error.to_string().starts_with(&format!("{address} cannot be reached: ")), "{error}");
        assert_eq!(error.code(), 1);
    }

    #[test]
    fn what_speaks_no_http_is_not_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = format!("http://{}/hello", listener.local_addr().unwrap()).parse().unwrap();
        std::thread::spawn(move || drop(listener.accept()));

        let error = run(&place, &TRUST).unwrap_err();

        assert!(matches!(error, CliError::Health(HealthError::Broken { .. })), "{error}");
    }
}
