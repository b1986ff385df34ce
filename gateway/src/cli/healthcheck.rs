//! `outrigger healthcheck`: asks a gateway whether it lives, for images without `curl`.

use std::io;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::CliError;
use super::serve::runtime;

const PATIENCE: Duration = Duration::from_secs(3);

/// Where to ask: an `http` URL.
#[derive(Debug, Clone)]
pub(super) struct Place {
    authority: Authority,
    path: PathAndQuery,
}

/// A URL that cannot be asked.
#[derive(Debug, Error)]
#[error("not an http:// URL with a host")]
pub(super) struct PlaceError;

/// Why a gateway does not count as healthy.
#[derive(Debug, Error)]
pub(super) enum HealthError {
    #[error("{place} cannot be reached: {source}")]
    Unreachable { place: Authority, source: io::Error },
    #[error("{place} speaks no HTTP: {source}")]
    Broken { place: Authority, source: hyper::Error },
    #[error("{place} gave no answer within {} seconds", PATIENCE.as_secs())]
    Silent { place: Authority },
    #[error("{place}{path} answered {status}")]
    Unhealthy { place: Authority, path: PathAndQuery, status: StatusCode },
}

/// Asks once; an answer of 200 is health.
pub(super) fn run(place: &Place) -> Result<(), CliError> {
    let Place { authority, path } = place.clone();
    let status = runtime()?.block_on(async { timeout(PATIENCE, ask(place)).await });
    match status {
        Ok(Ok(StatusCode::OK)) => Ok(()),
        Ok(Ok(status)) => Err(HealthError::Unhealthy { place: authority, path, status }.into()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(HealthError::Silent { place: authority }.into()),
    }
}

async fn ask(Place { authority, path }: &Place) -> Result<StatusCode, HealthError> {
    let broken = |source| HealthError::Broken { place: authority.clone(), source };
    let address = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80));
    let socket = TcpStream::connect(address)
        .await
        .map_err(|source| HealthError::Unreachable { place: authority.clone(), source })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(broken)?;
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
            (Some(scheme), Some(authority)) if scheme == Scheme::HTTP && !authority.as_str().contains('@') => {
                Ok(Self { authority, path: parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/")) })
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

    #[test]
    fn only_http_urls_with_a_host_can_be_asked() {
        for (text, authority, path) in [
            ("http://127.0.0.1:8080/hello", "127.0.0.1:8080", "/hello"),
            ("http://[::1]:8080/ready?now", "[::1]:8080", "/ready?now"),
            ("http://gateway", "gateway", "/"),
        ] {
            let place: Place = text.parse().unwrap();
            assert_eq!((place.authority.as_str(), place.path.as_str()), (authority, path));
        }
        for text in ["", "/hello", "127.0.0.1:8080", "https://gateway/hello", "http://me:secret@gateway/hello"] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn where_nobody_listens_nobody_is_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);

        let error = run(&format!("http://{address}/hello").parse().unwrap()).unwrap_err();

        assert!(error.to_string().starts_with(&format!("{address} cannot be reached: ")), "{error}");
        assert_eq!(error.code(), 1);
    }

    #[test]
    fn what_speaks_no_http_is_not_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = format!("http://{}/hello", listener.local_addr().unwrap()).parse().unwrap();
        std::thread::spawn(move || drop(listener.accept()));

        let error = run(&place).unwrap_err();

        assert!(matches!(error, CliError::Health(HealthError::Broken { .. })), "{error}");
    }
}
