//! Which counters a request is counted on: windows in this process, or what nodes share in the store.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cluster::Nodes;
use crate::config::RateLimiter;
use crate::error::Failure;
use crate::session::windows::{Verdict, Windows};
use crate::session::{Denied, Quota, Rate, Shift, Throttle};
use crate::store::{self, Count, QuotaCount, RateCount, Rated, Store, StoreError};

/// Counts requests on rates and quotas, for all APIs of this process.
///
/// How many requests a rate of R in P seconds admits, however many come at once:
/// - in memory, on one node: R in each window, so at most 2 R in any P seconds;
/// - in memory, on N nodes that know each other: R / N, rounded down, on each. A node that comes is
///   known within two seconds; until then each divides by the number it knows;
/// - the sliding log: R in any P seconds, or less where the rate is smoothed, over all nodes, whose
///   clocks must agree. Refused requests count too, so a client that goes on too fast stays out;
/// - fixed windows in the store: R in each window of the clock, over all nodes, whose clocks must agree.
pub struct Limiter {
    kind: RateLimiter,
    nodes: Nodes,
    windows: Windows,
}

/// What a request is charged to.
#[derive(Clone, Copy)]
pub(super) struct Charge<'a> {
    pub(super) rate: Option<&'a Rate>,
    /// How long it may wait for the rate.
    pub(super) throttle: Option<Throttle>,
    pub(super) quota: Option<&'a Quota>,
}

/// What counting a request said.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) rate: Option<Verdict>,
    /// Where the quota stands, unless the rate refused.
    pub(super) quota: Option<store::Quota>,
    /// Whether it was over its rate first, and waited.
    pub(super) waited: bool,
    /// How it changed the limit of a rate that is smoothed; the last change, if it waited.
    pub(super) shift: Option<Shift>,
}

/// The store could not count the request.
#[derive(Debug)]
pub(super) enum Uncounted {
    /// On its rate, by the sliding log.
    Log(StoreError),
    /// On its rate, by fixed windows.
    Window(StoreError),
    /// On its quota.
    Quota(StoreError),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Memory { price: f64 },
    Log { smooths: bool },
    Window,
}

impl Limiter {
    /// Nothing is counted yet; `nodes` share the store.
    pub fn new(kind: RateLimiter, nodes: Nodes) -> Self {
        Self { kind, nodes, windows: Windows::new() }
    }

    /// Lets the window in memory of this counter open anew.
    pub fn forget(&self, name: &str) {
        self.windows.forget(name);
    }

    /// Counts a request; one that is over its rate waits and tries again, as often as it may.
    pub(super) async fn count(&self, charge: Charge<'_>, store: &Store) -> Result<Counted, Uncounted> {
        let mut counted = self.count_once(charge, store).await?;
        let (Some(rate), Some(Throttle { tries, interval })) = (charge.rate, charge.throttle) else {
            return Ok(counted);
        };
        for _ in 0..tries {
            if counted.rate.is_none_or(|verdict| verdict.admitted) {
                break;
            }
            tokio::time::sleep(interval).await;
            if self.has_room(rate, store).await {
                let shift = counted.shift;
                counted = self.count_once(charge, store).await?;
                counted.shift = counted.shift.or(shift);
            }
            counted.waited = true;
        }
        Ok(counted)
    }

    async fn count_once(&self, charge: Charge<'_>, store: &Store) -> Result<Counted, Uncounted> {
        let quota = charge.quota.map(quota_count);
        let Some(rate) = charge.rate else { return count_quota(None, quota, store).await };
        match way(self.kind, self.nodes.count(), rate) {
            Way::Memory { price } => {
                let verdict = self.windows.count(&rate.name, rate.rate, rate.per, price, Instant::now());
                count_quota(Some(verdict), quota.filter(|_| verdict.admitted), store).await
            }
            Way::Log { smooths } => count_in_log(rate_count(rate, smooths), quota, store).await.map_err(Uncounted::Log),
            Way::Window => count_in_window(rate, quota, store).await.map_err(Uncounted::Window),
        }
    }

    /// Whether a request would pass; a store that does not answer lets none pass.
    async fn has_room(&self, rate: &Rate, store: &Store) -> bool {
        match way(self.kind, self.nodes.count(), rate) {
            Way::Memory { price } => self.windows.has_room(&rate.name, rate.rate, rate.per, price, Instant::now()),
            Way::Log { smooths } => {
                let asked = Count { rate: Some(RateCount { dry_run: true, ..rate_count(rate, smooths) }), quota: None };
                store.count(asked).await.is_ok_and(|counted| counted.rate.is_some_and(|rated| rated.admitted))
            }
            Way::Window => {
                let stands = store.quotas(&[&Window::now(rate).name]).await;
                // One more than there are must fit.
                stands.is_ok_and(|stands| stands.into_iter().flatten().all(|quota| fits(rate, quota.used + 1)))
            }
        }
    }
}

fn way(kind: RateLimiter, nodes: usize, rate: &Rate) -> Way {
    match kind {
        RateLimiter::Memory { threshold } => {
            let price = nodes.max(1) as f64;
            let divisible = nodes <= 1 || price * threshold < rate.rate / rate.per;
            if divisible { Way::Memory { price } } else { Way::Log { smooths: false } }
        }
        RateLimiter::SlidingLog { smooths } => Way::Log { smooths },
        RateLimiter::FixedWindow => Way::Window,
    }
}

