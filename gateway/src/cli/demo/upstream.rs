//! The demo's upstream: tells in JSON what reached it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::cli::CliError;
use crate::cli::serve::{runtime, stop_signal, system};
use crate::exchange::{Body, canonical};

/// Serves alone on `address`, until a signal ends it.
pub(in crate::cli) fn run(address: SocketAddr) -> Result<(), CliError> {
    runtime()?.block_on(async {
        let stop = stop_signal()?;
        start(address).await?;
        stop.await;
        Ok(())
    })
}

/// Serves beside its caller; gives the address that port 0 became.
pub(super) async fn start(address: SocketAddr) -> Result<SocketAddr, CliError> {
    let failed = |source| system("the demo's upstream cannot listen", source);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket));
        }
    });
    Ok(address)
}

async fn serve(socket: TcpStream) {
    let service = service_fn(|request| ready(Ok::<_, Infallible>(describe(&request))));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

fn describe(request: &Request<Incoming>) -> Response<Body> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: BTreeMap<_, _> =
        request.headers().iter().map(|(name, value)| (canonical(name), text(value))).collect();
    let document =
        json!({"method": request.method().as_str(), "target": request.uri().to_string(), "headers": headers});
    let mut response = Response::new(Body::whole(format!("{document:#}\n")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
