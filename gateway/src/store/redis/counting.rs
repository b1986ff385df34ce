//! Counting a request: one script does everything that one round trip can.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, Script, ServerErrorKind};

use super::plan::Connection;
use crate::session::{Shift, Smoothing};
use crate::store::{Count, Counted, Quota, QuotaCount, RateCount, Rated};

static COUNT: LazyLock<Code> = LazyLock::new(|| {
    Code::new(concat!(
        include_str!("rate.lua"),
        include_str!("smooth.lua"),
        include_str!("quota.lua"),
        include_str!("count.lua")
    ))
});

static SMOOTH: LazyLock<Code> = LazyLock::new(|| {
    Code::new(concat!(
        include_str!("smooth.lua"),
        "return smooth(KEYS[1], tonumber(ARGV[1]), ARGV[2], unpack(ARGV, 3))"
    ))
});

static QUOTA: LazyLock<Code> =
    LazyLock::new(|| Code::new(concat!(include_str!("quota.lua"), "return quota(KEYS[1], ARGV[1])")));

static WINDOW: LazyLock<Code> = LazyLock::new(|| {
    Code::new(concat!(
        include_str!("quota.lua"),
        "local window = quota(KEYS[1], ARGV[1])
         if window[1] > tonumber(ARGV[2]) then return {window, false} end
         return {window, quota(KEYS[2], ARGV[3])}"
    ))
});

/// How many came before, the oldest score, the smoothed limit, and the quota.
type CountReply = (u64, String, Option<SmoothReply>, Option<QuotaReply>);
/// The limit, and how it changed.
type SmoothReply = (i64, i64);
type QuotaReply = (i64, i64);

/// Counts one request; in a cluster rate, its smoothed limit and quota may live on several nodes and
/// take a round trip each.
pub(super) async fn count(count: Count<'_>, connection: &mut Connection) -> RedisResult<Counted> {
    let now = Now::read();
    match (count.rate, count.quota) {
        (Some(rate), quota) => match connection {
            Connection::Server(_) => at_once(rate, quota, now, connection).await,
            Connection::Cluster(_) => one_by_one(rate, quota, now, connection).await,
        },
        (None, Some(quota)) => Ok(Counted { rate: None, quota: Some(count_quota(quota, now, connection).await?) }),
        (None, None) => Ok(Counted::default()),
    }
}

async fn at_once(
    rate: RateCount<'_>,
    quota: Option<QuotaCount<'_>>,
    now: Now,
    connection: &mut Connection,
) -> RedisResult<Counted> {
    let arguments = |cmd: &mut Cmd| {
        cmd.arg(1 + usize::from(quota.is_some()) + usize::from(rate.smoothing.is_some()));
        cmd.arg(rate.name).arg(quota.map(|quota| quota.name)).arg(rate.smoothing.map(|smoothing| &*smoothing.name));
        rate_arguments(rate, now, cmd);
        match quota {
            Some(quota) => cmd.arg(quota.renewal),
            None => cmd.arg(""),
        };
        if let Some(smoothing) = rate.smoothing {
            smoothing_arguments(smoothing, rate, cmd);
        }
    };
    let (used, oldest, smoothed, counted): CountReply = COUNT.run(arguments, connection).await?;
    let rated = now.rated(rate, used, &oldest, smoothed);
    Ok(Counted { rate: Some(rated), quota: counted.map(|counted| now.quota(counted)) })
}

async fn one_by_one(
    rate: RateCount<'_>,
    quota: Option<QuotaCount<'_>>,
    now: Now,
    connection: &mut Connection,
) -> RedisResult<Counted> {
    let alone = |cmd: &mut Cmd| {
        cmd.arg(1).arg(rate.name);
        rate_arguments(rate, now, cmd);
        cmd.arg("");
    };
    let (used, oldest, ..): CountReply = COUNT.run(alone, connection).await?;
    let smoothed = match rate.smoothing {
        Some(smoothing) => Some(smooth(smoothing, rate, used, connection).await?),
        None => None,
    };
    let rated = now.rated(rate, used, &oldest, smoothed);
    let quota = match quota.filter(|_| rated.admitted) {
        Some(quota) => Some(count_quota(quota, now, connection).await?),
        None => None,
    };
    Ok(Counted { rate: Some(rated), quota })
}

async fn smooth(
    smoothing: &Smoothing,
    rate: RateCount<'_>,
    used: u64,
    connection: &mut Connection,
) -> RedisResult<SmoothReply> {
    let arguments = |cmd: &mut Cmd| {
        cmd.arg(1).arg(&*smoothing.name).arg(used).arg(u8::from(!rate.dry_run));
        smoothing_arguments(smoothing, rate, cmd);
    };
    SMOOTH.run(arguments, connection).await
}

