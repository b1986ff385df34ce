//! The store against real servers.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::time::{sleep, timeout};

use super::server::{RedisServer, free_port, of};
use super::*;
use crate::config::{ClientCertificate, RedisTls, Secret, Servers};
use crate::session::Smoothing;
use crate::store::{QuotaCount, RateCount, Store};

fn store(server: &RedisServer) -> Store {
    connect(&server.config())
}

fn connect(config: &config::Redis) -> Store {
    Store::Redis(Redis::new(config).unwrap())
}

fn rate(name: &str, rate: f64) -> RateCount<'_> {
    RateCount { name, rate, per: 60.0, dry_run: false, smoothing: None }
}

fn quota(name: &str, renewal: i64) -> QuotaCount<'_> {
    QuotaCount { name, max: 2, renewal }
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

/// Waits until the store answers again.
async fn recovered(store: &Store) {
    let recovery = async {
        while store.ping().await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(15), recovery).await.expect("the store recovers");
}

#[tokio::test]
async fn sessions_are_kept_where_the_original_keeps_them() {
    let server = RedisServer::start();
    let store = store(&server);
    store.put_session(Space::Key, "a", b"{\"a\":1}", seconds(100)).await.unwrap();
    store.put_session(Space::Key, "b", b"{}", None).await.unwrap();
    store.put_session(Space::Org, "o", b"{\"o\":1}", None).await.unwrap();
    assert_eq!(server.say::<String>(&["GET", "apikey-a"]), "{\"a\":1}");
    assert_eq!(server.say::<String>(&["GET", "orgkey.o"]), "{\"o\":1}");
    assert!((90..=100).contains(&server.say::<i64>(&["TTL", "apikey-a"])));
    assert_eq!(server.say::<i64>(&["TTL", "apikey-b"]), -1);

    server.say::<()>(&["SET", "apikey-empty", ""]);
    let found = |names: &'static [&'static str]| store.session(Space::Key, names);
    assert_eq!(found(&["x", "empty", "b", "a"]).await.unwrap(), Some((2, b"{}".to_vec())));
    assert_eq!(found(&["a"]).await.unwrap(), Some((0, b"{\"a\":1}".to_vec())));
    assert_eq!(found(&["x"]).await.unwrap(), None);
    assert_eq!(found(&[]).await.unwrap(), None);

    store.touch_session(Space::Key, "a", seconds(500)).await.unwrap();
    assert!((490..=500).contains(&server.say::<i64>(&["TTL", "apikey-a"])));
    store.touch_session(Space::Key, "a", None).await.unwrap();
    assert_eq!(server.say::<i64>(&["TTL", "apikey-a"]), -1);
    store.touch_session(Space::Key, "x", seconds(5)).await.unwrap();
    assert_eq!(found(&["x"]).await.unwrap(), None);

    assert!(store.delete_session(Space::Key, "a").await.unwrap());
    assert!(!store.delete_session(Space::Key, "a").await.unwrap());
}

#[tokio::test]
async fn certificates_are_kept_where_the_original_keeps_them() {
    let server = RedisServer::start();
    let store = store(&server);
    let [one, two] = ["1", "2"].map(|digit| format!("org{}", digit.repeat(64)));
    assert!(store.add_certificate(&one, "PEM").await.unwrap());
    assert!(!store.add_certificate(&one, "other").await.unwrap());
    assert!(store.add_certificate(&two, "PEM 2").await.unwrap());
    assert_eq!(server.say::<String>(&["GET", &format!("cert-raw-{one}")]), "PEM");
    let index = || server.say::<Vec<String>>(&["LRANGE", "cert-org-index", "0", "-1"]);
    assert_eq!(index(), [format!("raw-{one}"), format!("raw-{two}")]);

    server.say::<()>(&["SET", &format!("cert-raw-{}", "3".repeat(64)), "of nobody"]);
    assert_eq!(store.certificate_ids("").await.unwrap().len(), 3);
    assert_eq!(store.certificate_ids("org").await.unwrap(), [&*one, &two]);
    assert_eq!(store.certificate_ids("or").await.unwrap(), [""; 0]);
    let found = store.certificates(&["x", &two, &one]).await.unwrap();
    assert_eq!(found, [None, Some("PEM 2".to_owned()), Some("PEM".to_owned())]);

    store.delete_certificate(&one).await.unwrap();
    store.delete_certificate(&one).await.unwrap();
    assert_eq!((index(), store.certificates(&[&one]).await.unwrap()), (vec![format!("raw-{two}")], vec![None]));
}

