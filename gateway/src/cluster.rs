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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;
    use crate::config::Secret;
    use crate::store::RedisServer;

    fn messages() -> Messages {
        Messages { secret: Secret("s".to_owned()), allow_unsigned: false, heard: true }
    }

    #[tokio::test]
    async fn what_is_published_is_heard_and_a_lost_connection_is_told() {
        let mut server = RedisServer::start();
        let redis = Redis::new(&server.config()).unwrap();
        let (heard, mut hears) = mpsc::unbounded_channel();
        let listener = redis.clone();
        tokio::spawn(async move { listen(&listener, &messages(), |word| drop(heard.send(word))).await });
        let mut next = async || timeout(Duration::from_secs(10), hears.recv()).await.unwrap().unwrap();
        assert_eq!(next().await, Heard::Connected);

        server.say::<()>(&["PUBLISH", CHANNEL, r#"{"command":"GroupReload"}"#]);
        let changed = Notice::KeysChanged(vec!["a".to_owned(), "b".to_owned()]);
        publish(&changed, &redis, &messages()).await.unwrap();
        assert_eq!(next().await, Heard::Notice(changed), "the message without signature is dropped");

        server.stop();
        server.restart();
        assert_eq!(next().await, Heard::Connected);
        while publish(&Notice::Reload, &redis, &messages()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(next().await, Heard::Notice(Notice::Reload));
    }

    #[tokio::test]
    async fn nodes_count_each_other_and_forget_who_is_gone() {
        let server = RedisServer::start();
        let redis = Redis::new(&server.config()).unwrap();
        let nodes = Nodes::default();
        assert_eq!(nodes.count(), 1);
        let present = redis.attend("list", "a", Duration::from_secs(4)).await.unwrap();
        assert_eq!(present, 1);
        assert_eq!(redis.attend("list", "b", Duration::from_secs(4)).await.unwrap(), 2);
        assert_eq!(redis.attend("list", "a", Duration::from_secs(4)).await.unwrap(), 2);
        assert!(server.say::<i64>(&["PTTL", "list"]) <= 4000);
        server.say::<()>(&["ZADD", "list", "1000", "b"]);
        assert_eq!(redis.attend("list", "a", Duration::from_secs(4)).await.unwrap(), 1);

        server.say::<()>(&["ZADD", "outrigger-nodes", "99999999999999", "another"]);
        let counted = async {
            while nodes.count() != 2 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = attend(&redis, &nodes) => {}
            done = timeout(Duration::from_secs(5), counted) => done.unwrap(),
        }
    }
}
