//! The store in Redis, laid out as the original lays it out, so that both can share one.
//!
//! Every operation is one round trip, but for the listing of sessions, and but for a cluster: there
//! a rate, its smoothed limit and a quota counted together take one each, and so does each of several
//! quotas looked up.

mod answers;
mod certificates;
mod counting;
mod link;
mod pace;
mod plan;
mod scan;
#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisResult, RedisWrite, ToRedisArgs};

use self::counting::{Code, Now};
use self::link::Link;
use self::plan::Connection;
use self::scan::Scan;
pub(crate) use self::{pace::Pace, plan::Plan};
use super::{Count, Counted, Quota, QuotaCount, Space, StoreError};
use crate::config;

/// A worker's connection to Redis; clones share it.
#[derive(Clone)]
pub struct Redis(Arc<Link>);

impl Redis {
    /// A connection for the runtime that first uses it; made then, and again when lost.
    pub fn new(config: &config::Redis) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Link::new(config)?)))
    }

    /// How this Redis is reached.
    pub(crate) fn config(&self) -> &config::Redis {
        self.0.config()
    }

    pub(super) async fn session(&self, space: Space, names: &[&str]) -> Result<Option<(usize, Vec<u8>)>, StoreError> {
        if names.is_empty() {
            return Ok(None);
        }
        let mut cmd = redis::cmd("MGET");
        for name in names {
            cmd.arg(Key(space, name));
        }
        let found: Vec<Option<Vec<u8>>> = self.ask(cmd).await?;
        let mut sessions = found.into_iter().enumerate().filter_map(|(place, json)| Some((place, json?)));
        Ok(sessions.find(|(_, json)| !json.is_empty()))
    }

    pub(super) async fn put_session(
        &self,
        space: Space,
        name: &str,
        json: &[u8],
        lifetime: Option<Duration>,
    ) -> Result<(), StoreError> {
        let mut cmd = redis::cmd("SET");
        cmd.arg(Key(space, name)).arg(json);
        if let Some(lifetime) = lifetime {
            cmd.arg("PX").arg(milliseconds(lifetime));
        }
        self.ask(cmd).await
    }

    pub(super) async fn touch_session(
        &self,
        space: Space,
        name: &str,
        lifetime: Option<Duration>,
    ) -> Result<(), StoreError> {
        let mut cmd = redis::cmd(if lifetime.is_some() { "PEXPIRE" } else { "PERSIST" });
        cmd.arg(Key(space, name)).arg(lifetime.map(milliseconds));
        self.ask(cmd).await
    }

    pub(super) async fn delete_session(&self, space: Space, name: &str) -> Result<bool, StoreError> {
        let mut cmd = redis::cmd("DEL");
        cmd.arg(Key(space, name));
        self.ask(cmd).await
    }

    pub(super) async fn sessions(&self, space: Space, prefix: &str) -> Result<Vec<String>, StoreError> {
        let keys = self.keys(&format!("{}{prefix}", space.prefix())).await?;
        Ok(keys.iter().filter_map(|key| key.strip_prefix(space.prefix())).map(str::to_owned).collect())
    }

    /// All keys that begin like this.
    async fn keys(&self, beginning: &str) -> Result<Vec<String>, StoreError> {
        let pattern = scan::beginning(beginning);
        let mut keys = Vec::new();
        for part in self.0.run(scan::parts).await? {
            let mut scan = Scan::new(part);
            while let Some(step) = scan.step(&pattern) {
                scan.read(self.0.run(|connection| step.take(connection)).await?, &mut keys);
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    pub(super) async fn count(&self, count: Count<'_>) -> Result<Counted, StoreError> {
        self.0.run(async |mut connection| counting::count(count, &mut connection).await).await
    }

    pub(super) async fn count_in_window(
        &self,
        window: QuotaCount<'_>,
        quota: Option<QuotaCount<'_>>,
    ) -> Result<(Quota, Option<Quota>), StoreError> {
        self.0.run(async |mut connection| counting::count_in_window(window, quota, &mut connection).await).await
    }

    pub(super) async fn quotas(&self, names: &[&str]) -> Result<Vec<Option<Quota>>, StoreError> {
        let found = self.0.run(async |connection| quotas(names, connection).await).await?;
        let now = Now::read();
        Ok(found.into_iter().map(|(used, rest)| Some(now.quota((used?, rest)))).collect())
    }

    pub(super) async fn reset(&self, names: &[String]) -> Result<(), StoreError> {
        if names.is_empty() {
            return Ok(());
        }
        let mut cmd = redis::cmd("DEL");
        cmd.arg(names);
        self.ask(cmd).await
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.0.run(Connection::ping).await
    }

    /// Sends a message to all who listen on a channel.
    pub(crate) async fn publish(&self, channel: &str, message: &str) -> Result<(), StoreError> {
        let mut cmd = redis::cmd("PUBLISH");
        cmd.arg(channel).arg(message);
        self.ask(cmd).await
    }

    /// Enters a member into a list of those present, and counts who entered within `lifetime`.
    pub(crate) async fn attend(&self, list: &str, member: &str, lifetime: Duration) -> Result<usize, StoreError> {
        static ATTEND: LazyLock<Code> = LazyLock::new(|| Code::new(include_str!("redis/attend.lua")));
        let arguments = |cmd: &mut Cmd| {
            cmd.arg(1).arg(list).arg(member).arg(milliseconds(lifetime));
        };
        self.0.run(async |mut connection| ATTEND.run(arguments, &mut connection).await).await
    }

    async fn ask<T: FromRedisValue>(&self, cmd: Cmd) -> Result<T, StoreError> {
        self.0.run(async |mut connection| cmd.query_async(&mut connection).await).await
    }
}

/// Counts and rests of life; nodes of a cluster are asked one after the other.
async fn quotas(names: &[&str], mut connection: Connection) -> RedisResult<Vec<(Option<i64>, i64)>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    if let Connection::Server(_) = connection {
        return pipeline(names).query_async(&mut connection).await;
    }
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let one: Vec<(Option<i64>, i64)> = pipeline(&[name]).query_async(&mut connection).await?;
        found.extend(one);
    }
    Ok(found)
}

fn pipeline(names: &[&str]) -> redis::Pipeline {
    let mut pipeline = redis::pipe();
    for name in names {
        pipeline.cmd("GET").arg(name).cmd("PTTL").arg(name);
    }
    pipeline
}

/// Redis takes no lifetime of nothing.
fn milliseconds(lifetime: Duration) -> u64 {
    u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).max(1)
}

impl Space {
    fn prefix(self) -> &'static str {
        match self {
            Self::Key => "apikey-",
            Self::Org => "orgkey.",
        }
    }
}

/// A session's key, written straight into the command.
struct Key<'a>(Space, &'a str);

impl ToRedisArgs for Key<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let Self(space, name) = self;
        out.write_arg_fmt(format_args!("{}{name}", space.prefix()));
    }
}
