//! Finding keys by how they begin, on every server that holds some.

use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, RedisResult, Value};

use super::plan::Connection;

/// Keys that one round trip looks at, about.
const STRIDE: u32 = 1000;

/// All keys that begin like this.
pub(super) async fn keys(prefix: &str, connection: Connection) -> RedisResult<Vec<String>> {
    let pattern = format!("{}*", escaped(prefix));
    let mut found = Vec::new();
    match connection {
        Connection::Server(server) => {
            let mut position = Position::default();
            while let Some(cmd) = position.next(&pattern) {
                position.read(cmd.query_async(&mut server.clone()).await?, &mut found);
            }
        }
        Connection::Cluster(mut cluster) => {
            for slot in masters(&mut cluster).await? {
                scan_master(slot, &pattern, &mut cluster, &mut found).await?;
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

async fn scan_master(
    slot: u16,
    pattern: &str,
    cluster: &mut ClusterConnection,
    found: &mut Vec<String>,
) -> RedisResult<()> {
    let mut position = Position::default();
    while let Some(cmd) = position.next(pattern) {
        let master = SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master));
        let reply = cluster.route_command(cmd, RoutingInfo::SingleNode(master)).await?;
        position.read(redis::from_redis_value(reply)?, found);
    }
    Ok(())
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

/// Where a scan stands.
#[derive(Default)]
struct Position {
    cursor: u64,
    under_way: bool,
}

impl Position {
    fn next(&self, pattern: &str) -> Option<Cmd> {
        if self.under_way && self.cursor == 0 {
            return None;
        }
        let mut cmd = redis::cmd("SCAN");
        cmd.arg(self.cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STRIDE);
        Some(cmd)
    }

    fn read(&mut self, (cursor, keys): (u64, Vec<String>), found: &mut Vec<String>) {
        *self = Self { cursor, under_way: true };
        found.extend(keys);
    }
}

/// A pattern that means the text itself.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}
