//! The store as a whole.

use std::fs;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;

use tempfile::TempDir;

use super::super::{QuotaCount, RateCount};
use super::entry::Table;
use super::*;

const NOW: u64 = 1_700_000_000_000;

fn new() -> (TempDir, Embedded) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    (folder, store)
}

fn open(folder: &Path) -> Embedded {
    Embedded::open(folder).unwrap()
}

/// What becomes of it, on a runtime like a worker's.
fn wait<T>(outcome: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(outcome)
}

fn quota(name: &str, renewal: i64) -> Count<'_> {
    Count { quota: Some(QuotaCount { name, max: 5, renewal }), rate: None }
}

fn used(store: &Embedded, name: &str) -> Option<i64> {
    store.quotas(&[name]).unwrap()[0].map(|quota| quota.used)
}

/// What a sweep of this time leaves on the disk.
fn swept(store: &Embedded, now: u64) -> (usize, usize) {
    store.inner.sweep(now).unwrap();
    let disk = &store.inner.disk;
    let entries = Table::ALL.map(|table| disk.names(table, "", 1).unwrap().len());
    (entries.iter().sum(), disk.due(0, u64::MAX - 1, usize::MAX).unwrap().len())
}

#[test]
fn certificates_outlive_the_process_and_are_apart_from_sessions() {
    let (folder, store) = new();
    let [one, two] = ["1", "2"].map(|digit| format!("org{}", digit.repeat(64)));
    assert!(wait(store.add_certificate(&one, "PEM")).unwrap());
    assert!(!wait(store.add_certificate(&one, "other")).unwrap());
    assert!(wait(store.add_certificate(&two, "PEM 2")).unwrap());
    wait(store.put_session(Space::Key, &one, b"{}", None)).unwrap();
    drop(store);

    let store = open(folder.path());
    assert_eq!(store.certificates(&["x", &one]).unwrap(), [None, Some("PEM".to_owned())]);
    wait(store.delete_certificate(&one)).unwrap();
    wait(store.delete_certificate(&one)).unwrap();
    assert_eq!(store.certificates(&[&one]).unwrap(), [None]);
    assert!(store.session(Space::Key, &[&one]).unwrap().is_some());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(store.certificate_ids("org")).unwrap(), [two]);
    assert!(wait(store.add_certificate("", "PEM")).is_err());
}

#[test]
fn sessions_and_counters_outlive_the_process() {
    let (folder, store) = new();
    wait(store.put_session(Space::Key, "a", b"{}", None)).unwrap();
    wait(store.put_session(Space::Key, "b", b"{1}", Some(Duration::from_secs(60)))).unwrap();
    wait(store.put_session(Space::Org, "a", b"{2}", None)).unwrap();
    wait(store.put_session(Space::Key, "c", b"{}", None)).unwrap();
    assert!(wait(store.delete_session(Space::Key, "c")).unwrap());
    for _ in 0..3 {
        store.count(quota("q", 60)).unwrap();
        store.count(quota("for ever", 0)).unwrap();
    }
    let renews = store.quotas(&["q"]).unwrap();
    drop(store);

    let store = open(folder.path());
    assert_eq!(store.session(Space::Key, &["c", "b", "a"]).unwrap(), Some((1, b"{1}".to_vec())));
    assert_eq!(store.session(Space::Org, &["a"]).unwrap(), Some((0, b"{2}".to_vec())));
    assert_eq!(store.session(Space::Key, &["c", ""]).unwrap(), None);
    assert!(!wait(store.delete_session(Space::Key, "c")).unwrap());
    assert_eq!(store.quotas(&["q"]).unwrap(), renews);
    assert_eq!(store.count(quota("q", 60)).unwrap().quota.unwrap().used, 4);
    assert_eq!((used(&store, "for ever"), used(&store, "none")), (Some(3), None));
}

