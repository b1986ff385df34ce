//! A child process: what it says, how it is told to end, and how it ends.

use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::within;

/// A process of ours, gone with this value; a failing test prints what it said.
pub struct Process {
    name: String,
    child: Child,
    said: watch::Receiver<Vec<String>>,
}

impl Process {
    pub fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let (say, said) = watch::channel(Vec::new());
        tokio::spawn(hear(child.stdout.take().unwrap(), say.clone()));
        tokio::spawn(hear(child.stderr.take().unwrap(), say));
        Self { name: name.to_owned(), child, said }
    }

    /// Every line so far, of both its streams.
    pub fn lines(&self) -> Vec<String> {
        self.said.borrow().clone()
    }

    /// The first line that contains `text`, as soon as there is one.
    pub async fn says(&self, text: &str) -> String {
        self.says_times(1, text).await.remove(0)
    }

    /// The lines that contain `text`, as soon as there are `count`.
    pub async fn says_times(&self, count: usize, text: &str) -> Vec<String> {
        let chosen = |lines: &Vec<String>| lines.iter().filter(|line| line.contains(text)).cloned().collect::<Vec<_>>();
        let mut said = self.said.clone();
        let enough = said.wait_for(|lines| chosen(lines).len() >= count);
        match within(&format!("{text:?} from {}", self.name), enough).await {
            Ok(lines) => chosen(&lines),
            Err(_) => panic!("{} ended without saying {text:?}", self.name),
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// Its resident memory in KiB.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system tells it");
        line.trim().trim_end_matches("kB").trim().parse().unwrap()
    }

    /// How many files and sockets it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    pub fn tell(&self, signal: Signal) {
        let id = Pid::from_raw(self.id().try_into().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Waits for its end, when all has been said.
    pub async fn end(&mut self) -> ExitStatus {
        let status = within(&format!("the end of {}", self.name), self.child.wait()).await.unwrap();
        let mut said = self.said.clone();
        within("the end of its output", async { while said.changed().await.is_ok() {} }).await;
        status
    }

    /// Ends it without a warning.
    pub async fn kill(mut self) {
        within("a killed process", self.child.kill()).await.unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}\n---", self.name, self.lines().join("\n"));
        }
    }
}

async fn hear(stream: impl AsyncRead + Unpin, say: watch::Sender<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        say.send_modify(|said| said.push(line));
    }
}