#[tokio::test]
async fn sessions_are_listed_by_what_they_begin_with_and_by_nothing_else() {
    let server = RedisServer::start();
    let store = store(&server);
    for number in 0..2500 {
        store.put_session(Space::Key, &format!("org{number}"), b"{}", None).await.unwrap();
    }
    for name in ["a*b", "axb", "[a]"] {
        store.put_session(Space::Key, name, b"{}", None).await.unwrap();
    }
    store.put_session(Space::Org, "org", b"{}", None).await.unwrap();
    redis::cmd("SET").arg(b"apikey-\xff").arg("{}").exec(&mut server.connection()).unwrap();
    let listed = |prefix: &'static str| async { store.sessions(Space::Key, prefix).await.unwrap() };
    assert_eq!(listed("org").await.len(), 2500);
    assert_eq!(listed("").await.len(), 2503);
    assert_eq!(listed("a*").await, ["a*b"]);
    assert_eq!(listed("[a").await, ["[a]"]);
    assert_eq!(store.sessions(Space::Org, "").await.unwrap(), ["org"]);
}

#[tokio::test]
async fn the_rate_log_is_the_originals_and_logs_refusals_too() {
    let server = RedisServer::start();
    let store = store(&server);
    let mut count = Count { rate: Some(rate("rate-limit-k", 2.0)), quota: None };
    for (used, admitted) in [(0, true), (1, true), (2, false), (3, false)] {
        let rated = store.count(count).await.unwrap().rate.unwrap();
        assert_eq!((rated.used, rated.admitted), (used, admitted));
        assert!((55.0..=60.0).contains(&rated.frees), "{}", rated.frees);
    }
    let log: Vec<(String, f64)> = server.say(&["ZRANGE", "rate-limit-k", "0", "-1", "WITHSCORES"]);
    assert_eq!(log.len(), 4);
    for (member, score) in log {
        assert_eq!(member.len(), "1700000000000000000".len());
        assert_eq!(member.parse::<f64>().unwrap(), score);
    }
    assert!((50..=60).contains(&server.say::<i64>(&["TTL", "rate-limit-k"])));

    count.rate = Some(RateCount { dry_run: true, ..rate("rate-limit-k", 2.0) });
    assert_eq!(store.count(count).await.unwrap().rate.unwrap().used, 4);
    assert_eq!(server.say::<i64>(&["ZCARD", "rate-limit-k"]), 4);

    server.say::<()>(&["DEL", "rate-limit-k"]);
    server.say::<()>(&["ZADD", "rate-limit-k", "1000", "1000"]);
    assert_eq!(store.count(count).await.unwrap().rate.unwrap().used, 0);
    assert_eq!(server.say::<i64>(&["EXISTS", "rate-limit-k"]), 0);
}

#[tokio::test]
async fn quotas_follow_the_life_of_their_counter() {
    let server = RedisServer::start();
    let store = store(&server);
    let now = || i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let counted = async |quota| store.count(Count { rate: None, quota: Some(quota) }).await.unwrap().quota.unwrap();

    let first = counted(quota("quota-k", 100)).await;
    assert_eq!(first.used, 1);
    assert!((now() + 98..=now() + 100).contains(&first.renews));
    assert_eq!(counted(quota("quota-k", 100)).await.used, 2);
    assert_eq!(server.say::<i64>(&["GET", "quota-k"]), 2);

    server.say::<()>(&["SET", "quota-old", "7"]);
    assert_eq!(counted(quota("quota-old", 100)).await.used, 1, "a counter without a life is begun anew");
    server.say::<()>(&["SET", "quota-ever", "7"]);
    let ever = counted(quota("quota-ever", 0)).await;
    assert_eq!(ever.used, 8);
    assert!((now() - 1..=now()).contains(&ever.renews));
    assert_eq!(server.say::<i64>(&["TTL", "quota-ever"]), -1);

    let stand = store.quotas(&["quota-k", "quota-x", "quota-ever"]).await.unwrap();
    assert_eq!(stand.iter().map(|quota| quota.map(|quota| quota.used)).collect::<Vec<_>>(), [Some(2), None, Some(8)]);
    assert!(stand[0].unwrap().renews >= first.renews - 1);
    assert!(store.quotas(&[]).await.unwrap().is_empty());

    store.reset(&["quota-k".to_owned(), "quota-x".to_owned()]).await.unwrap();
    store.reset(&[]).await.unwrap();
    assert_eq!(store.quotas(&["quota-k"]).await.unwrap(), [None]);
}

