//! Watched files: what changes is served without anybody asking for it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Gateway, Setup, Upstream, api, until};

const HELD_BACK: &str = "a change is not loaded, what was served is served on";
const LOADED: &str = "are loaded anew";

/// A keyless API on `/name/`, as its file holds it.
fn definition(name: &str, upstream: &Upstream) -> String {
    api(upstream).named(name).document(|_| String::new()).to_string()
}

async fn watching(apps: &Path, conf: Value) -> Gateway {
    Gateway::start(Setup::new().conf(json!({"app_path": apps, "watch_files": true})).conf(conf)).await
}

async fn served(gateway: &Gateway, path: &str) {
    until(&format!("{path} to be served"), async || gateway.get(path).await.status() == 200).await;
}

#[tokio::test]
async fn what_changes_is_served_and_a_broken_file_changes_nothing_until_it_is_whole() {
    let (upstream, apps) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let write = |file: &str, text: &str| fs::write(apps.path().join(file), text).unwrap();
    write("first.json", &definition("first", &upstream));
    let gateway = watching(apps.path(), json!({})).await;
    served(&gateway, "/first/").await;

    write("second.json", &definition("second", &upstream));
    served(&gateway, "/second/").await;

    let whole = definition("third", &upstream);
    write("first.json", &whole[..whole.len() / 2]);
    let held_back = gateway.process.says(HELD_BACK).await;
    assert!(held_back.contains("first.json: line 1, column "), "{held_back}");
    fs::remove_file(apps.path().join("second.json")).unwrap();
    assert_eq!([gateway.get("/first/").await.status(), gateway.get("/second/").await.status()], [200, 200]);

    // As editors do it: another file is put in its place.
    write("first.json~", &whole);
    fs::rename(apps.path().join("first.json~"), apps.path().join("first.json")).unwrap();
    served(&gateway, "/third/").await;
    assert_eq!([gateway.get("/first/").await.status(), gateway.get("/second/").await.status()], [404, 404]);
}

#[tokio::test]
async fn a_folder_may_change_as_kubernetes_does_it_or_be_replaced_as_a_whole() {
    let (upstream, volume) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let at = |path: &str| volume.path().join(path);
    let fill = |folder: &str, name: &str| {
        fs::create_dir_all(at(folder)).unwrap();
        fs::write(at(folder).join("api.json"), definition(name, &upstream)).unwrap();
    };
    fill("apps/..1", "first");
    symlink("..1", at("apps/..data")).unwrap();
    symlink("..data/api.json", at("apps/api.json")).unwrap();
    let gateway = watching(&at("apps"), json!({})).await;
    served(&gateway, "/first/").await;

    fill("apps/..2", "second");
    symlink("..2", at("apps/..next")).unwrap();
    fs::rename(at("apps/..next"), at("apps/..data")).unwrap();
    served(&gateway, "/second/").await;

    fill("other", "third");
    fs::rename(at("apps"), at("away")).unwrap();
    fs::rename(at("other"), at("apps")).unwrap();
    served(&gateway, "/third/").await;
    fs::write(at("apps/api.json"), definition("fourth", &upstream)).unwrap();
    served(&gateway, "/fourth/").await;
}

#[tokio::test]
async fn changed_policies_are_loaded_and_files_beside_them_are_none() {
    let (apps, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let record = other.path().join("policies.json");
    fs::write(&record, "{}").unwrap();
    let gateway = watching(apps.path(), json!({"policies": {"policy_record_name": record}})).await;

    fs::write(&record, r#"{"gold": 5}"#).unwrap();
    gateway.process.says("sessions that name this policy are refused").await;
    gateway.process.says_times(1, LOADED).await;

    // What is not read counts for nothing, nor does what was read before.
    fs::write(other.path().join("notes.txt"), "gold").unwrap();
    fs::write(apps.path().join("notes.txt"), "gold").unwrap();
    fs::write(&record, r#"{"gold": 5}"#).unwrap();
    fs::write(&record, r#"{"gold": {"org_id": "default"}, "silver": {"org_id": "default"}}"#).unwrap();
    assert_eq!(gateway.process.says_times(2, LOADED).await.len(), 2);
}
