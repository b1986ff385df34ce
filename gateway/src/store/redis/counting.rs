//! Counting a request: one script does everything that one round trip can.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, Script, ServerErrorKind};

use super::plan::Connection;
use crate::store::{Count, Counted, Quota, QuotaCount, RateCount, Rated};

static RATE: LazyLock<Code> = LazyLock::new(|| {
    Code::new(concat!(include_str!("rate.lua"), "return rate(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])"))
});

static QUOTA: LazyLock<Code> =
    LazyLock::new(|| Code::new(concat!(include_str!("quota.lua"), "return quota(KEYS[1], ARGV[1])")));

static BOTH: LazyLock<Code> = LazyLock::new(|| {
    Code::new(concat!(
        include_str!("rate.lua"),
        include_str!("quota.lua"),
        "local rated = rate(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
         if rated[1] == 0 then return {rated, false} end
         return {rated, quota(KEYS[2], ARGV[6])}"
    ))
});

static WINDOW: LazyLock<Code> = LazyLock::new(|| {
    Code::new(concat!(
        include_str!("quota.lua"),
        "local window = quota(KEYS[1], ARGV[1])
         if window[1] > tonumber(ARGV[2]) then return {window, false} end
         return {window, quota(KEYS[2], ARGV[3])}"
    ))
});

type RateReply = (bool, u64, String);
type QuotaReply = (i64, i64);

/// Counts one request; in a cluster rate and quota may live on two nodes and take a round trip each.
pub(super) async fn count(count: Count<'_>, connection: &mut Connection) -> RedisResult<Counted> {
    let now = Now::read();
    match (count.rate, count.quota) {
        (Some(rate), Some(quota)) => match connection {
            Connection::Server(_) => both(rate, quota, now, connection).await,
            Connection::Cluster(_) => one_by_one(rate, quota, now, connection).await,
        },
        (Some(rate), None) => Ok(Counted { rate: Some(count_rate(rate, now, connection).await?), quota: None }),
        (None, Some(quota)) => Ok(Counted { rate: None, quota: Some(count_quota(quota, now, connection).await?) }),
        (None, None) => Ok(Counted::default()),
    }
}

async fn both(
    rate: RateCount<'_>,
    quota: QuotaCount<'_>,
    now: Now,
    connection: &mut Connection,
) -> RedisResult<Counted> {
    let arguments = |cmd: &mut Cmd| {
        cmd.arg(2).arg(rate.name).arg(quota.name);
        rate_arguments(rate, now, cmd);
        cmd.arg(quota.renewal);
    };
    let (rated, counted): (RateReply, Option<QuotaReply>) = BOTH.run(arguments, connection).await?;
    Ok(Counted { rate: Some(now.rated(rate, rated)), quota: counted.map(|counted| now.quota(counted)) })
}

async fn one_by_one(
    rate: RateCount<'_>,
    quota: QuotaCount<'_>,
    now: Now,
    connection: &mut Connection,
) -> RedisResult<Counted> {
    let rated = count_rate(rate, now, connection).await?;
    let quota = if rated.admitted { Some(count_quota(quota, now, connection).await?) } else { None };
    Ok(Counted { rate: Some(rated), quota })
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

async fn count_rate(rate: RateCount<'_>, now: Now, connection: &mut Connection) -> RedisResult<Rated> {
    let arguments = |cmd: &mut Cmd| {
        cmd.arg(1).arg(rate.name);
        rate_arguments(rate, now, cmd);
    };
    Ok(now.rated(rate, RATE.run(arguments, connection).await?))
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
        .arg(rate.rate)
        .arg(window.div_ceil(1_000_000).max(1))
        .arg(u8::from(!rate.dry_run));
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

    fn rated(self, rate: RateCount<'_>, (admitted, used, oldest): RateReply) -> Rated {
        let oldest = match oldest.parse::<f64>() {
            Ok(score) => score,
            Err(_) => self.nanoseconds() as f64,
        };
        let frees = (oldest - self.nanoseconds() as f64) / 1e9 + rate.per;
        Rated { admitted, used, frees: frees.max(0.0) }
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
