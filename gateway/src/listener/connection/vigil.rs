//! Which clients have had their time. One timer per connection serves all limits and costs its
//! requests nothing.

use std::time::Duration;

use thiserror::Error;

use super::Protocol;
use super::activity::Activity;
use crate::config::Guards;

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Trouble {
    #[error("no request came for long")]
    Idle,
    #[error("the head of a request took too long")]
    SlowHead,
    #[error("the body of a request did not come on")]
    SlowBody,
    #[error("an answer was not taken")]
    SlowReader,
    #[error("too many requests were taken back")]
    TakenBack,
}

/// How long a connection may be in each kind of trouble.
pub(super) struct Vigil {
    watches: [Watch; 5],
    beat: Duration,
}

/// One kind of trouble: what it is, how it shows, how long it may last.
struct Watch {
    trouble: Trouble,
    sign: fn(&Activity) -> Option<u32>,
    limit: Duration,
    /// What was last seen, and for how long.
    seen: Option<u32>,
    lasts: Duration,
}

impl Vigil {
    pub(super) fn new(guards: &Guards, protocol: Protocol) -> Self {
        // HTTP/2 clients say things that begin no request.
        let head_time = if protocol == Protocol::Http2 { guards.idle_time } else { guards.head_time };
        Self::over([
            Watch::new(Trouble::Idle, Activity::idle, guards.idle_time),
            Watch::new(Trouble::SlowHead, Activity::beginning, head_time),
            Watch::new(Trouble::SlowBody, Activity::receiving, guards.read_time),
            Watch::new(Trouble::SlowReader, Activity::sending, guards.write_time),
            Watch::new(Trouble::SlowReader, Activity::sharing, guards.write_time),
        ])
    }

    /// For a connection that was told to end, which may be idle for `farewell` only.
    pub(super) fn farewell(self, farewell: Duration) -> Self {
        Self::over(self.watches.map(|watch| match watch.trouble {
            Trouble::Idle | Trouble::SlowHead => Watch { limit: farewell, ..watch },
            _ => watch,
        }))
    }

    fn over(watches: [Watch; 5]) -> Self {
        let beat = watches.iter().map(|watch| watch.limit).min().unwrap_or_default() / 2;
        Self { watches, beat: beat.max(Duration::from_millis(1)) }
    }

    /// Done when a trouble has lasted for its limit, and for one and a half times as long at most.
    pub(super) async fn trouble(&mut self, activity: &Activity) -> Trouble {
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep(self.beat) => {}
                () = activity.abuse() => return Trouble::TakenBack,
            }
            let beat = self.beat;
            if let Some(watch) = self.watches.iter_mut().find_map(|watch| watch.look(activity, beat)) {
                return watch;
            }
        }
    }
}

impl Watch {
    fn new(trouble: Trouble, sign: fn(&Activity) -> Option<u32>, limit: Duration) -> Self {
        Self { trouble, sign, limit, seen: None, lasts: Duration::ZERO }
    }

    /// Looks again after a while: whatever moved meanwhile begins anew.
    fn look(&mut self, activity: &Activity, after: Duration) -> Option<Trouble> {
        let now = (self.sign)(activity);
        self.lasts = if now.is_some() && now == self.seen { self.lasts + after } else { Duration::ZERO };
        self.seen = now;
        (self.lasts >= self.limit).then_some(self.trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trouble_without_movement_lasts() {
        let activity = Activity::new(0);
        let beat = Duration::from_secs(1);
        let mut watch = Watch::new(Trouble::Idle, Activity::idle, beat * 2);
        assert_eq!([(); 2].map(|()| watch.look(&activity, beat)), [None, None]);
        drop(activity.begin());
        assert_eq!([(); 2].map(|()| watch.look(&activity, beat)), [None, None]);
        assert_eq!(watch.look(&activity, beat), Some(Trouble::Idle));
        let _busy = activity.begin();
        assert_eq!(watch.look(&activity, beat), None);
    }
}
