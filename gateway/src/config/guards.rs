//! What clients may use up: time, memory, connections.

use std::time::Duration;

use super::written::HttpServerOptions;
use super::{ConfigError, Origins};
use crate::json::short;

/// What clients may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guards {
    /// How long a request's head may take from its first byte.
    pub head_time: Duration,
    /// How long nothing may come of a request's body that is wanted.
    pub read_time: Duration,
    /// How long a client may take nothing of an answer.
    pub write_time: Duration,
    /// How long a connection may be without a request.
    pub idle_time: Duration,
    /// The largest head of a request, and the most of an answer that waits for the client, in bytes.
    pub head_size: usize,
    /// The most headers of a request.
    pub headers: usize,
    /// The most connections; half the files that the process may open unless said.
    pub connections: Option<usize>,
    /// The most connections of one address.
    pub connections_per_address: Option<usize>,
    /// The most requests that are open on one HTTP/2 connection.
    pub streams: u32,
    /// How many more requests a client may take back than it lets be answered, on one HTTP/2 connection.
    pub resets: u32,
    /// The most bytes of bodies that are held in memory, over all requests.
    pub held: usize,
}

const SECTION: &str = "http_server_options";
/// What the HTTP/1.1 codec needs at least.
const SMALLEST_HEAD: i64 = 8 << 10;

pub(super) fn guards(written: &HttpServerOptions, origins: &Origins<'_>) -> Result<Guards, ConfigError> {
    let check = Check { origins };
    let read_time = check.seconds("read_timeout", written.read_timeout, Duration::from_secs(120))?;
    let head_size = written.max_header_bytes;
    if (1..SMALLEST_HEAD).contains(&head_size) {
        return check.refuse("max_header_bytes", head_size, "write 8192 or more; 0 means 65536");
    }
    Ok(Guards {
        head_time: check.seconds("read_header_timeout", written.read_header_timeout, Duration::from_secs(30))?,
        read_time,
        write_time: check.seconds("write_timeout", written.write_timeout, Duration::from_secs(120))?,
        idle_time: check.seconds("idle_timeout", written.idle_timeout, read_time)?,
        head_size: check.count("max_header_bytes", head_size)?.unwrap_or(64 << 10),
        headers: check.count("max_headers", written.max_headers)?.unwrap_or(100),
        connections: check.count("max_connections", written.max_connections)?,
        connections_per_address: check.count("max_connections_per_address", written.max_connections_per_address)?,
        streams: check.count("http2_max_concurrent_streams", written.http2_max_concurrent_streams)?.unwrap_or(250),
        resets: check.count("http2_max_resets", written.http2_max_resets)?.unwrap_or(100),
        held: check.count("max_buffered_bytes", written.max_buffered_bytes)?.unwrap_or(512 << 20),
    })
}

struct Check<'a> {
    origins: &'a Origins<'a>,
}

impl Check<'_> {
    fn refuse<T>(&self, key: &str, value: i64, remedy: &str) -> Result<T, ConfigError> {
        Err(self.origins.unusable(&format!("{SECTION}.{key}"), short(&value.into()), remedy.to_owned()))
    }

    fn seconds(&self, key: &str, written: i64, otherwise: Duration) -> Result<Duration, ConfigError> {
        match u64::try_from(written) {
            Ok(0) => Ok(otherwise),
            Ok(seconds) => Ok(Duration::from_secs(seconds)),
            Err(_) => self.refuse(key, written, "write a number of seconds from 0"),
        }
    }

    /// None is what is not said, or 0.
    fn count<T: TryFrom<i64>>(&self, key: &str, written: i64) -> Result<Option<T>, ConfigError> {
        match T::try_from(written) {
            Ok(count) => Ok(Some(count).filter(|_| written != 0)),
            Err(_) => self.refuse(key, written, "write a whole number from 0; 0 means the default"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(change: impl FnOnce(&mut HttpServerOptions)) -> Result<Guards, String> {
        let mut written = HttpServerOptions::default();
        change(&mut written);
        guards(&written, &Origins { file: None, variables: &BTreeMap::new() }).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let guards = read(|_| {}).unwrap();
        let seconds =
            [guards.head_time, guards.read_time, guards.write_time, guards.idle_time].map(|time| time.as_secs());
        assert_eq!(seconds, [30, 120, 120, 120]);
        assert_eq!((guards.head_size, guards.headers, guards.held), (65536, 100, 512 << 20));
        assert_eq!((guards.connections, guards.connections_per_address), (None, None));
        assert_eq!((guards.streams, guards.resets), (250, 100));
        assert_eq!(read(|written| written.read_timeout = 7).unwrap().idle_time.as_secs(), 7);
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        let negative = read(|written| written.max_connections = -1).unwrap_err();
        assert!(negative.contains("http_server_options.max_connections is -1: write a whole number"), "{negative}");
        let small = read(|written| written.max_header_bytes = 100).unwrap_err();
        assert!(small.contains("http_server_options.max_header_bytes is 100: write 8192 or more"), "{small}");
        assert!(read(|written| written.http2_max_resets = 1 << 40).is_err());
    }
}
