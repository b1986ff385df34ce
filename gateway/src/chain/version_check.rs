//! What a version lets through before anything else: its expiry, its lists of paths, and the paths
//! that the gateway answers itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::endpoints::{Endpoints, Place};
use super::{CompileError, VersionError};
use crate::clock;
use crate::definition::{Endpoint, Mock, VersionInfo};
use crate::exchange::{Body, Exchange, Reply};
use crate::pattern::ListenPath;
use crate::pattern::endpoint::Matching;

/// What a version lets through.
#[derive(Debug)]
pub(super) struct VersionCheck {
    /// Unix seconds.
    expires: Option<i64>,
    paths: Endpoints<Listed>,
    /// Whether only listed paths are open.
    exclusive: bool,
}

/// What a path is listed as.
#[derive(Debug)]
enum Listed {
    /// For other APIs only.
    Internal,
    Mock(Answer),
    /// Open to everybody.
    Ignored,
    Closed,
    Open,
}

/// An answer by the gateway.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl VersionCheck {
    /// Lets everything through until then (unix seconds).
    pub(super) fn new(expires: Option<i64>, listen_path: &ListenPath, matching: Matching) -> Self {
        Self { expires, paths: Endpoints::new(listen_path, matching), exclusive: false }
    }

    /// Adds the lists of a version that stands at this JSON path.
    pub(super) fn add(&mut self, at: &str, version: &VersionInfo) -> Result<(), CompileError> {
        if !version.use_extended_paths {
            let at = |list: &str| format!("{at}.paths.{list}");
            self.list_all(&at("ignored"), &version.paths.ignored, || Listed::Ignored)?;
            self.list_all(&at("black_list"), &version.paths.black_list, || Listed::Closed)?;
            self.exclusive |= !version.paths.white_list.is_empty();
            return self.list_all(&at("white_list"), &version.paths.white_list, || Listed::Open);
        }
        let paths = version.extended();
        let at = |list: &str| format!("{at}.extended_paths.{list}");
        self.list(&at("internal"), &paths.internal, || Listed::Internal)?;
        self.mock(&at("mock_response"), &paths.mock_response)?;
        self.list(&at("ignored"), &paths.ignored, || Listed::Ignored)?;
        self.list(&at("black_list"), &paths.black_list, || Listed::Closed)?;
        self.exclusive |= paths.white_list.iter().any(|endpoint| !endpoint.disabled);
        self.list(&at("white_list"), &paths.white_list, || Listed::Open)
    }

    /// Whether there is anything to check.
    pub(super) fn is_needed(&self) -> bool {
        self.expires.is_some() || self.exclusive || self.paths.values().next().is_some()
    }

    /// Refuses a request, answers it, or lets it through.
    pub(super) fn check(&self, exchange: &mut Exchange) -> Result<Option<Reply>, VersionError> {
        if self.expires.is_some_and(|expires| expires <= clock::unix_seconds()) {
            return Err(VersionError::Expired);
        }
        let from_inside = exchange.passage.loops > 0;
        let listed = self.paths.all(exchange).find(|listed| !(from_inside && matches!(listed, Listed::Internal)));
        match listed {
            Some(Listed::Internal | Listed::Closed) => Err(VersionError::Forbidden),
            None if self.exclusive => Err(VersionError::Forbidden),
            Some(Listed::Mock(answer)) => Ok(Some(answer.reply())),
            Some(Listed::Ignored) => {
                exchange.passage.ignored = true;
                Ok(None)
            }
            Some(Listed::Open) | None => Ok(None),
        }
    }

    fn list_all(&mut self, at: &str, paths: &[String], listed: fn() -> Listed) -> Result<(), CompileError> {
        for (index, path) in paths.iter().enumerate() {
            let written = format!("{at}[{index}]");
            self.paths.add(Place { written: &written, path, method: "", ignore_case: false }, listed())?;
        }
        Ok(())
    }

    fn list(&mut self, at: &str, endpoints: &[Endpoint], listed: fn() -> Listed) -> Result<(), CompileError> {
        for (index, endpoint) in endpoints.iter().enumerate().filter(|(_, endpoint)| !endpoint.disabled) {
            let written = format!("{at}[{index}]");
            let place =
                |method| Place { written: &written, path: &endpoint.path, method, ignore_case: endpoint.ignore_case };
            if endpoint.method_actions.is_empty() {
                self.paths.add(place(&endpoint.method), listed())?;
            }
            for (method, action) in &endpoint.method_actions {
                let answers = action.action == "reply";
                let at = format!("{written}.method_actions.{method}");
                let listed = if answers {
                    Listed::Mock(Answer::compile(&at, action.code, &action.data, &action.headers)?)
                } else {
                    listed()
                };
                self.paths.add(place(method), listed)?;
            }
        }
        Ok(())
    }

    fn mock(&mut self, at: &str, mocks: &[Mock]) -> Result<(), CompileError> {
        for (index, mock) in mocks.iter().enumerate().filter(|(_, mock)| !mock.disabled) {
            let written = format!("{at}[{index}]");
            let answer = Answer::compile(&written, mock.code, &mock.body, &mock.headers)?;
            let place =
                Place { written: &written, path: &mock.path, method: &mock.method, ignore_case: mock.ignore_case };
            self.paths.add(place, Listed::Mock(answer))?;
        }
        Ok(())
    }
}

impl Answer {
    /// No status is 200.
    fn compile(at: &str, code: u16, body: &str, written: &BTreeMap<String, String>) -> Result<Self, CompileError> {
        let refuse = |path: String, reason: String| CompileError { path, reason };
        let status = if code == 0 { 200 } else { code };
        let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_informational());
        let status = status
            .ok_or_else(|| refuse(format!("{at}.code"), format!("{code} is no status of an answer: 200 to 999")))?;
        let mut headers = HeaderMap::new();
        for (name, value) in written {
            let path = format!("{at}.headers.{name}");
            let known = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            let (name, value) =
                known.ok_or_else(|| refuse(path, format!("{value:?} cannot be sent as this header")))?;
            headers.insert(name, value);
        }
        Ok(Self { status, headers, body: Bytes::from(body.to_owned()) })
    }

    fn reply(&self) -> Reply {
        let mut reply = Reply::new(Body::whole(self.body.clone()));
        *reply.status_mut() = self.status;
        *reply.headers_mut() = self.headers.clone();
        reply
    }
}
