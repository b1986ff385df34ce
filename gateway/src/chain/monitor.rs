//! Tells the operator when some share of a quota is used.

use std::sync::Arc;
use std::time::SystemTime;

use crate::config;
use crate::event::{Event, Events, Name, Subject};
use crate::session::{Quota, Session};
use crate::store;

/// Whose quotas are watched, and who hears of them.
pub struct Monitor {
    settings: Arc<config::Monitor>,
    events: Events,
    kind: Kind,
}

/// What the quotas belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Keys.
    Keys,
    /// Organisations.
    Organisations,
}

impl Monitor {
    /// Watches quotas of this kind, if the operator wants it.
    pub fn of(kind: Kind, settings: Option<&Arc<config::Monitor>>, events: &Events) -> Option<Self> {
        let wanted = |settings: &&Arc<config::Monitor>| match kind {
            Kind::Keys => settings.keys,
            Kind::Organisations => settings.organisations,
        };
        let settings = Arc::clone(settings.filter(wanted)?);
        Some(Self { settings, events: events.clone(), kind })
    }

    /// Tells when this request used up a share that is watched: once in each period of the quota.
    pub fn watch(&self, session: &Session, quota: &Quota, counted: store::Quota) {
        let own = session.state.monitor.trigger_limits.iter().copied();
        let limits = own.chain([self.settings.limit]).filter(|limit| *limit > 0.0);
        let reached = limits.filter(|limit| reaches(*limit, counted.used, quota.max)).reduce(f64::max);
        if let Some(reached) = reached {
            self.tell(session, reached, share(counted.used, quota.max));
        }
    }

    fn tell(&self, session: &Session, reached: f64, used: f64) {
        let org_id = session.state.org_id.clone();
        let key = match self.kind {
            Kind::Keys => session.key.id.to_string(),
            Kind::Organisations => org_id.clone(),
        };
        let subject = Subject::Quota { org_id, key, limit: reached as i64, usage: used as i64 };
        let (name, message) = (Name::TriggerExceeded, "Quota trigger reached");
        self.events.tell(Event { name, message, subject, at: SystemTime::now() }, &self.settings.webhook);
    }
}

/// Per cent.
fn share(used: i64, max: i64) -> f64 {
    used as f64 * 100.0 / max as f64
}

/// Whether the last of these requests made the share that large.
fn reaches(limit: f64, used: i64, max: i64) -> bool {
    share(used, max) >= limit && share(used - 1, max) < limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_reached_by_one_request() {
        let reached = |limit, max| (1..=max + 2).filter(|used| reaches(limit, *used, max)).collect::<Vec<_>>();
        assert_eq!(reached(80.0, 10), [8]);
        assert_eq!(reached(85.0, 10), [9]);
        assert_eq!(reached(100.0, 3), [3]);
        assert_eq!(reached(120.0, 10), [12]);
    }
}
