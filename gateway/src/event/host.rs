//! What a test of an upstream's host found.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::definition::{CheckCommand, HostCheck};

/// A host's test and its outcome, as payloads have them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostReport {
    /// Where it was asked.
    #[serde(rename = "CheckURL")]
    pub url: String,
    protocol: String,
    timeout: i64,
    enable_proxy_protocol: bool,
    commands: Option<Vec<CheckCommand>>,
    method: String,
    headers: Option<BTreeMap<String, String>>,
    body: String,
    meta_data: BTreeMap<&'static str, String>,
    response_code: u16,
    /// In milliseconds.
    latency: f64,
    #[serde(rename = "IsTCPError")]
    unanswered: bool,
}

impl HostReport {
    /// The outcome of a test that an API has of this host; there is no `status` where nothing answered.
    pub fn new(check: &HostCheck, api_id: &str, host: &str, status: Option<u16>, took: Duration) -> Self {
        let target = [("target_url", check.url.as_str()), ("api_id", api_id), ("host_name", host)];
        Self {
            url: check.url.clone(),
            protocol: check.protocol.clone(),
            timeout: check.timeout,
            enable_proxy_protocol: check.enable_proxy_protocol,
            commands: Some(check.commands.clone()).filter(|commands| !commands.is_empty()),
            method: check.method.clone(),
            headers: Some(check.headers.clone()).filter(|headers| !headers.is_empty()),
            body: check.body.clone(),
            meta_data: target.map(|(name, value)| (name, value.to_owned())).into(),
            response_code: status.unwrap_or_default(),
            latency: took.as_secs_f64() * 1000.0,
            unanswered: status.is_none(),
        }
    }
}
