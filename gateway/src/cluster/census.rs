//! How many nodes there are. Each says every two seconds that it is there, and is forgotten after four;
//! a smaller number is believed once it was counted three times: a store that comes back has yet to
//! hear of all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tracing::debug;
use uuid::Uuid;

use crate::store::Redis;

const LIST: &str = "outrigger-nodes";
const EVERY: Duration = Duration::from_secs(2);
const FORGOTTEN: Duration = Duration::from_secs(4);
/// After so many counts a smaller number is believed.
const BELIEVED: usize = 3;

/// How many nodes share the store; clones share the count.
#[derive(Clone, Debug)]
pub struct Nodes(Arc<AtomicUsize>);

impl Default for Nodes {
    /// This node alone.
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(1)))
    }
}

impl Nodes {
    /// All nodes, this one too; what was last known while the store is away.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Says that this node is there, and counts, until dropped.
pub async fn attend(redis: &Redis, nodes: &Nodes) {
    let name = Uuid::new_v4().simple().to_string();
    let mut ticks = tokio::time::interval(EVERY);
    let mut counted = [1; BELIEVED];
    loop {
        ticks.tick().await;
        match redis.attend(LIST, &name, FORGOTTEN).await {
            Ok(present) => nodes.0.store(believe(&mut counted, present), Ordering::Relaxed),
            Err(error) => debug!(%error, "the nodes cannot be counted"),
        }
    }
}

/// The most that were there at one of the last counts.
fn believe(counted: &mut [usize; BELIEVED], present: usize) -> usize {
    counted.rotate_right(1);
    counted[0] = present;
    counted.iter().copied().fold(1, usize::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_number_is_believed_at_once_and_a_smaller_one_when_counted_three_times() {
        let mut counted = [1; BELIEVED];
        let believed = [2, 3, 0, 1, 1, 1].map(|present| believe(&mut counted, present));
        assert_eq!(believed, [2, 3, 3, 3, 1, 1]);
    }
}
