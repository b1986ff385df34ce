//! `outrigger demo`: what a newcomer sees first.

use std::net::{SocketAddr, TcpListener};

use bytes::Bytes;
use http_body_util::Full;
use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::harness::{Answer, Connection, Process, outrigger, request};

async fn demo() -> Process {
    let demo = Process::start("the demo", outrigger(&["demo", "--port", "0"]));
    demo.says("Ctrl-C ends everything").await;
    demo
}

/// Does what a shell does with `  curl -i URL -H 'NAME: VALUE'`.
async fn paste(line: &str) -> Answer {
    let rest = line.strip_prefix("  curl -i http://").expect("it is a curl line");
    let (url, headers) = rest.split_once(' ').unwrap_or((rest, ""));
    let (address, path) = url.split_once('/').unwrap();
    let mut request = request("GET", &format!("/{path}"));
    if let Some(header) = headers.strip_prefix("-H '").and_then(|rest| rest.strip_suffix('\'')) {
        let (name, value) = header.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let mut connection = Connection::open(address.parse().unwrap()).await.unwrap();
    connection.send(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_printed_calls_do_what_is_printed_above_them() {
    let demo = demo().await;
    let calls: Vec<_> = demo.lines().into_iter().filter(|line| line.contains("curl -i")).collect();
    let [allowed, refused, answered, changed] = calls.as_slice() else { panic!("{calls:#?}") };

    let allowed = paste(allowed).await;
    assert_eq!((allowed.status(), &allowed.json()["headers"]["X-Caller"]), (200, &"Ali Baba".into()));

    let refused = paste(refused).await;
    assert_eq!((refused.status(), refused.error()), (401, "the key is open-sesame".to_owned()));

    let answered = paste(answered).await;
    assert_eq!((answered.status(), answered.error()), (418, "short and stout".to_owned()));

    let changed = paste(changed).await;
    assert_eq!((changed.status(), &changed.json()["added"]), (200, &"by a Response hook".into()));
}

#[tokio::test]
async fn each_hook_call_leaves_a_line_with_hook_server_time_and_change() {
    let demo = demo().await;
    let calls: Vec<_> = demo.lines().into_iter().filter(|line| line.contains("curl -i")).collect();
    paste(&calls[0]).await;

    for (hook, change) in [
        ("DemoPre", "set header X-Demo"),
        ("DemoAuth", "returned a session"),
        ("DemoPostKeyAuth", "set header X-Caller"),
        ("DemoPost", "from"),
        ("DemoResponse", "nothing"),
    ] {
        let line = demo.says(&format!(" {hook} ")).await;
        let (_, told) = line.split_once(" on default: ").unwrap_or_else(|| panic!("no server in {line:?}"));
        let (took, changed) = told.split_once(" ms, ").unwrap_or_else(|| panic!("no time in {line:?}"));
        assert!(took.trim().parse::<f64>().unwrap() > 0.0, "{line:?}");
        assert!(changed.contains(change), "{line:?}");
    }
}

#[tokio::test]
async fn the_second_call_of_a_caller_makes_no_auth_call_and_says_so() {
    let demo = demo().await;
    let calls: Vec<_> = demo.lines().into_iter().filter(|line| line.contains("curl -i")).collect();
    for _ in 0..2 {
        assert_eq!(paste(&calls[0]).await.status(), 200);
    }

    demo.says("DemoAuth        not called: the session cache answers (hit)").await;
    let asked = demo.lines().iter().filter(|line| line.contains(" DemoAuth ") && line.contains(" ms, ")).count();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn the_plugin_server_is_another_process_and_ends_with_the_demo() {
    let mut demo = demo().await;
    let line = demo.says("its plugin server is another process").await;
    let (_, plugin) = line.trim_end_matches('.').rsplit_once("tcp://").unwrap();
    let plugin: SocketAddr = plugin.parse().unwrap();
    assert!(TcpStream::connect(plugin).await.is_ok());
    assert_eq!(children(demo.id()).len(), 1);

    demo.tell(Signal::INT);

    assert_eq!(demo.end().await.code(), Some(0));
    assert!(TcpStream::connect(plugin).await.is_err());
}

fn children(parent: u32) -> Vec<u32> {
    let wanted = format!("PPid:\t{parent}\n");
    let ids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    ids.filter(|id: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status"));
        status.is_ok_and(|status| status.contains(&wanted))
    })
    .collect()
}

#[tokio::test]
async fn a_taken_port_gives_an_error_that_names_the_flag_for_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut demo = Process::start("the demo", outrigger(&["demo", "--port", &port]));

    assert_eq!(demo.end().await.code(), Some(1));
    let line = demo.says("in use").await;
    assert!(line.contains(&format!("127.0.0.1:{port}")) && line.contains("--port"), "{line}");
}
