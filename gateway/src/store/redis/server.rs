//! A Redis of a test's own, on a free port of the loopback interface.
#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::{Cmd, FromRedisValue};
use tempfile::TempDir;

use crate::config::{self, Server, Servers};

/// It ends when dropped.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(free_port(), &[])
    }

    pub(crate) fn start_with(port: u16, options: &[&str]) -> Self {
        let port_text = port.to_string();
        let arguments = [&["--bind", "127.0.0.1", "--save", "", "--port", &port_text], options].concat();
        Self::run(port, TempDir::new().unwrap(), arguments.into_iter().map(str::to_owned).collect())
    }

    /// A sentinel with these settings.
    pub(crate) fn start_sentinel(settings: &str) -> Self {
        let port = free_port();
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, format!("bind 127.0.0.1\nport {port}\n{settings}")).unwrap();
        Self::run(port, folder, vec![file.display().to_string(), "--sentinel".to_owned()])
    }

    fn run(port: u16, folder: TempDir, arguments: Vec<String>) -> Self {
        let mut server = Self { port, folder, arguments, process: None };
        server.restart();
        server
    }

    pub(crate) fn restart(&mut self) {
        let mut command = Command::new("redis-server");
        command.current_dir(self.folder.path()).args(&self.arguments).stdout(Stdio::null());
        let process = command.spawn().expect("redis-server must be installed: apt-get install redis-server");
        self.process = Some(process);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.listens() {
            assert!(Instant::now() < deadline, "redis-server does not listen on {}", self.port);
            sleep(Duration::from_millis(5));
        }
    }

    fn listens(&self) -> bool {
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    pub(crate) fn address(&self) -> Server {
        Server { host: "127.0.0.1".to_owned(), port: self.port }
    }

    /// A configuration that leads here.
    pub(crate) fn config(&self) -> config::Redis {
        of(Servers::Single(self.address()))
    }

    /// Says something to the server by other means than those under test.
    pub(crate) fn say<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut cmd = Cmd::new();
        cmd.arg(words);
        cmd.query(&mut self.connection()).unwrap()
    }

    pub(crate) fn connection(&self) -> redis::Connection {
        redis::Client::open(("127.0.0.1", self.port)).unwrap().get_connection().unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn of(servers: Servers) -> config::Redis {
    let timeout = Duration::from_secs(2);
    config::Redis { servers, username: None, password: None, database: 0, timeout, tls: None }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
