//! Who is told how much of quotas is used: `monitor`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ConfigError, Origins};
use crate::event::Handlers;

/// Who is told how much of quotas is used.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// A share that is watched of every quota, per cent; none unless positive.
    pub limit: f64,
    /// Whether quotas of keys are watched.
    pub keys: bool,
    /// Whether quotas of organisations are.
    pub organisations: bool,
    /// Who is told.
    pub webhook: Arc<Handlers>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Written {
    enable_trigger_monitors: bool,
    configuration: Map<String, Value>,
    global_trigger_limit: f64,
    monitor_user_keys: bool,
    monitor_org_keys: bool,
}

/// The monitor, if it is on.
pub(super) fn monitor(written: &Written, origins: &Origins<'_>) -> Result<Option<Arc<Monitor>>, ConfigError> {
    if !written.enable_trigger_monitors {
        return Ok(None);
    }
    let webhook = Handlers::of_quotas(&written.configuration, "monitor.configuration");
    let webhook = webhook.map_err(|refusal| origins.unusable(&refusal.path, "unusable".to_owned(), refusal.reason))?;
    Ok(Some(Arc::new(Monitor {
        limit: written.global_trigger_limit,
        keys: written.monitor_user_keys,
        organisations: written.monitor_org_keys,
        webhook,
    })))
}
