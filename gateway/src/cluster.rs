//! What nodes that share a Redis tell each other: that sessions changed, that APIs are to be loaded
//! anew, and that they are there.

mod census;
mod listen;
mod notice;

pub use self::census::{Nodes, attend};
pub use self::listen::{Heard, listen};
pub use self::notice::{Notice, NoticeError, parse};
use crate::config::Messages;
use crate::store::{Redis, StoreError};

/// The channel of the original.
const CHANNEL: &str = "tyk.cluster.notifications";

/// Tells all nodes, this one too.
pub async fn publish(notice: &Notice, redis: &Redis, messages: &Messages) -> Result<(), StoreError> {
    redis.publish(CHANNEL, &notice.encode(&messages.secret)).await
}
