//! Tests hosts again and again, so that requests go to those that work.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::client::{Client, ClientError};
use super::host::{Change, Tally};
use super::origin::Origin;
use crate::api::Api;
use crate::config::UptimeTests;
use crate::definition::HostCheck;
use crate::event::{Event, HostReport, Name, Subject};
use crate::exchange::Body;
use crate::listener::Gateway;

/// The most that is heard of a talk.
const LONGEST: usize = 64 << 10;

/// One test of a host.
#[derive(Clone, Debug)]
pub struct Check {
    pub(super) tally: Arc<Tally>,
    pub(super) origin: Arc<Origin>,
    pub(super) timeout: Duration,
    pub(super) question: Question,
    /// As the definition has it.
    pub(super) written: Arc<HostCheck>,
}

/// What a host is asked.
#[derive(Clone, Debug)]
pub(super) enum Question {
    /// Answered by 200, it is passed.
    Request { method: Method, resource: PathAndQuery, headers: HeaderMap, body: Bytes },
    /// Passed if a connection is made and all is heard.
    Talk(Vec<Word>),
}

/// A part of a talk.
#[derive(Clone, Debug)]
pub(super) enum Word {
    Say(String),
    Hear(String),
}

/// Why a test failed.
#[derive(Debug, Error)]
enum CheckError {
    #[error("no answer in time")]
    Late,
    #[error("it answered {0}, not 200")]
    Status(StatusCode),
    #[error("it did not say {0:?}")]
    Unsaid(String),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Talk(#[from] std::io::Error),
}

/// Tests all hosts of the APIs that are served, for ever.
pub async fn watch(gateway: Arc<Gateway>, client: Client) {
    let tests = gateway.config.upstream.tests;
    if tests.disabled {
        return;
    }
    let client = Arc::new(client);
    loop {
        let mut asked = JoinSet::new();
        for (api, check) in checks(&gateway) {
            let client = Arc::clone(&client);
            asked.spawn(async move {
                if let Some(event) = check.run(&api.id, &client, tests).await {
                    api.chain.tell_of_host(event);
                }
            });
        }
        while asked.join_next().await.is_some() {}
        tokio::time::sleep(tests.pause).await;
    }
}

/// What is to be asked, once each, and the first API that wishes for it.
fn checks(gateway: &Gateway) -> Vec<(Arc<Api>, Check)> {
    let registry = gateway.registry.load();
    let mut known = HashSet::new();
    let of = |api: &Arc<Api>| {
        let new = |check: &&Check| known.insert(Arc::as_ptr(&check.tally));
        api.chain.upstream_checks().iter().filter(new).map(|check| (Arc::clone(api), check.clone())).collect()
    };
    registry.apis().iter().flat_map::<Vec<_>, _>(of).collect()
}

impl Check {
    /// Asks; what it changed is to be told.
    async fn run(&self, api_id: &str, client: &Client, tests: UptimeTests) -> Option<Event> {
        let started = Instant::now();
        let asked = tokio::time::timeout(self.timeout, self.ask(client)).await;
        let passed = asked.unwrap_or(Err(CheckError::Late));
        let change = self.tally.note(passed.is_ok(), tests.failures)?;
        let status = match &passed {
            Ok(()) => Some(StatusCode::OK.as_u16()),
            Err(CheckError::Status(status)) => Some(status.as_u16()),
            Err(_) => None,
        };
        let (name, message) = match (change, passed) {
            (Change::Down, Err(error)) => {
                warn!(host = self.tally.host.name, %error, "an upstream is down by its uptime tests");
                (Name::HostDown, "Uptime test failed")
            }
            _ => {
                info!(host = self.tally.host.name, "an upstream is up again");
                (Name::HostUp, "Uptime test succeeded")
            }
        };
        let report = HostReport::new(&self.written, api_id, &self.tally.host.name, status, started.elapsed());
        Some(Event { name, message, subject: Subject::Host(Box::new(report)), at: SystemTime::now() })
    }

    async fn ask(&self, client: &Client) -> Result<(), CheckError> {
        match &self.question {
            Question::Request { method, resource, headers, body } => {
                let mut request = Request::new(Body::whole(body.clone()));
                *request.method_mut() = method.clone();
                *request.uri_mut() = Uri::from(resource.clone());
                *request.headers_mut() = headers.clone();
                if let Ok(host) = HeaderValue::from_str(self.origin.authority.as_str()) {
                    request.headers_mut().entry(HOST).or_insert(host);
                }
                let (response, _) = client.send(&self.origin, request).await?;
                match response.status() {
                    StatusCode::OK => Ok(()),
                    other => Err(CheckError::Status(other)),
                }
            }
            Question::Talk(words) => self.talk(words, client).await,
        }
    }

    async fn talk(&self, words: &[Word], client: &Client) -> Result<(), CheckError> {
        let mut socket = client.connector().stream(&self.origin).await?;
        for word in words {
            match word {
                Word::Say(text) => socket.write_all(text.as_bytes()).await?,
                Word::Hear(text) => {
                    let mut heard = Vec::new();
                    while !contains(&heard, text.as_bytes()) {
                        if heard.len() >= LONGEST || socket.read_buf(&mut heard).await? == 0 {
                            return Err(CheckError::Unsaid(text.clone()));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn contains(heard: &[u8], text: &[u8]) -> bool {
    text.is_empty() || heard.windows(text.len()).any(|window| window == text)
}