#[test]
fn a_change_that_waits_for_the_disk_keeps_no_worker_and_is_made_even_if_nobody_waits_for_it() {
    let (folder, store) = new();
    let put = |name| store.put_session(Space::Key, name, b"{}", None);
    let busy = store.inner.disk.begin();
    wait(async {
        let (mut awaited, mut left) = (pin!(put("a")), Box::pin(put("b")));
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(awaited.as_mut().poll(&mut nobody).is_pending());
        assert!(left.as_mut().poll(&mut nobody).is_pending());
        drop(left);
        assert_eq!(store.session(Space::Key, &["a"]).unwrap(), None);
        drop(busy);
        awaited.await.unwrap();
    });
    drop(store);
    let found = open(folder.path()).session(Space::Key, &["b"]).unwrap();
    assert_eq!(found, Some((0, b"{}".to_vec())));
}

#[test]
fn a_session_that_is_stored_already_waits_for_no_change() {
    let (_folder, store) = new();
    let put = |json: &'static [u8]| store.put_session(Space::Key, "a", json, None);
    wait(put(b"{}")).unwrap();
    let busy = store.inner.disk.begin();
    let mut nobody = Context::from_waker(Waker::noop());
    assert!(pin!(put(b"{}")).poll(&mut nobody).is_ready());
    let mut other = Box::pin(put(b"{1}"));
    assert!(other.as_mut().poll(&mut nobody).is_pending());
    drop(busy);
    wait(other).unwrap();
    assert_eq!(store.session(Space::Key, &["a"]).unwrap(), Some((0, b"{1}".to_vec())));
}

#[test]
fn lifetimes_end_with_a_second_and_no_sooner_than_they_should() {
    let end = |milliseconds, now| sessions::end(Some(Duration::from_millis(milliseconds)), now);
    assert_eq!((end(9000, NOW), end(9000, NOW + 1), end(1, NOW)), (NOW + 9000, NOW + 10_000, NOW + 1000));
    assert_eq!((end(u64::MAX, NOW), sessions::end(None, NOW)), (u64::MAX, 0));
}

#[test]
fn sessions_are_listed_by_prefix_and_without_the_expired() {
    let (_folder, store) = new();
    for name in ["org1a", "org1b", "org2a"] {
        wait(store.put_session(Space::Key, name, b"{}", Some(Duration::from_secs(9)))).unwrap();
    }
    sessions::put(&store.inner.disk, Space::Key, "org1c", b"{}", now() - 1).unwrap();

    assert_eq!(wait(store.sessions(Space::Key, "org1")).unwrap(), ["org1a", "org1b"]);
    assert_eq!(wait(store.sessions(Space::Key, "")).unwrap().len(), 3);
    assert_eq!(wait(store.sessions(Space::Org, "")).unwrap(), [""; 0]);
}

#[test]
fn an_expired_session_is_gone_at_once_and_swept_later() {
    let (_folder, store) = new();
    let disk = &store.inner.disk;
    sessions::put(disk, Space::Key, "a", b"{}", NOW + 10).unwrap();
    sessions::put(disk, Space::Key, "b", b"{}", 0).unwrap();

    let seen = |now| sessions::first(disk, Space::Key, &["a"], now).unwrap().is_some();
    assert!(seen(NOW + 9) && !seen(NOW + 10));
    sessions::touch(disk, Space::Key, "a", NOW + 99, NOW + 10).unwrap();
    assert!(!seen(NOW + 10), "touching revives nothing");
    assert_eq!(swept(&store, NOW + 9), (2, 1));
    assert_eq!(swept(&store, NOW + 10), (1, 0));
}

