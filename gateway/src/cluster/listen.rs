//! Listening to the other nodes, for ever: a lost connection is made again.

use std::convert::Infallible;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisResult, Value};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{interval, timeout};
use tracing::{debug, warn};

use super::{CHANNEL, Notice, parse};
use crate::config::Messages;
use crate::store::{Pace, Plan, Redis, StoreError};

/// What a node hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It listens from now on; what was said before is lost.
    Connected,
    /// What some node said, maybe this one.
    Notice(Notice),
}

/// How often the connection is tried while nobody says anything.
const PING: Duration = Duration::from_secs(2);

/// Tells all that is heard, until dropped; errors only where no connection could ever be made.
pub async fn listen(redis: &Redis, messages: &Messages, mut tell: impl FnMut(Heard)) -> Result<Infallible, StoreError> {
    let limit = redis.config().timeout;
    let mut plan = Plan::new(redis.config())
        .map_err(|error| StoreError { place: CHANNEL.to_owned(), reason: error.to_string() })?;
    let mut pace = Pace::new();
    loop {
        pace.wait().await;
        let (pushed, pushes) = mpsc::unbounded_channel();
        match timeout(limit, subscribe(&mut plan, pushed)).await {
            Ok(Ok(connection)) => {
                pace.ease();
                tell(Heard::Connected);
                hear(connection, limit, pushes, messages, &mut tell).await;
                warn!(store = plan.place(), "no messages of other nodes are heard until the store is back");
            }
            Ok(Err(error)) => debug!(store = plan.place(), %error, "cannot listen to other nodes"),
            Err(_) => debug!(store = plan.place(), "cannot listen to other nodes: no answer"),
        }
    }
}

async fn subscribe(plan: &mut Plan, pushed: mpsc::UnboundedSender<PushInfo>) -> RedisResult<MultiplexedConnection> {
    let mut connection = plan.connect_to_one(pushed).await?;
    connection.subscribe(CHANNEL).await?;
    Ok(connection)
}

/// Returns when the connection is lost.
async fn hear(
    mut connection: MultiplexedConnection,
    limit: Duration,
    mut pushes: UnboundedReceiver<PushInfo>,
    messages: &Messages,
    tell: &mut impl FnMut(Heard),
) {
    let mut ticks = interval(PING);
    loop {
        tokio::select! {
            push = pushes.recv() => match push {
                None | Some(PushInfo { kind: PushKind::Disconnection, .. }) => return,
                Some(push) => take(&push, messages, tell),
            },
            _ = ticks.tick() => {
                let ping: Result<RedisResult<()>, _> =
                    timeout(limit, redis::cmd("PING").query_async(&mut connection)).await;
                if !matches!(ping, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}

fn take(push: &PushInfo, messages: &Messages, tell: &mut impl FnMut(Heard)) {
    let (PushKind::Message, [_, Value::BulkString(text)]) = (&push.kind, push.data.as_slice()) else {
        return;
    };
    match parse(text, messages) {
        Ok(Some(notice)) => tell(Heard::Notice(notice)),
        Ok(None) => {}
        Err(error) => warn!(%error, "a message of another node was dropped"),
    }
}