#[tokio::test]
async fn a_request_that_the_rate_refuses_costs_no_quota() {
    let server = RedisServer::start();
    let store = store(&server);
    let count = Count { rate: Some(rate("rate-limit-k", 1.0)), quota: Some(quota("quota-k", 100)) };
    let passed = store.count(count).await.unwrap();
    assert!(passed.rate.unwrap().admitted);
    assert_eq!(passed.quota.unwrap().used, 1);
    let refused = store.count(count).await.unwrap();
    assert!(!refused.rate.unwrap().admitted);
    assert_eq!(refused.quota, None);
    assert_eq!(server.say::<i64>(&["GET", "quota-k"]), 1);
    assert_eq!(store.count(Count::default()).await.unwrap(), Counted::default());
}

#[tokio::test]
async fn a_window_is_a_counter_and_costs_no_quota_once_it_is_full() {
    let server = RedisServer::start();
    let store = store(&server);
    let window = QuotaCount { name: "rate-limit-k-1", max: 1, renewal: 60 };
    let used = async |quota| {
        let (window, quota) = store.count_in_window(window, quota).await.unwrap();
        (window.used, quota.map(|quota| quota.used))
    };
    let quota = Some(quota("quota-k", 100));
    assert_eq!([used(quota).await, used(quota).await], [(1, Some(1)), (2, None)]);
    assert_eq!(used(None).await, (3, None));
    assert!((1..=60).contains(&server.say::<i64>(&["TTL", "rate-limit-k-1"])));
}

/// Eight workers, each on a thread and a runtime of its own.
#[test]
fn however_many_ask_at_once_exactly_as_many_pass_as_may() {
    let server = RedisServer::start();
    let worker = || {
        let store = store(&server);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let count = Count { rate: Some(rate("rate-limit-k", 100.0)), quota: Some(quota("quota-k", 100)) };
            let mut passed = 0;
            for _ in 0..50 {
                passed += i64::from(store.count(count).await.unwrap().rate.unwrap().admitted);
            }
            passed
        })
    };
    let passed: i64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(passed, 100);
    assert_eq!(server.say::<i64>(&["GET", "quota-k"]), 100);
    assert_eq!(server.say::<i64>(&["ZCARD", "rate-limit-k"]), 400);
}

#[tokio::test]
async fn calls_fail_fast_while_the_server_is_away_and_work_again_when_it_is_back() {
    let mut server = RedisServer::start();
    let store = store(&server);
    store.ping().await.unwrap();
    server.stop();
    let begin = Instant::now();
    for _ in 0..100 {
        store.ping().await.unwrap_err();
    }
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    let error = store.session(Space::Key, &["a"]).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("the store at redis://127.0.0.1:{}: not connected: ", server.port)), "{error}");

    server.restart();
    recovered(&store).await;
    let count = Count { rate: Some(rate("r", 1.0)), quota: None };
    assert!(store.count(count).await.unwrap().rate.unwrap().admitted, "scripts are sent anew");
}

#[tokio::test]
async fn a_server_that_was_down_at_first_is_found_when_it_comes() {
    let mut server = RedisServer::start();
    server.stop();
    let store = store(&server);
    assert!(store.ping().await.unwrap_err().to_string().contains("refused"));
    server.restart();
    recovered(&store).await;
}

