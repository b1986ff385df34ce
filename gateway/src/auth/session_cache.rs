//! The session cache of an API: callers about whom the auth hook need not be asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::callers::{ApiCallers, Callers};
use super::keys::Keys;
use crate::definition;
use crate::error::Refusal;
use crate::session::Session;

/// For how many seconds a session counts before the store is asked again.
const RECENT: i64 = 10;
/// For how many seconds a session past its deadline counts before the plugin is asked again.
const STALE: i64 = 1;

/// What is known of callers, by what the id extractor found.
pub struct SessionCache {
    known: ApiCallers,
    /// For how many seconds refusals are remembered.
    refusals: i64,
    /// How many seconds before its deadline a session is made anew.
    ahead: i64,
    /// For how many seconds after its deadline a session counts while the plugin server is away.
    stale: i64,
    /// How often it was of use.
    pub counts: Counts,
}

/// What is known of one caller.
#[derive(Clone)]
pub enum Known {
    /// The plugin let it in.
    Session(Fresh),
    /// The plugin refused it.
    Refusal(Refused),
}

/// A session that another request may use.
#[derive(Clone)]
pub struct Fresh {
    /// The session.
    pub session: Arc<Session>,
    /// Unix seconds.
    until: i64,
    /// When it should be made anew, in unix seconds, unless somebody is about it.
    refresh: Option<(i64, Arc<AtomicBool>)>,
    epoch: u64,
}

/// A refusal that another request may use.
#[derive(Clone)]
pub struct Refused {
    /// What the plugin said.
    pub refusal: Arc<Refusal>,
    /// Unix seconds.
    until: i64,
    epoch: u64,
}

/// What requests of callers met, since the API was loaded.
#[derive(Debug, Default)]
pub struct Counts {
    /// The session was known.
    pub hits: AtomicU64,
    /// The plugin was asked.
    pub misses: AtomicU64,
    /// Another request was asking, and this one waited for its answer.
    pub waits: AtomicU64,
    /// The plugin server was away, and the last session served.
    pub stale: AtomicU64,
    /// The refusal was known.
    pub refusals: AtomicU64,
    /// Sessions made anew ahead of their deadline.
    pub refreshes: AtomicU64,
}

impl SessionCache {
    /// Knows nobody.
    pub fn new(settings: &definition::SessionCache, callers: &Callers) -> Self {
        let seconds = |seconds: u32| i64::from(seconds);
        Self {
            known: callers.of_api(),
            refusals: seconds(settings.remember_refusals_seconds),
            ahead: seconds(settings.refresh_ahead_seconds),
            stale: seconds(settings.serve_stale_seconds),
            counts: Counts::default(),
        }
    }

    /// What is known of a caller, if it still counts at `now` (unix seconds).
    pub async fn get(&self, value: &[u8], keys: &Keys, now: i64) -> Option<Known> {
        let known = self.known.get(value).await?;
        if known.counts(keys, now) {
            return Some(known);
        }
        self.known.forget(value).await;
        None
    }

    /// Runs `ask` for one of all requests that miss this caller at once. The others get what it found;
    /// if it ends before that, the next one asks.
    pub async fn once(&self, value: &[u8], ask: impl Future<Output = Option<Known>>) -> Option<Known> {
        self.known.get_or_ask(value, ask).await
    }

    /// Puts what was found out in place of what was known.
    pub async fn renew(&self, value: Vec<u8>, known: Option<Known>) {
        match known {
            Some(known) => self.known.insert(value, known).await,
            None => self.known.forget(&value).await,
        }
    }

    /// A session whose deadline lies ahead of `now` (unix seconds). It is looked up again in half of
    /// the time for which it is stored, so that it stays stored while it is in use. `epoch` is that of the
    /// keys before it was looked up or asked for.
    pub fn session(
        &self,
        session: &Arc<Session>,
        keys: &Keys,
        epoch: u64,
        lifetime: Option<Duration>,
        now: i64,
    ) -> Option<Fresh> {
        let deadline = session.state.id_extractor_deadline;
        let half = lifetime.and_then(|lifetime| i64::try_from(lifetime.as_secs() / 2).ok());
        let recent = if keys.remember() { half.map_or(RECENT, |half| half.min(RECENT)) } else { 0 };
        (deadline > now).then(|| Fresh {
            session: Arc::clone(session),
            until: deadline.min(now.saturating_add(recent)),
            refresh: (self.ahead > 0).then(|| (deadline.saturating_sub(self.ahead), Arc::default())),
            epoch,
        })
    }

    /// A session past its deadline, if it may count while the plugin server is away.
    pub fn stale(&self, session: &Arc<Session>, epoch: u64, now: i64) -> Option<Fresh> {
        let deadline = session.state.id_extractor_deadline;
        let end = deadline.saturating_add(self.stale);
        (self.stale > 0 && deadline > 0 && end > now).then(|| Fresh {
            session: Arc::clone(session),
            until: end.min(now.saturating_add(STALE)),
            refresh: None,
            epoch,
        })
    }

    /// A refusal, if refusals are remembered.
    pub fn refusal(&self, refusal: &Refusal, epoch: u64, now: i64) -> Option<Refused> {
        (self.refusals > 0).then(|| Refused {
            refusal: Arc::new(refusal.clone()),
            until: now.saturating_add(self.refusals),
            epoch,
        })
    }
}

