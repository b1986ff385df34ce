//! How long an upstream may take for a whole answer.

use std::time::Duration;

use super::CompileError;
use super::endpoints::{Endpoints, Place};
use crate::definition::{HardTimeout, VersionInfo, duration};
use crate::exchange::Exchange;
use crate::pattern::ListenPath;
use crate::pattern::endpoint::Matching;

/// The limits of a version.
#[derive(Debug)]
pub(super) struct Timeouts {
    /// For all paths but those that follow.
    global: Option<Duration>,
    paths: Endpoints<Duration>,
}

impl Timeouts {
    /// The limits of a version that stands at this JSON path; nothing if there are none.
    pub(super) fn compile(
        (at, version): (&str, &VersionInfo),
        listen_path: &ListenPath,
        matching: Matching,
    ) -> Result<Option<Self>, CompileError> {
        let (global, off) = (&version.global_enforce_timeout, version.global_enforce_timeout_disabled);
        let global =
            if off || global.is_empty() { None } else { read(&format!("{at}.global_enforce_timeout"), global)? };
        let mut paths = Endpoints::new(listen_path, matching);
        let limits = version.extended().hard_timeouts.iter().enumerate();
        for (index, limit) in limits.filter(|(_, limit)| !limit.disabled) {
            let written = format!("{at}.extended_paths.hard_timeouts[{index}]");
            let place = Place { written: &written, path: &limit.path, method: &limit.method, ignore_case: false };
            if let Some(time) = own(&written, limit)? {
                paths.add(place, time)?;
            }
        }
        let needed = global.is_some() || paths.values().next().is_some();
        Ok(needed.then_some(Self { global, paths }))
    }

    /// The limit for a request.
    pub(super) fn of(&self, exchange: &Exchange) -> Option<Duration> {
        self.paths.find(exchange).copied().or(self.global)
    }
}

/// A limit in Go's form counts before one in seconds.
fn own(at: &str, limit: &HardTimeout) -> Result<Option<Duration>, CompileError> {
    if !limit.duration.is_empty() {
        return read(&format!("{at}.duration"), &limit.duration);
    }
    Ok(u64::try_from(limit.timeout).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs))
}

/// No limit, if it is no time at all.
fn read(path: &str, text: &str) -> Result<Option<Duration>, CompileError> {
    let read = duration::parse(text).ok_or_else(|| CompileError {
        path: path.to_owned(),
        reason: format!("{text:?} is no duration: write one as in \"1m30s\" or \"250ms\""),
    })?;
    Ok(Some(read).filter(|time| !time.is_zero()))
}