#[tokio::test]
async fn an_idle_connection_that_broke_is_made_anew_before_the_next_call() {
    let server = RedisServer::start();
    let store = store(&server);
    store.ping().await.unwrap();
    server.say::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    let connected = || server.say::<String>(&["CLIENT", "LIST"]).lines().count() == 2;
    timeout(Duration::from_secs(5), async {
        while !connected() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the connection is made again though nobody asks");
    // The server knows of it a moment before the store does.
    recovered(&store).await;
}

#[tokio::test]
async fn a_connection_ends_with_its_last_user() {
    let server = RedisServer::start();
    let store = store(&server);
    store.ping().await.unwrap();
    let another = store.clone();
    drop(store);
    another.ping().await.unwrap();
    drop(another);
    let closed = || server.say::<String>(&["CLIENT", "LIST"]).lines().count() == 1;
    timeout(Duration::from_secs(5), async {
        while !closed() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the connection is closed");
}

#[tokio::test]
async fn calls_can_be_spawned() {
    fn spawnable<F: Future + Send>(_: F) {}
    let server = RedisServer::start();
    let store = store(&server);
    spawnable(store.session(Space::Key, &["a"]));
    spawnable(store.put_session(Space::Key, "a", b"{}", None));
    spawnable(store.sessions(Space::Key, "a"));
    spawnable(store.count(Count { rate: Some(rate("r", 1.0)), quota: Some(quota("q", 1)) }));
    spawnable(store.quotas(&["a"]));
    spawnable(store.ping());
}

#[tokio::test]
async fn a_server_that_hangs_costs_one_timeout_and_then_nothing() {
    let server = RedisServer::start();
    let config = config::Redis { timeout: Duration::from_millis(300), ..server.config() };
    let store = connect(&config);
    store.ping().await.unwrap();
    let pid = rustix::process::Pid::from_raw(server.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let begin = Instant::now();
    assert!(store.ping().await.unwrap_err().to_string().ends_with("no answer within 0.3 s"));
    assert!(begin.elapsed() < Duration::from_millis(600));
    let begin = Instant::now();
    for _ in 0..20 {
        store.ping().await.unwrap_err();
    }
    assert!(begin.elapsed() < Duration::from_millis(150), "{:?}", begin.elapsed());
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    recovered(&store).await;
}

#[tokio::test]
async fn user_password_and_database_are_said_to_the_server() {
    let users = ["--user", "gate", "on", ">pass", "~*", "&*", "+@all", "--user", "default", "off"];
    let server = RedisServer::start_with(free_port(), &users);
    let password = Some(Secret("pass".to_owned()));
    let config = config::Redis { username: Some("gate".to_owned()), password, database: 3, ..server.config() };
    let store = connect(&config);
    store.put_session(Space::Key, "a", b"{}", None).await.unwrap();
    let wrong = connect(&config::Redis { password: Some(Secret("wrong".to_owned())), ..config.clone() });
    assert!(wrong.ping().await.unwrap_err().to_string().contains("not connected"));
    let elsewhere = connect(&config::Redis { database: 0, ..config });
    assert_eq!(elsewhere.session(Space::Key, &["a"]).await.unwrap(), None);
}

#[tokio::test]
async fn tls_shows_and_asks_for_certificates() {
    let authority = authority();
    let files = tempfile::TempDir::new().unwrap();
    let file = |name: &str, text: String| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (chain, key) = certificate("127.0.0.1", &authority);
    let (chain, key, roots) = (file("chain", chain), file("key", key), file("roots", authority.pem()));
    let port = free_port();
    let port_text = port.to_string();
    let options = ["--tls-port", &port_text, "--tls-cert-file", &chain, "--tls-key-file", &key];
    let server = RedisServer::start_with(free_port(), &[&options[..], &["--tls-ca-cert-file", &roots]].concat());
    let address = config::Server { port, ..server.address() };

    let (chain, key) = certificate("gateway", &authority);
    let client = Some(ClientCertificate { chain: chain.into(), key: Secret(key.into()) });
    let authorities = Some(authority.pem().into_bytes());
    let ping = async |authorities, client, verify| {
        let tls = Some(RedisTls { authorities, client, verify });
        connect(&config::Redis { tls, ..of(Servers::Single(address.clone())) }).ping().await
    };
    ping(authorities.clone(), client.clone(), true).await.unwrap();
    ping(None, client.clone(), false).await.unwrap();
    ping(None, client, true).await.expect_err("the system trusts no such authority");
    ping(authorities, None, true).await.expect_err("the server asks for a certificate");
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A chain and its key.
fn certificate(name: &str, authority: &Authority) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_cluster_is_used_on_all_its_nodes() {
    let (mut nodes, buses): (Vec<_>, Vec<_>) = (0..3).map(|_| cluster_node()).unzip();
    for (index, node) in nodes.iter().enumerate() {
        let (first, last) = [("0", "5460"), ("5461", "10922"), ("10923", "16383")][index];
        node.say::<()>(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
        node.say::<()>(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port.to_string(), &buses[0]]);
    }
    let addresses = nodes.iter().map(RedisServer::address).collect();
    let store = connect(&of(Servers::Cluster(addresses)));
    agreed(&nodes).await;
    recovered(&store).await;

    let names: Vec<_> = (0..50).map(|number| format!("k{number}")).collect();
    for name in &names {
        store.put_session(Space::Key, name, name.as_bytes(), None).await.unwrap();
    }
    for node in &nodes {
        assert!(node.say::<i64>(&["DBSIZE"]) > 0);
    }
    assert_eq!(store.sessions(Space::Key, "k").await.unwrap().len(), 50);
    assert_eq!(store.session(Space::Key, &["x", "y", "z", "k7", "k8"]).await.unwrap(), Some((3, b"k7".to_vec())));
    let count = Count { rate: Some(rate("rate-limit-k", 1.0)), quota: Some(quota("quota-b", 100)) };
    assert_eq!(store.count(count).await.unwrap().quota.unwrap().used, 1);
    assert_eq!(store.count(count).await.unwrap().quota, None);
    let window = QuotaCount { name: "rate-limit-k-1", max: 1, renewal: 60 };
    let used = async || store.count_in_window(window, count.quota).await.unwrap().1.map(|quota| quota.used);
    assert_eq!([used().await, used().await], [Some(2), None]);
    let stand = store.quotas(&["quota-b", "quota-c", "quota-d"]).await.unwrap();
    assert_eq!(stand.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
    store.reset(&["quota-b".to_owned(), "quota-c".to_owned(), "rate-limit-k".to_owned()]).await.unwrap();
    assert_eq!(store.quotas(&["quota-b"]).await.unwrap(), [None]);
    let smoothing = Smoothing { name: "rate-limit-k-allowance".into(), threshold: 1, trigger: 0.5, step: 1, delay: 60 };
    let smoothed = RateCount { smoothing: Some(&smoothing), ..rate("rate-limit-k", 2.0) };
    let count = Count { rate: Some(smoothed), quota: Some(quota("quota-b", 100)) };
    let quotas = [store.count(count).await.unwrap().quota, store.count(count).await.unwrap().quota];
    assert_eq!(quotas.map(|quota| quota.map(|quota| quota.used)), [Some(1), None]);

    nodes.iter_mut().for_each(RedisServer::stop);
    let begin = Instant::now();
    store.ping().await.unwrap_err();
    assert!(begin.elapsed() < Duration::from_millis(2100), "{:?}", begin.elapsed());
    let begin = Instant::now();
    while !store.ping().await.unwrap_err().to_string().contains("not connected") {
        assert!(begin.elapsed() < Duration::from_secs(5), "calls fail at once at last");
    }
    nodes.iter_mut().for_each(RedisServer::restart);
    agreed(&nodes).await;
    recovered(&store).await;
    store.put_session(Space::Key, "a", b"{}", None).await.unwrap();
}

/// Its bus is at a port of its own, because the usual one may be out of range.
fn cluster_node() -> (RedisServer, String) {
    let bus = free_port().to_string();
    let options = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "1000"];
    (RedisServer::start_with(free_port(), &options), bus)
}

async fn agreed(nodes: &[RedisServer]) {
    let agreed = |node: &RedisServer| {
        let info = node.say::<String>(&["CLUSTER", "INFO"]);
        info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
    };
    timeout(Duration::from_secs(20), async {
        while !nodes.iter().all(agreed) {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the cluster forms");
}

#[tokio::test]
async fn after_a_failover_the_sentinels_new_master_is_used() {
    let mut old = RedisServer::start();
    let new = RedisServer::start_with(free_port(), &["--replicaof", "127.0.0.1", &old.port.to_string()]);
    let sentinel = sentinel(&old);
    let config =
        of(Servers::Sentinel { sentinels: vec![sentinel.address()], master: "main".to_owned(), password: None });
    let store = connect(&config);
    store.put_session(Space::Key, "a", b"{}", None).await.unwrap();
    assert_eq!(old.say::<i64>(&["EXISTS", "apikey-a"]), 1);
    timeout(Duration::from_secs(15), async {
        while !sentinel.say::<String>(&["INFO", "sentinel"]).contains("slaves=1") {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the sentinel learns of the replica");

    old.stop();
    recovered(&store).await;
    store.put_session(Space::Key, "b", b"{}", None).await.unwrap();
    assert_eq!(new.say::<i64>(&["EXISTS", "apikey-b"]), 1);
}

fn sentinel(master: &RedisServer) -> RedisServer {
    RedisServer::start_sentinel(&format!(
        "sentinel monitor main 127.0.0.1 {} 1
        sentinel down-after-milliseconds main 300
        sentinel failover-timeout main 1000\n",
        master.port
    ))
}
