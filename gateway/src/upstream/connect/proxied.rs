//! The way to a host through a proxy.

use std::error::Error;
use std::future::{Future, Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Authority;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower::Service;

use super::{Tcp, address, shake_hands};
use crate::config::Secret;
use crate::upstream::client::ClientError;
use crate::upstream::origin::Origin;
use crate::upstream::transport::{ForwardProxy, Manner};

/// Any reason for which a proxy cannot be reached.
type Unreachable = Box<dyn Error + Send + Sync>;

/// A socket through a proxy that these sockets lead to: a tunnel, or to the proxy itself where that
/// understands what is sent.
pub(super) async fn reach<C>(to: &Origin, proxy: &ForwardProxy, mut sockets: C) -> Result<C::Response, ClientError>
where
    C: Service<Uri, Error: Into<Unreachable> + Send + 'static, Future: Send + 'static>,
    C::Response: Read + Write + Unpin + Send + 'static,
{
    let way = proxy.uri.clone();
    let reached = match &proxy.manner {
        Manner::Socks { credentials } => {
            // The protocol keeps to itself why a proxy cannot be reached, so that is done before.
            let socket = sockets.call(way.clone()).await.map_err(|error| ProxyError::of(proxy, error.into()))?;
            let mut socks = SocksV5::new(way, Reached(Some(socket)));
            if let Some(Secret((user, password))) = credentials {
                socks = socks.with_auth(user.clone(), password.clone());
            }
            socks.call(address(to)?).await.map_err(Into::into)
        }
        Manner::Http { credentials, .. } if to.is_tunnelled() => {
            let mut tunnel = Tunnel::new(way, sockets);
            if let Some(credentials) = credentials {
                tunnel = tunnel.with_auth(credentials.clone());
            }
            tunnel.call(address(to)?).await.map_err(Into::into)
        }
        Manner::Http { .. } => sockets.call(way).await.map_err(Into::into),
    };
    reached.map_err(|error| ProxyError::of(proxy, error))
}

/// A proxy is not there, or leads nowhere.
#[derive(Debug, Error)]
#[error("the proxy {proxy}: {cause}")]
pub(in crate::upstream) struct ProxyError {
    pub(in crate::upstream) proxy: Authority,
    #[source]
    cause: Unreachable,
}

impl ProxyError {
    fn of(proxy: &ForwardProxy, cause: Unreachable) -> ClientError {
        match proxy.uri.authority().cloned() {
            Some(proxy) => ClientError::Connect(Box::new(Self { proxy, cause })),
            None => ClientError::Connect(cause),
        }
    }
}

/// A socket that is there, for who would make one.
struct Reached<S>(Option<S>);

impl<S> Service<Uri> for Reached<S> {
    type Response = S;
    type Error = io::Error;
    type Future = Ready<io::Result<S>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::Error::other("the socket is in use")))
    }
}

/// A proxy that speaks TLS itself, below whatever the host speaks.
pub(super) struct OverTls<'a> {
    pub(super) proxy: &'a ForwardProxy,
    pub(super) tls: &'a Arc<ClientConfig>,
    pub(super) tcp: Tcp,
}

impl OverTls<'_> {
    pub(super) async fn socket(self, to: &Origin) -> Result<TlsStream<TcpStream>, ClientError> {
        let sockets = TlsSockets { tls: Arc::clone(self.tls), tcp: self.tcp };
        Ok(reach(to, self.proxy, sockets).await?.into_inner())
    }
}

/// Makes sockets with TLS on them.
struct TlsSockets {
    tls: Arc<ClientConfig>,
    tcp: Tcp,
}

impl Service<Uri> for TlsSockets {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = Unreachable;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unreachable>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unreachable>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, proxy: Uri) -> Self::Future {
        let (connecting, tls) = (self.tcp.call(proxy.clone()), Arc::clone(&self.tls));
        Box::pin(async move {
            let socket = connecting.await?.into_inner();
            let authority = proxy.authority().cloned().unwrap_or_else(|| Authority::from_static("-"));
            Ok(TokioIo::new(shake_hands(&tls, &authority, socket).await?))
        })
    }
}
