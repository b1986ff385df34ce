//! Delivers: a plugin server is called, a web server sent a request, a line written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use moka::Expiry;
use moka::sync::Cache;
use thiserror::Error;
use tracing::{error, warn};

use super::handler::{Handler, Kind};
use super::payload::payload;
use super::queue::Told;
use super::webhook::{Fingerprint, Webhook};
use super::{Event, Subject};
use crate::config::{self, Config};
use crate::dispatch::{DispatchError, Dispatcher};
use crate::upstream::{Client, FetchError, TlsError, Transports};

/// How long a handler may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// Requests of webhooks that are remembered, so as not to be sent again.
const REMEMBERED: u64 = 100_000;

/// What reaches handlers.
pub struct Couriers {
    dispatcher: Arc<dyn Dispatcher>,
    client: Client,
    /// What was sent, and for how long it is not sent again.
    sent: Cache<Fingerprint, Duration>,
}

/// Why a handler did not hear of an event.
#[derive(Debug, Error)]
enum DeliveryError {
    #[error("it took longer than {} seconds", DEADLINE.as_secs())]
    Late,
    #[error("the event cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
    #[error(transparent)]
    Plugin(#[from] DispatchError),
    #[error(transparent)]
    Web(#[from] FetchError),
    #[error("the web server answered {0}")]
    Status(StatusCode),
}

impl Couriers {
    /// Couriers without connections.
    pub fn new(config: &Config, transports: &Transports, dispatcher: Arc<dyn Dispatcher>) -> Result<Self, TlsError> {
        let web = config::Upstream { timeout: DEADLINE, close_connections: true, ..config.upstream.clone() };
        Ok(Self {
            dispatcher,
            client: Client::new(&web, config.canonical_headers, transports.fetching()?),
            sent: Cache::builder().max_capacity(REMEMBERED).expire_after(Quiet).build(),
        })
    }

    /// Tells one handler, and the log if it could not be told.
    pub(super) async fn deliver(&self, handler: &Handler, told: &Arc<Told>) {
        let event = told.event.name.as_str();
        let told = tokio::time::timeout(DEADLINE, self.tell(&handler.kind, told)).await;
        if let Err(error) = told.unwrap_or(Err(DeliveryError::Late)) {
            error!(event, handler = handler.kind.to_string(), %error, "an event was not delivered");
        }
    }

    async fn tell(&self, kind: &Kind, told: &Told) -> Result<(), DeliveryError> {
        match kind {
            Kind::Plugin(name) => {
                let payload = payload(&told.event, name, &told.handlers.origin)?;
                Ok(self.dispatcher.dispatch_event(payload.into()).await?)
            }
            Kind::Webhook(webhook) => self.send(webhook, &told.event).await,
            Kind::Log(prefix) => {
                warn!(event = told.event.name.as_str(), "{}", line(prefix, &told.event));
                Ok(())
            }
        }
    }

    /// What was sent a moment ago is not sent again, whatever became of it.
    async fn send(&self, webhook: &Webhook, event: &Event) -> Result<(), DeliveryError> {
        let (request, fingerprint) = webhook.request(event);
        let entry = self.sent.entry(fingerprint).or_insert(webhook.quiet);
        if !entry.is_fresh() {
            return Ok(());
        }
        let status = self.client.tell(&webhook.target, request).await?;
        if status.is_success() { Ok(()) } else { Err(DeliveryError::Status(status)) }
    }
}

/// Forgets a request when it may be sent again: never, if it says so.
struct Quiet;

impl Expiry<Fingerprint, Duration> for Quiet {
    fn expire_after_create(&self, _: &Fingerprint, quiet: &Duration, _: Instant) -> Option<Duration> {
        Some(*quiet).filter(|quiet| !quiet.is_zero())
    }
}

/// `prefix:key:origin:path`.
fn line(prefix: &str, event: &Event) -> String {
    match &event.subject {
        Subject::Request { path, client, key, .. } => format!("{prefix}:{key}:{client}:{path}"),
        Subject::Circuit { path, .. } => format!("{prefix}:::{path}"),
        Subject::Key { key, .. } | Subject::Quota { key, .. } => format!("{prefix}:{key}::"),
        Subject::Host(report) => format!("{prefix}:{}", report.url),
    }
}
