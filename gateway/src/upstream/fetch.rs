//! Requests of the gateway's own: a document that it needs, a message that it has.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, HeaderValue};
use http::{Request, StatusCode, Uri};
use thiserror::Error;

use super::client::{Answer, Client, ClientError};
use super::origin::Origin;
use crate::exchange::{Body, Streaming};

/// Why there is no document.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The address has no host, or one that HTTP cannot carry.
    #[error("{0} is no address of a document; write https://HOST/PATH")]
    Address(Uri),
    /// There was no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There was an answer of another kind.
    #[error("the server answered {0}; write the address that answers 200")]
    Status(StatusCode),
    /// The answer broke off, came too slowly or is too long.
    #[error("the document could not be read: {0}")]
    Body(String),
}

impl Client {
    /// The body of what a GET of this address answers, of at most `longest` bytes. Redirects are
    /// not followed.
    pub async fn fetch(&self, url: &Uri, longest: usize) -> Result<Bytes, FetchError> {
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let (response, lease) = self.ask(url, request).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut body = Body::Stream(Streaming::leased(response.into_body(), lease));
        let read = tokio::time::timeout(self.timeout, body.read(Some(longest as u64))).await;
        let bytes = read.map_err(|late| FetchError::Body(late.to_string()))?;
        bytes.cloned().map_err(|error| FetchError::Body(error.to_string()))
    }

    /// Sends a message to this address; of the answer only the status counts.
    pub async fn tell(&self, url: &Uri, request: Request<Body>) -> Result<StatusCode, FetchError> {
        let (response, _) = self.ask(url, request).await?;
        Ok(response.status())
    }

    async fn ask(&self, url: &Uri, mut request: Request<Body>) -> Result<Answer, FetchError> {
        let address = || FetchError::Address(url.clone());
        let (scheme, authority) = (url.scheme().ok_or_else(address)?, url.authority().ok_or_else(address)?);
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| address())?;
        *request.uri_mut() = url.path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from);
        request.headers_mut().insert(HOST, host);
        let to = Origin::new(scheme.clone(), authority.clone(), Arc::clone(&self.fetching));
        Ok(self.send(&to, request).await?)
    }
}
