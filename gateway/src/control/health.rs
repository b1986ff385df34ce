//! Whether the gateway is well.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::{Method, StatusCode};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::answer::{document, status};
use crate::exchange::Reply;
use crate::store::{Opened, Store, StoreError};

/// How long a probe of readiness may wait for the store.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was last seen of what the gateway depends on; nothing before it was looked.
#[derive(Default)]
pub struct Health(ArcSwapOption<Details>);

/// What the gateway depends on; of the two stores it has one.
#[derive(Clone, Debug, Default, Serialize)]
struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    redis: Option<Component>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedded: Option<Component>,
}

#[derive(Clone, Debug, Serialize)]
struct Component {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(rename = "componentType")]
    kind: &'static str,
    time: String,
}

#[derive(Serialize)]
struct Document<'a> {
    status: &'static str,
    version: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Details>,
}

impl Health {
    /// Looks again and again, for the first time after one interval.
    pub async fn watch(&self, store: &Opened, interval: Duration) {
        let connected = store.connect();
        loop {
            tokio::time::sleep(interval).await;
            let component = Component::new(match &connected {
                Ok(store) => store.ping().await,
                Err(error) => Err(error.clone()),
            });
            let details = match store {
                Opened::Redis(_) => Details { redis: Some(component), ..Details::default() },
                Opened::Embedded(_) => Details { embedded: Some(component), ..Details::default() },
            };
            self.0.store(Some(Arc::new(details)));
        }
    }

    /// The process lives, whatever else is the matter: the document says what.
    pub(super) fn live(&self, method: &Method) -> Reply {
        if method != Method::GET {
            return wrong_method();
        }
        let details = self.0.load();
        let component = details.as_ref().and_then(|details| details.redis.as_ref().or(details.embedded.as_ref()));
        let status = component.map_or("pass", |component| component.status);
        document(&Document { status, version: VERSION, description: "Tyk GW", details: details.as_deref() })
    }

    /// It takes traffic, unless it is about to stop or knows no sessions.
    pub(super) async fn ready(&self, method: &Method, draining: bool, store: &Store) -> Reply {
        if method != Method::GET {
            return wrong_method();
        }
        if draining {
            return unavailable("Gateway is shutting down");
        }
        if !matches!(tokio::time::timeout(PATIENCE, store.ping()).await, Ok(Ok(()))) {
            return unavailable(match store {
                Store::Redis(_) => "Redis connection not available",
                Store::Embedded(_) => "Storage not available",
            });
        }
        let (details, description) = (self.0.load(), "Tyk GW Ready");
        document(&Document { status: "pass", version: VERSION, description, details: details.as_deref() })
    }
}

impl Component {
    fn new(pinged: Result<(), StoreError>) -> Self {
        let output = pinged.err().map(|error| error.to_string());
        let now = OffsetDateTime::now_utc();
        let time = now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default();
        Self { status: if output.is_none() { "pass" } else { "fail" }, output, kind: "datastore", time }
    }
}

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

fn unavailable(message: &str) -> Reply {
    status(StatusCode::SERVICE_UNAVAILABLE, "error", message)
}

fn wrong_method() -> Reply {
    status(StatusCode::METHOD_NOT_ALLOWED, "error", "Method Not Allowed")
}
