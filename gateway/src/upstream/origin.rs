//! Whom a connection leads to, and how.

use std::sync::Arc;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use rustls::ClientConfig;

use super::transport::{ForwardProxy, Transport};

/// Whom a connection leads to, and how.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// Both as one text, as in `http://host:80`.
    pub(super) text: String,
    /// What all that may share a connection have in common: cheap to look up.
    pub(super) key: String,
    pub(super) transport: Arc<Transport>,
}

impl Origin {
    pub(super) fn new(scheme: Scheme, authority: Authority, transport: Arc<Transport>) -> Self {
        let text = format!("{scheme}://{authority}");
        let key = match transport.id {
            0 => text.clone(),
            id => format!("{text} {id}"),
        };
        Self { scheme, authority, text, key, transport }
    }

    /// Scheme, host and a port, in any case.
    pub(super) fn address(&self) -> Result<Uri, http::Error> {
        let port = self.authority.port_u16().unwrap_or(if self.scheme == Scheme::HTTPS { 443 } else { 80 });
        let authority = format!("{}:{port}", self.authority.host());
        Uri::builder().scheme(self.scheme.clone()).authority(authority).path_and_query("/").build()
    }

    /// TLS, if it is spoken there.
    pub(super) fn tls(&self) -> Option<&Arc<ClientConfig>> {
        self.transport.tls.as_ref().filter(|_| self.scheme == Scheme::HTTPS)
    }

    /// The proxy that must be told whom a request is for, as it is no tunnel.
    pub(super) fn told_proxy(&self) -> Option<&ForwardProxy> {
        let proxy = self.transport.settings.proxy.as_ref()?;
        (!self.is_tunnelled()).then_some(proxy)
    }

    /// Whether a proxy must not, or need not, understand what is sent.
    pub(super) fn is_tunnelled(&self) -> bool {
        let socks = self.transport.settings.proxy.as_ref().is_some_and(ForwardProxy::is_socks);
        socks || self.scheme == Scheme::HTTPS || self.transport.may_multiplex()
    }

    /// The target of a request that is for whom `host` names.
    pub(super) fn absolute(&self, host: Option<&HeaderValue>, resource: PathAndQuery) -> Result<Uri, http::Error> {
        let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
        let authority = authority.unwrap_or_else(|| self.authority.clone());
        Uri::builder().scheme(self.scheme.clone()).authority(authority).path_and_query(resource).build()
    }
}