/// Counts one request in a window, and on the quota unless the window is full.
pub(super) async fn count_in_window(
    window: QuotaCount<'_>,
    quota: Option<QuotaCount<'_>>,
    connection: &mut Connection,
) -> RedisResult<(Quota, Option<Quota>)> {
    let now = Now::read();
    let (Some(quota), Connection::Server(_)) = (quota, &*connection) else {
        let counted = count_quota(window, now, connection).await?;
        let Some(quota) = quota.filter(|_| counted.used <= window.max) else { return Ok((counted, None)) };
        return Ok((counted, Some(count_quota(quota, now, connection).await?)));
    };
    let arguments = |cmd: &mut Cmd| {
        cmd.arg(2).arg(window.name).arg(quota.name);
        cmd.arg(window.renewal).arg(window.max).arg(quota.renewal);
    };
    let (counted, quota): (QuotaReply, Option<QuotaReply>) = WINDOW.run(arguments, connection).await?;
    Ok((now.quota(counted), quota.map(|counted| now.quota(counted))))
}

async fn count_quota(quota: QuotaCount<'_>, now: Now, connection: &mut Connection) -> RedisResult<Quota> {
    let arguments = |cmd: &mut Cmd| {
        cmd.arg(1).arg(quota.name).arg(quota.renewal);
    };
    Ok(now.quota(QUOTA.run(arguments, connection).await?))
}

fn rate_arguments(rate: RateCount<'_>, now: Now, cmd: &mut Cmd) {
    let window = nanoseconds(rate.per);
    cmd.arg(now.nanoseconds())
        .arg(now.nanoseconds().saturating_sub(window))
        .arg(window.div_ceil(1_000_000).max(1))
        .arg(u8::from(!rate.dry_run))
        .arg(rate.rate);
}

/// A limit that is used lives as long as its window, so that it does not begin anew in the middle of one.
fn smoothing_arguments(smoothing: &Smoothing, rate: RateCount<'_>, cmd: &mut Cmd) {
    let Smoothing { threshold, trigger, step, delay, .. } = smoothing;
    let kept = nanoseconds(rate.per.max(*delay as f64)).div_ceil(1_000_000);
    cmd.arg(rate.rate as i64).arg(threshold).arg(trigger).arg(step).arg(delay).arg(kept);
}

/// Not a number and less than nothing are nothing.
fn nanoseconds(seconds: f64) -> u64 {
    const MOST: u64 = i64::MAX as u64;
    ((seconds * 1e9) as u64).min(MOST)
}

/// One reading of this machine's clock; nodes that share counters must agree on the time.
#[derive(Clone, Copy)]
pub(super) struct Now(Duration);

