//! Finding keys by how they begin, on every server that holds some.

use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, RedisResult, Value};

use super::plan::Connection;

/// Keys that one round trip looks at, about.
const STRIDE: u32 = 1000;

/// A server to scan: the only one, or the master of a slot.
pub(super) type Part = Option<u16>;

/// Everything that has to be scanned.
pub(super) async fn parts(connection: Connection) -> RedisResult<Vec<Part>> {
    match connection {
        Connection::Server(_) => Ok(vec![None]),
        Connection::Cluster(mut cluster) => Ok(masters(&mut cluster).await?.into_iter().map(Some).collect()),
    }
}

/// One slot of each master.
async fn masters(cluster: &mut ClusterConnection) -> RedisResult<Vec<u16>> {
    let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
    let mut cmd = redis::cmd("CLUSTER");
    cmd.arg("SLOTS");
    let ranges: Vec<Vec<Value>> = redis::from_redis_value(cluster.route_command(cmd, any).await?)?;
    let mut known = Vec::new();
    let mut slots = Vec::new();
    for range in ranges {
        if let [first, _, master, ..] = range.as_slice()
            && !known.contains(master)
        {
            known.push(master.clone());
            slots.push(redis::from_redis_value(first.clone())?);
        }
    }
    Ok(slots)
}

/// A scan of one part, step by step.
pub(super) struct Scan {
    part: Part,
    cursor: Option<u64>,
}

impl Scan {
    pub(super) fn new(part: Part) -> Self {
        Self { part, cursor: Some(0) }
    }

    /// The next step, unless all is done.
    pub(super) fn step(&self, pattern: &str) -> Option<Step> {
        let mut cmd = redis::cmd("SCAN");
        cmd.arg(self.cursor?).arg("MATCH").arg(pattern).arg("COUNT").arg(STRIDE);
        Some(Step { part: self.part, cmd })
    }

    /// Takes what a step found. Keys that are not text are none of ours.
    pub(super) fn read(&mut self, (cursor, keys): Found, found: &mut Vec<String>) {
        self.cursor = Some(cursor).filter(|cursor| *cursor != 0);
        found.extend(keys.into_iter().filter_map(|key| String::from_utf8(key).ok()));
    }
}

/// Where to go on, and keys.
type Found = (u64, Vec<Vec<u8>>);

/// One round trip of a scan.
pub(super) struct Step {
    part: Part,
    cmd: Cmd,
}

impl Step {
    pub(super) async fn take(self, mut connection: Connection) -> RedisResult<Found> {
        match (&mut connection, self.part) {
            (Connection::Cluster(cluster), Some(slot)) => {
                let master = SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master));
                let reply = cluster.route_command(self.cmd, RoutingInfo::SingleNode(master)).await?;
                Ok(redis::from_redis_value(reply)?)
            }
            _ => self.cmd.query_async(&mut connection).await,
        }
    }
}

/// The pattern of all that begins like this.
pub(super) fn beginning(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('*');
    pattern
}