impl Known {
    fn counts(&self, keys: &Keys, now: i64) -> bool {
        let (Self::Session(Fresh { epoch, .. }) | Self::Refusal(Refused { epoch, .. })) = self;
        self.until() > now && *epoch == keys.epoch()
    }

    /// Until when it counts, in unix seconds.
    pub(super) fn until(&self) -> i64 {
        let (Self::Session(Fresh { until, .. }) | Self::Refusal(Refused { until, .. })) = self;
        *until
    }

    /// About how many bytes of memory it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Session(fresh) => fresh.session.size(),
            Self::Refusal(refused) => refused.refusal.size(),
        }
    }
}

impl Fresh {
    /// Whether whoever asks is to make the session anew: one of all who ask.
    pub fn is_due(&self, now: i64) -> bool {
        let due = self.refresh.as_ref().filter(|(from, _)| *from <= now);
        due.is_some_and(|(_, taken)| !taken.swap(true, Ordering::Relaxed))
    }
}

impl Counts {
    /// One more.
    pub fn add(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::config;
    use crate::session::{Key, State};

    const NOW: i64 = 1000;

    fn cache(refusals: u32, ahead: u32, stale: u32) -> (SessionCache, Keys) {
        let settings = definition::SessionCache {
            remember_refusals_seconds: refusals,
            refresh_ahead_seconds: ahead,
            serve_stale_seconds: stale,
        };
        let keys = config::Keys { remember: true, ..config::Keys::default() };
        (SessionCache::new(&settings, &Callers::default()), Keys::new(&keys))
    }

    fn session(deadline: i64) -> Arc<Session> {
        let state = State { id_extractor_deadline: deadline, ..State::default() };
        Arc::new(Session::new(state, Key::default()))
    }

    #[test]
    fn a_session_counts_until_its_deadline_and_is_looked_up_again_before() {
        let (cache, keys) = cache(0, 0, 0);
        let counts = |deadline, lifetime: Option<u64>, at| {
            let fresh = cache.session(&session(deadline), &keys, keys.epoch(), lifetime.map(Duration::from_secs), NOW);
            fresh.is_some_and(|fresh| Known::Session(fresh).counts(&keys, at))
        };
        assert!(!counts(NOW, None, NOW) && !counts(0, None, NOW));
        assert!(counts(NOW + 5, None, NOW + 4) && !counts(NOW + 5, None, NOW + 5));
        assert!(counts(NOW + 500, None, NOW + 9) && !counts(NOW + 500, None, NOW + 10));
        assert!(counts(NOW + 500, Some(4), NOW + 1) && !counts(NOW + 500, Some(4), NOW + 2));
    }

    #[test]
    fn what_was_known_before_keys_changed_counts_no_longer() {
        let (cache, keys) = cache(0, 0, 0);
        let epoch = keys.epoch();
        let known = || Known::Session(cache.session(&session(NOW + 9), &keys, epoch, None, NOW).unwrap());
        let before = known();
        assert!(before.counts(&keys, NOW));
        keys.forget("any");
        assert!(!before.counts(&keys, NOW));
        // It was looked up before, too.
        assert!(!known().counts(&keys, NOW));
    }

    #[test]
    fn a_refusal_counts_as_long_as_the_api_says() {
        let refusal = Refusal {
            status: StatusCode::FORBIDDEN,
            text: "no".into(),
            headers: HeaderMap::new(),
            token: String::new(),
        };
        let (none, keys) = cache(0, 0, 0);
        assert!(none.refusal(&refusal, keys.epoch(), NOW).is_none());
        let (some, keys) = cache(2, 0, 0);
        let known = Known::Refusal(some.refusal(&refusal, keys.epoch(), NOW).unwrap());
        assert!(known.counts(&keys, NOW + 1) && !known.counts(&keys, NOW + 2));
    }

    #[test]
    fn one_request_makes_a_session_anew_ahead_of_its_deadline() {
        let due = |ahead, at: [i64; 4]| {
            let (cache, keys) = cache(0, ahead, 0);
            let fresh = cache.session(&session(NOW + 9), &keys, keys.epoch(), None, NOW).unwrap();
            at.map(|at| fresh.is_due(at))
        };
        assert_eq!(due(3, [NOW, NOW + 5, NOW + 6, NOW + 7]), [false, false, true, false]);
        assert_eq!(due(0, [NOW, NOW + 5, NOW + 6, NOW + 8]), [false; 4]);
    }

    #[test]
    fn a_session_past_its_deadline_counts_for_a_bounded_time() {
        let stale = |seconds, deadline| {
            let (cache, keys) = cache(0, 0, seconds);
            let fresh = cache.stale(&session(deadline), keys.epoch(), NOW);
            fresh.map(|fresh| [NOW, NOW + 1].map(|at| Known::Session(fresh.clone()).counts(&keys, at)))
        };
        assert_eq!(stale(5, NOW - 4), Some([true, false]));
        assert_eq!([stale(5, NOW - 5), stale(5, 0), stale(0, NOW - 1)], [None, None, None]);
    }
}