impl Now {
    pub(super) fn read() -> Self {
        Self(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
    }

    fn nanoseconds(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    fn rated(self, rate: RateCount<'_>, used: u64, oldest: &str, smoothed: Option<SmoothReply>) -> Rated {
        let oldest = match oldest.parse::<f64>() {
            Ok(score) => score,
            Err(_) => self.nanoseconds() as f64,
        };
        let frees = (oldest - self.nanoseconds() as f64) / 1e9 + rate.per;
        let limit = smoothed.map_or(rate.rate, |(limit, _)| limit as f64);
        let shift = match smoothed {
            Some((_, 1)) => Some(Shift::Up),
            Some((_, -1)) => Some(Shift::Down),
            _ => None,
        };
        Rated { admitted: (used as f64) < limit, limit, shift, used, frees: frees.max(0.0) }
    }

    /// From the count and the milliseconds until it renews; less than none if it never does.
    pub(super) fn quota(self, (used, rest): QuotaReply) -> Quota {
        let rest = Duration::from_millis(u64::try_from(rest).unwrap_or(0));
        let renews = self.0.saturating_add(rest).as_secs();
        Quota { used, renews: i64::try_from(renews).unwrap_or(i64::MAX) }
    }
}

/// A script, called by its hash and sent only to servers that do not know it yet.
pub(super) struct Code {
    script: Script,
    text: &'static str,
}

impl Code {
    pub(super) fn new(text: &'static str) -> Self {
        Self { script: Script::new(text), text }
    }

    /// Runs it; `arguments` writes the number of keys, the keys, and the rest.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        arguments: impl Fn(&mut Cmd),
        connection: &mut Connection,
    ) -> RedisResult<T> {
        const UNKNOWN: ErrorKind = ErrorKind::Server(ServerErrorKind::NoScript);
        let call = |verb, code: &str| {
            let mut cmd = redis::cmd(verb);
            cmd.arg(code);
            arguments(&mut cmd);
            cmd
        };
        match call("EVALSHA", self.script.get_hash()).query_async(connection).await {
            Err(error) if error.kind() == UNKNOWN => call("EVAL", self.text).query_async(connection).await,
            outcome => outcome,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Redis;
    use super::super::server::RedisServer;
    use super::*;

    const RATE: &str = "rate-limit-k";
    const LIMIT: &str = "rate-limit-k-allowance";

    fn smoothing() -> Smoothing {
        Smoothing { name: LIMIT.into(), threshold: 4, trigger: 0.5, step: 3, delay: 5 }
    }

    fn rate(smoothing: &Smoothing) -> RateCount<'_> {
        RateCount { name: RATE, rate: 9.0, per: 60.0, dry_run: false, smoothing: Some(smoothing) }
    }

    fn store(server: &RedisServer) -> Redis {
        Redis::new(&server.config()).unwrap()
    }

    /// Limit and change of one more request.
    async fn count(store: &Redis, rate: RateCount<'_>) -> (f64, Option<Shift>) {
        let rated = store.count(Count { rate: Some(rate), quota: None }).await.unwrap().rate.unwrap();
        assert_eq!(rated.admitted, (rated.used as f64) < rated.limit);
        (rated.limit, rated.shift)
    }

    /// Lets the delay pass: what is left is the life of an unused limit.
    fn pass_delay(server: &RedisServer) {
        server.say::<()>(&["PEXPIRE", LIMIT, "60000"]);
    }

    #[tokio::test]
    async fn a_limit_rises_with_the_requests_to_the_rate_once_in_each_delay() {
        let (server, smoothing) = (RedisServer::start(), smoothing());
        let (store, rate) = (store(&server), rate(&smoothing));
        assert_eq!(count(&store, rate).await, (4.0, None), "it begins at the threshold");
        let stored: Vec<String> = server.say(&["HMGET", LIMIT, "current", "delay"]);
        assert_eq!(stored, ["4", "5"]);
        let life = server.say::<i64>(&["PTTL", LIMIT]);
        assert!((60_001..=65_000).contains(&life), "{life}");
        for _ in 0..2 {
            assert_eq!(count(&store, rate).await, (4.0, None));
        }
        assert_eq!(count(&store, rate).await, (4.0, None), "three are near enough, but the delay is not over");
        pass_delay(&server);
        assert_eq!(count(&store, rate).await, (7.0, Some(Shift::Up)), "four are, and four do not pass four");
        assert_eq!(count(&store, rate).await, (7.0, None));
        pass_delay(&server);
        assert_eq!(count(&store, rate).await, (9.0, Some(Shift::Up)), "the rate is less than a step away");
        pass_delay(&server);
        for _ in 0..4 {
            assert_eq!(count(&store, rate).await, (9.0, None));
        }
        assert!(server.say::<i64>(&["PTTL", LIMIT]) <= 60_000, "a limit that stays may change at any time");
    }

    #[tokio::test]
    async fn a_limit_falls_to_the_threshold_when_few_come() {
        let (server, smoothing) = (RedisServer::start(), smoothing());
        let (store, rate) = (store(&server), rate(&smoothing));
        for (stored, limit, shift) in
            [(9, 6.0, Some(Shift::Down)), (6, 4.0, Some(Shift::Down)), (4, 4.0, None), (100, 6.0, Some(Shift::Down))]
        {
            server.say::<()>(&["DEL", RATE]);
            server.say::<()>(&["HSET", LIMIT, "current", &stored.to_string()]);
            pass_delay(&server);
            assert_eq!(count(&store, rate).await, (limit, shift), "from {stored}");
        }
        server.say::<()>(&["HSET", LIMIT, "current", "9"]);
        pass_delay(&server);
        let few = RateCount { rate: 5.0, ..rate };
        assert_eq!(count(&store, few).await, (5.0, None), "never more than the rate, whatever it was before");
    }

    #[tokio::test]
    async fn who_only_asks_changes_nothing() {
        let (server, smoothing) = (RedisServer::start(), smoothing());
        let (store, rate) = (store(&server), rate(&smoothing));
        let ask = RateCount { dry_run: true, ..rate };
        assert_eq!(count(&store, ask).await, (4.0, None));
        assert_eq!(server.say::<i64>(&["EXISTS", LIMIT]), 0);
        server.say::<()>(&["HSET", LIMIT, "current", "9"]);
        pass_delay(&server);
        assert_eq!(count(&store, ask).await, (9.0, None));
        assert_eq!(count(&store, rate).await, (6.0, Some(Shift::Down)));
    }

    #[tokio::test]
    async fn what_the_limit_refuses_costs_no_quota() {
        let (server, smoothing) = (RedisServer::start(), smoothing());
        let store = store(&server);
        let quota = QuotaCount { name: "quota-k", max: 100, renewal: 60 };
        let both = Count { rate: Some(rate(&smoothing)), quota: Some(quota) };
        let mut quotas = Vec::new();
        for _ in 0..6 {
            quotas.push(store.count(both).await.unwrap().quota.map(|quota| quota.used));
        }
        assert_eq!(quotas, [Some(1), Some(2), Some(3), Some(4), None, None]);
    }
}
