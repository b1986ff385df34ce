//! Many keys: `tests/million` runs this on folders that it keeps, in a process of its own each time.

use std::env;
use std::path::Path;
use std::time::Instant;

use super::*;
use crate::session::key::Hashing;

/// Asked for in each run.
const LOOK_UPS: usize = 100_000;

/// The session of this number, as the id extractor names it.
fn name(number: usize) -> String {
    Hashing::default().session_id("default", format!("key-{number}").as_bytes())
}

/// About 1 KiB; fresh for ever, and good for an API that does not exist.
fn session(number: usize) -> String {
    let ballast = "m".repeat(700);
    format!(
        r#"{{"rate":1000,"per":60,"quota_max":100000,"quota_renewal_rate":3600,"org_id":"default","access_rights":{{"other":{{"api_id":"other","api_name":"other","versions":["Default"]}}}},"meta_data":{{"token":"key-{number}","ballast":"{ballast}"}},"tags":["gold","europe"],"alias":"caller {number}","id_extractor_deadline":4102444800}}"#
    )
}

fn fill(folder: &Path, keys: usize) {
    let (store, begun) = (Embedded::open(folder).unwrap(), Instant::now());
    let expires = now() + 1_000_000_000;
    for number in 0..keys {
        sessions::put(&store.inner.disk, Space::Key, &name(number), session(number).as_bytes(), expires).unwrap();
        if number % 10_000 == 0 {
            store.sweep().unwrap();
        }
    }
    println!("filled with {keys} keys in {:.1} s", begun.elapsed().as_secs_f64());
}

/// Numbers all over the store, in an order that repeats itself only at its end.
fn scattered(keys: usize) -> impl Iterator<Item = usize> {
    (0..LOOK_UPS).map(move |i| i.wrapping_mul(7_368_787) % keys)
}

fn look_up(store: &Embedded, names: &[String]) -> f64 {
    let begun = Instant::now();
    for name in names {
        assert!(store.session(Space::Key, &[name]).unwrap().is_some(), "{name}");
    }
    begun.elapsed().as_secs_f64() * 1e6 / names.len() as f64
}

#[test]
#[ignore = "measures: tests/million runs it"]
fn look_ups_among_many_keys() {
    let keys = env::var("OUTRIGGER_TEST_KEYS").map_or(1000, |keys| keys.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let folder = env::var_os("OUTRIGGER_TEST_STORE").map_or(temporary.path().into(), std::path::PathBuf::from);
    if !folder.join("store").exists() {
        return fill(&folder, keys);
    }
    let begun = Instant::now();
    let store = Embedded::open(&folder).unwrap();
    let opened = begun.elapsed().as_secs_f64() * 1e3;
    let names: Vec<_> = scattered(keys).map(name).collect();
    let (first, again) = (look_up(&store, &names), look_up(&store, &names));
    println!("{keys} keys: opened in {opened:.0} ms; look-ups {first:.2} us each, again {again:.2} us");
}
