//! A Redis of the test's own.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use redis::{Cmd, FromRedisValue};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::until;

/// A server on a free port of loopback, without persistence; it ends when dropped.
pub struct Redis {
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Redis {
    pub async fn start() -> Self {
        let mut redis = Self { port: port(), folder: tempfile::tempdir().unwrap(), process: None };
        redis.start_again().await;
        redis
    }

    pub async fn start_again(&mut self) {
        let mut command = Command::new("redis-server");
        command.current_dir(self.folder.path()).stdout(Stdio::null());
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &self.port.to_string()]);
        self.process = Some(command.spawn().expect("redis-server is installed (apt-get install redis-server)"));
        until("Redis", async || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()).await;
    }

    /// Ends it as a crash does; what it held is gone.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("Redis runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// What `tyk.conf` says to use it.
    pub fn conf(&self) -> Value {
        json!({"storage": {"type": "redis", "host": "127.0.0.1", "port": self.port}})
    }

    /// Says something to it past the gateway.
    pub fn say<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(("127.0.0.1", self.port)).unwrap();
        let mut command = Cmd::new();
        command.arg(words);
        command.query(&mut client.get_connection().unwrap()).unwrap()
    }
}

/// A free port that the system gives to nobody who asks for any: between our look and the server's
/// start it would be another test's.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 10_000).unwrap();
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let ports = std::iter::repeat_with(|| 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000);
    ports.take(12_000).find(free).expect("a port is free")
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop();
        }
    }
}