async fn count_quota(
    rate: Option<Verdict>,
    quota: Option<QuotaCount<'_>>,
    store: &Store,
) -> Result<Counted, Uncounted> {
    let Some(quota) = quota else { return Ok(Counted { rate, quota: None, waited: false, shift: None }) };
    let counted = store.count(Count { rate: None, quota: Some(quota) }).await.map_err(Uncounted::Quota)?;
    Ok(Counted { rate, quota: counted.quota, waited: false, shift: None })
}

async fn count_in_log(
    rate: RateCount<'_>,
    quota: Option<QuotaCount<'_>>,
    store: &Store,
) -> Result<Counted, StoreError> {
    let counted = store.count(Count { rate: Some(rate), quota }).await?;
    let verdict = |Rated { admitted, limit, used, frees, .. }: Rated| Verdict {
        admitted,
        limit,
        remaining: (limit - used as f64 - 1.0).floor().max(0.0),
        frees: Duration::try_from_secs_f64(frees).unwrap_or_default(),
    };
    let shift = counted.rate.and_then(|rated| rated.shift);
    Ok(Counted { rate: counted.rate.map(verdict), quota: counted.quota, waited: false, shift })
}

async fn count_in_window(rate: &Rate, quota: Option<QuotaCount<'_>>, store: &Store) -> Result<Counted, StoreError> {
    let Window { name, length, frees } = Window::now(rate);
    let window = QuotaCount { name: &name, max: rate.rate as i64, renewal: length };
    let (counted, quota) = store.count_in_window(window, quota).await?;
    let remaining = (rate.rate - counted.used as f64).floor().max(0.0);
    let rate = Some(Verdict { admitted: fits(rate, counted.used), limit: rate.rate, remaining, frees });
    Ok(Counted { rate, quota, waited: false, shift: None })
}

/// The window of the clock that it is now.
struct Window {
    name: String,
    /// Seconds.
    length: i64,
    /// Until it ends.
    frees: Duration,
}

impl Window {
    fn now(rate: &Rate) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::at(rate, now)
    }

    fn at(rate: &Rate, now: Duration) -> Self {
        let length = (rate.per as u64).clamp(1, u64::from(u32::MAX));
        let start = now.as_secs() - now.as_secs() % length;
        let frees = Duration::from_secs(start + length).saturating_sub(now);
        Self { name: format!("{}-{start}", rate.name), length: length as i64, frees }
    }
}

fn fits(rate: &Rate, used: i64) -> bool {
    used <= rate.rate as i64
}

fn rate_count(rate: &Rate, smooths: bool) -> RateCount<'_> {
    let smoothing = rate.smoothing.as_deref().filter(|_| smooths);
    RateCount { name: &rate.name, rate: rate.rate, per: rate.per, dry_run: false, smoothing }
}

fn quota_count(quota: &Quota) -> QuotaCount<'_> {
    QuotaCount { name: &quota.name, max: quota.max, renewal: quota.renewal }
}

impl Uncounted {
    /// What becomes of the request: it is refused as if it were over the limit.
    pub(super) fn refuse(self, rate: Denied, quota: Denied) -> Failure {
        match self {
            Self::Log(cause) => Failure::Uncounted { limit: rate, cause },
            Self::Quota(cause) => Failure::Uncounted { limit: quota, cause },
            Self::Window(cause) => Failure::NoWindow(cause),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rate(rate: f64, per: f64) -> Rate {
        Rate::new("n".to_owned(), rate, per).unwrap()
    }

    #[test]
    fn nodes_divide_a_rate_that_is_high_enough_and_log_any_other() {
        let way = |nodes, requests| way(RateLimiter::Memory { threshold: 5.0 }, nodes, &rate(requests, 2.0));
        assert_eq!([way(0, 1.0), way(1, 1.0)], [Way::Memory { price: 1.0 }; 2]);
        assert_eq!([way(2, 20.0), way(2, 21.0)], [Way::Log { smooths: false }, Way::Memory { price: 2.0 }]);
    }

    #[test]
    fn windows_of_the_store_are_aligned_to_the_clock() {
        let at = |milliseconds| {
            let Window { name, length, frees } = Window::at(&rate(1.0, 10.9), Duration::from_millis(milliseconds));
            (name, length, frees.as_millis())
        };
        assert_eq!(at(20_000), ("n-20".to_owned(), 10, 10_000));
        assert_eq!(at(29_999), ("n-20".to_owned(), 10, 1));
        assert_eq!(Window::at(&rate(1.0, 0.1), Duration::from_secs(7)).length, 1);
    }

    #[tokio::test]
    async fn a_request_over_its_rate_tries_again_as_often_as_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::Embedded(store::Embedded::open(folder.path()).unwrap());
        let (rate, throttle) = (rate(1.0, 1.0), |tries| Throttle { tries, interval: Duration::from_millis(300) });
        let log = RateLimiter::SlidingLog { smooths: false };
        for kind in [RateLimiter::Memory { threshold: 5.0 }, log, RateLimiter::FixedWindow] {
            let limiter = Limiter::new(kind, Nodes::default());
            let count = async |tries| {
                let charge = Charge { rate: Some(&rate), throttle: Some(throttle(tries)), quota: None };
                limiter.count(charge, &store).await.unwrap().rate.unwrap().admitted
            };
            store.reset(&["n".to_owned()]).await.unwrap();
            count(0).await;
            assert!(count(9).await, "{kind:?}");
        }
    }
}
