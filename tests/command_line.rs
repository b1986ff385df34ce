//! Arguments and exit codes.

use std::path::Path;
use std::process::Output;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Gateway, Process, Setup, outrigger};

async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let Output { status, stdout, stderr } =
        outrigger(arguments).current_dir(folder.path()).kill_on_drop(true).output().await.unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn the_version_is_one_line_on_standard_output() {
    let version = concat!("outrigger ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run(&["--version"]).await, (Some(0), version.to_owned(), String::new()));
}

#[tokio::test]
async fn the_help_names_what_a_user_may_type_and_nothing_hidden() {
    let (code, stdout, _) = run(&["--help"]).await;

    assert_eq!(code, Some(0));
    for word in ["--conf", "--port", "demo", "healthcheck", "--version"] {
        assert!(stdout.contains(word), "no {word} in:\n{stdout}");
    }
    assert!(!stdout.contains("demo-plugin") && !stdout.contains("demo-upstream"), "{stdout}");
}

#[tokio::test]
async fn bad_usage_exits_with_64() {
    for arguments in [
        ["--no-such-flag"].as_slice(),
        &["no-such-command"],
        &["--port", "http"],
        &["--conf"],
        &["healthcheck", "--url", "ftp://host/"],
        &["healthcheck", "--port", "8080"],
    ] {
        let (code, stdout, stderr) = run(arguments).await;
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains("--help"), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn a_missing_configuration_file_is_told_with_its_place() {
    let (code, _, stderr) = run(&["--conf", "nowhere/tyk.conf"]).await;

    assert_eq!(code, Some(64));
    assert!(stderr.contains("nowhere/tyk.conf: "), "{stderr}");
}

#[tokio::test]
async fn without_a_file_anywhere_the_places_looked_at_are_named() {
    assert!(!Path::new("/etc/tyk/tyk.conf").exists(), "this machine has a file that the gateway would run on");
    let (code, _, stderr) = run(&[]).await;

    assert_eq!(code, Some(64));
    assert!(stderr.contains("tyk.conf, /etc/tyk/tyk.conf") && stderr.contains("--conf"), "{stderr}");
}

#[tokio::test]
async fn a_port_in_use_is_an_error_of_this_run_and_not_of_the_configuration() {
    let first = Gateway::start(Setup::new()).await;
    let port = first.address.port();

    let (code, said) = Gateway::refused(Setup::new().conf(json!({"listen_port": port}))).await;

    assert_eq!(code, 1);
    assert!(said.contains(&format!("127.0.0.1:{port} is in use")) && said.contains("--port"), "{said}");
    let (_, said) = Gateway::refused(Setup::new().conf(json!({"control_api_port": port}))).await;
    assert!(said.contains(&format!("127.0.0.1:{port} is in use")) && said.contains("control_api_port"), "{said}");
}

#[tokio::test]
async fn a_hang_up_during_the_start_is_a_reload_after_it() {
    let folder = Setup::new().write();
    let mut command = outrigger(&["--conf", "tyk.conf"]);
    command.current_dir(folder.path());
    let process = Process::start("outrigger", command);
    process.says("configuration loaded").await;

    process.tell(Signal::HUP);

    process.says("\"listening\"").await;
    process.says_times(2, "API definitions loaded").await;
}

#[tokio::test]
async fn start_is_the_same_as_no_command() {
    for arguments in [&["start", "--conf", "nowhere/tyk.conf"][..], &["--conf", "nowhere/tyk.conf", "start"]] {
        let (code, _, stderr) = run(arguments).await;
        assert_eq!(code, Some(64));
        assert!(stderr.contains("nowhere/tyk.conf: "), "{stderr}");
    }
}

#[tokio::test]
async fn the_health_check_exits_with_0_only_where_a_gateway_says_that_it_is_well() {
    let gateway = Gateway::start(Setup::new()).await;
    let url = |path| format!("http://{}{path}", gateway.address);

    let (code, stdout, stderr) = run(&["healthcheck", "--url", &url("/hello")]).await;
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));

    let (code, _, stderr) = run(&["healthcheck", "--url", &url("/no-such-api")]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("/no-such-api answered 404"), "{stderr}");
}