#[test]
fn a_session_that_is_prolonged_outlives_its_place_on_the_due_list() {
    let (_folder, store) = new();
    let disk = &store.inner.disk;
    sessions::put(disk, Space::Key, "touched", b"{}", NOW + 10).unwrap();
    sessions::touch(disk, Space::Key, "touched", NOW + 50, NOW).unwrap();
    sessions::put(disk, Space::Key, "put anew", b"{}", NOW + 10).unwrap();
    sessions::put(disk, Space::Key, "put anew", b"{}", NOW + 60).unwrap();
    sessions::put(disk, Space::Key, "shortened", b"{}", NOW + 90).unwrap();
    sessions::put(disk, Space::Key, "shortened", b"{}", NOW + 10).unwrap();
    sessions::put(disk, Space::Key, "kept", b"{}", NOW + 10).unwrap();
    sessions::put(disk, Space::Key, "kept", b"{}", 0).unwrap();
    sessions::put(disk, Space::Org, "deleted", b"{}", NOW + 10).unwrap();
    sessions::delete(disk, Space::Org, "deleted", NOW).unwrap();

    for (now, left) in [(9, (4, 3)), (10, (3, 2)), (50, (2, 1)), (60, (1, 0))] {
        assert_eq!(swept(&store, NOW + now), left, "at {now}");
    }
    assert!(sessions::first(disk, Space::Key, &["kept"], NOW + 99).unwrap().is_some());
}

#[test]
fn a_sweep_goes_on_where_the_last_one_had_enough() {
    let (_folder, store) = new();
    for i in 0..20_000 {
        sessions::put(&store.inner.disk, Space::Key, &i.to_string(), b"{}", NOW).unwrap();
    }
    assert_eq!(swept(&store, NOW), (20_000 - 64 * 256, 20_000 - 64 * 256));
    assert_eq!(swept(&store, NOW), (0, 0));
}

#[test]
fn a_counter_renews_around_sweeps_and_leaves_nothing_behind() {
    let (_folder, store) = new();
    let Inner { disk, counters, .. } = &*store.inner;
    let count = |now| counters.count(disk, &QuotaCount { name: "q", max: 5, renewal: 1 }, now).unwrap().used;

    assert_eq!((count(NOW), count(NOW)), (1, 2));
    assert_eq!(swept(&store, NOW), (1, 1));
    assert_eq!(count(NOW + 1000), 1, "renewed before it was swept");
    assert_eq!(swept(&store, NOW + 1000), (1, 1));
    assert_eq!(swept(&store, NOW + 1999), (1, 1));
    assert_eq!(count(NOW + 1999), 2);
    assert_eq!(swept(&store, NOW + 2000), (0, 0));
    assert_eq!(count(NOW + 2000), 1, "renewed after it was swept");
    assert_eq!(swept(&store, NOW + 2000), (1, 1));
    assert_eq!(swept(&store, NOW + 3000), (0, 0));
}

#[test]
fn idle_counters_leave_memory_but_not_the_disk() {
    let (_folder, store) = new();
    let Inner { disk, counters, .. } = &*store.inner;
    let count = |now| counters.count(disk, &QuotaCount { name: "q", max: 5, renewal: 0 }, now).unwrap().used;
    let tidy = |since| (0..64).for_each(|turn| counters.tidy(turn, since));

    count(NOW);
    tidy(NOW);
    assert_eq!(count(NOW + 1), 2, "dirty ones stay");
    counters.write(disk).unwrap();
    tidy(NOW + 1);
    assert_eq!(counters.stands(disk, "q", NOW).unwrap().unwrap().used, 2);
    assert_eq!(count(NOW + 2), 3);
}

#[test]
fn reset_forgets_counters_and_logs_for_good() {
    let (folder, store) = new();
    let limit = RateCount { name: "r", rate: 1.0, per: 60.0, dry_run: false, smoothing: None };
    let both = Count { rate: Some(limit), ..quota("q", 60) };
    let first = store.count(both).unwrap();
    assert!(first.rate.unwrap().admitted);
    assert_eq!(first.quota.unwrap().used, 1);
    let second = store.count(both).unwrap();
    assert_eq!((second.rate.unwrap().admitted, second.quota), (false, None));
    store.sweep().unwrap();

    store.count(quota("q", 60)).unwrap();
    wait(store.reset(&["q".into(), "q".into(), "r".into(), "unknown".into()])).unwrap();
    assert_eq!(used(&store, "q"), None);
    let again = store.count(both).unwrap();
    assert_eq!((again.rate, again.quota.unwrap().used), (first.rate, 1));
    store.sweep().unwrap();
    wait(store.reset(&["q".into()])).unwrap();
    drop(store);
    assert_eq!(used(&open(folder.path()), "q"), None);
}

