//! What the tests stand on: the gateway's process, an upstream, plugin servers, a client.

mod api;
mod authority;
mod client;
mod dispatcher;
mod example;
pub mod frames;
mod gateway;
mod plugin;
mod process;
mod redis;
mod secure;
mod secured;
mod setup;
mod socks;
mod upstream;
mod wire;

use std::time::Duration;

pub use self::redis::Redis;
pub use api::{Api, api};
pub use authority::Authority;
pub use client::{Answer, Connection, request};
pub use dispatcher::RawDispatcher;
pub use example::{Language, example};
pub use gateway::{Gateway, outrigger};
pub use plugin::{PluginServer, host, serve};
pub use process::Process;
pub use secure::Secure;
pub use secured::{Identity, SECRET, Secured, fingerprint};
pub use setup::Setup;
pub use socks::Socks;
pub use upstream::{Received, Upstream};
pub use wire::{Wire, listen, scene};

/// How long anything may take: far longer than it does, so that only what hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what must come.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

/// Asks again and again until the answer is yes.
pub async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
