//! Whether bytes wait for the other side, and whether they move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// All that goes one way between the gateway and one client.
#[derive(Debug, Default)]
pub struct Flow {
    waiting: AtomicU32,
    moved: AtomicU32,
}

/// One body or socket of a flow.
#[derive(Debug)]
pub struct Strand {
    flow: Arc<Flow>,
    waits: bool,
}

impl Flow {
    /// How often something moved, if anything waits for the other side now.
    pub fn stands_at(&self) -> Option<u32> {
        (self.waiting.load(Ordering::Relaxed) > 0).then(|| self.moved.load(Ordering::Relaxed))
    }
}

impl Strand {
    /// Another strand of this flow.
    pub fn of(flow: &Arc<Flow>) -> Self {
        Self { flow: Arc::clone(flow), waits: false }
    }

    /// It is the other side's turn.
    pub fn wait(&mut self) {
        if !std::mem::replace(&mut self.waits, true) {
            self.flow.waiting.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The other side took its turn.
    pub fn advance(&mut self) {
        self.stop_waiting();
        // One thread serves a connection: nothing is lost between the two, and an addition would cost more.
        let moved = self.flow.moved.load(Ordering::Relaxed);
        self.flow.moved.store(moved.wrapping_add(1), Ordering::Relaxed);
    }

    fn stop_waiting(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.flow.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Strand {
    fn drop(&mut self) {
        self.stop_waiting();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_stands_while_one_of_its_strands_waits() {
        let flow = Arc::new(Flow::default());
        let (mut first, mut second) = (Strand::of(&flow), Strand::of(&flow));
        assert_eq!(flow.stands_at(), None);
        first.wait();
        first.wait();
        second.advance();
        assert_eq!(flow.stands_at(), Some(1));
        first.advance();
        assert_eq!(flow.stands_at(), None);
        second.wait();
        assert_eq!(flow.stands_at(), Some(2));
        drop(second);
        assert_eq!(flow.stands_at(), None);
    }
}