#[test]
fn threads_that_count_at_once_get_exactly_what_there_is() {
    const EACH: usize = 2000;
    let (_folder, store) = new();
    let count = |store: &Embedded| {
        let limit = RateCount { name: "r", rate: 5000.0, per: 600.0, dry_run: false, smoothing: None };
        let counted = (0..EACH).map(|_| store.count(Count { rate: Some(limit), ..quota("q", 600) }).unwrap());
        let admitted =
            counted.filter(|counted| counted.rate.unwrap().admitted).map(|counted| counted.quota.unwrap().used);
        admitted.collect::<Vec<_>>()
    };
    let sweeps = |store: &Embedded| (0..20).for_each(|_| store.sweep().unwrap());
    let mut used = thread::scope(|scope| {
        let counting: Vec<_> = (0..8).map(|_| scope.spawn(|| count(&store))).collect();
        scope.spawn(|| sweeps(&store));
        counting.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    used.sort_unstable();
    assert_eq!(used, (1..=5000).collect::<Vec<_>>());
}

#[test]
fn a_deleted_session_is_not_revived_by_those_who_touch_it() {
    let (_folder, store) = new();
    let disk = &store.inner.disk;
    for _ in 0..200 {
        sessions::put(disk, Space::Key, "a", b"{}", 0).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| sessions::touch(disk, Space::Key, "a", NOW + 9, NOW).unwrap());
            scope.spawn(|| sessions::delete(disk, Space::Key, "a", NOW).unwrap());
        });
        assert_eq!(store.session(Space::Key, &["a"]).unwrap(), None);
    }
}

#[test]
fn names_that_the_database_cannot_hold_are_refused() {
    let (_folder, store) = new();
    for name in ["", &"n".repeat(70_000)] {
        let refusal = wait(store.put_session(Space::Key, name, b"{}", None)).unwrap_err();
        assert!(refusal.reason.ends_with("it must have 1 to 60000"), "{refusal}");
        assert_eq!(store.session(Space::Key, &[name]).unwrap(), None);
        assert!(!wait(store.delete_session(Space::Key, name)).unwrap());
        assert!(store.count(quota(name, 1)).is_err());
    }
    wait(store.put_session(Space::Key, &"n".repeat(60_000), b"{}", Some(Duration::from_secs(9)))).unwrap();
    store.sweep().unwrap();
}

fn refusal(folder: &Path) -> String {
    Embedded::open(folder).err().map(|refusal| refusal.to_string()).unwrap_or_default()
}

#[test]
fn a_folder_that_another_has_open_is_refused() {
    let (folder, store) = new();
    let expected = format!("the store at {}: another process has it open", folder.path().display());
    assert!(refusal(folder.path()).starts_with(&expected), "{}", refusal(folder.path()));
    drop(store);
    assert_eq!(refusal(folder.path()), "");
}

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let said = refusal(&file.path().join("data"));
    assert!(said.contains("/data: ") && said.contains("check that this user may read and write it"), "{said}");
}

#[test]
fn a_start_that_was_killed_is_made_good_and_a_damaged_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("unfinished/keyspaces")).unwrap();
    fs::write(folder.path().join("unfinished/0.jnl"), b"").unwrap();
    drop(open(folder.path()));

    let store = folder.path().join("store");
    fs::write(store.join("version"), b"?").unwrap();
    assert!(refusal(folder.path()).contains("use the version that made it"), "{}", refusal(folder.path()));
    fs::remove_file(store.join("version")).unwrap();
    assert!(refusal(folder.path()).contains("damaged (store/version is missing): restore a backup"));
}
