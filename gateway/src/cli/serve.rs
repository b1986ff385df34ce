//! The gateway on the operator's own files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{debug, error, info, warn};

use super::CliError;
use crate::api::{Api, Registry};
use crate::certificate::Shelf;
use crate::chain::Shared;
use crate::cluster::{self, Heard, Nodes, Notice};
use crate::config::{self, Config, ConfigError, Control};
use crate::control::{self, Sources, Watch};
use crate::dispatch::GrpcDispatcher;
use crate::error::Pages;
use crate::event::{self, Couriers};
use crate::exchange::HELD;
use crate::listener::{self, Gateway, Listener, Sockets, StartError};
use crate::store::{Embedded, Opened, Redis, Store};
use crate::supervisor::{self, Inherited};
use crate::telemetry::{self, Hooks};
use crate::upstream::{self, Client, Ways};

/// How long the last events may take once all requests are done.
const LAST_EVENTS: Duration = Duration::from_secs(3);
/// How often counters go to the disk.
const SWEEP: Duration = Duration::from_millis(500);

/// Runs the gateway until a signal ends it.
pub(super) fn run(conf: Option<&Path>, port: Option<u16>) -> Result<(), CliError> {
    let loaded = Config::load(conf, environment(), port)?;
    telemetry::init(&loaded.config.log, Hooks::Debug);
    runtime()?.block_on(async {
        let (stop, hang_up) = (stop_signal()?, hang_up_signal()?);
        announce(&loaded);
        let store = Opened::open(&loaded.config.storage)?;
        let config = with_certificates(loaded, &store, |shelf| Config::load_with(conf, environment(), port, shelf));
        serve(config.await?, store, stop, hang_up, |_| {}).await
    })
}

/// A configuration that names certificates of the store is read once more, with those.
async fn with_certificates(
    loaded: config::Loaded,
    store: &Opened,
    load: impl FnOnce(&Shelf) -> Result<config::Loaded, ConfigError>,
) -> Result<Config, CliError> {
    if loaded.stored.is_empty() {
        return Ok(loaded.config);
    }
    let (names, password) = (loaded.stored.iter().map(String::as_str), loaded.config.certificates.password);
    let shelf = Shelf::fetch(|| store.connect(), names, password.clone()).await;
    Ok(load(&shelf.unwrap_or_else(|error| Shelf::silent(&error, password)))?.config)
}

/// The variables that are text; no key of ours can be meant by others.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// What the configuration had to say, now that there is a log.
fn announce(loaded: &config::Loaded) {
    if let Some(file) = &loaded.file {
        info!(file = %file.display(), "configuration loaded");
    }
    if !loaded.unsupported.is_empty() {
        let keys: Vec<_> = loaded.unsupported.iter().map(|(key, follows)| format!("{key}: {follows}")).collect();
        warn!(keys = keys.join("; "), "keys that are not supported yet have no effect");
    }
    for key in &loaded.unknown {
        debug!(key, "unknown key");
    }
    let Control { secret, open, .. } = &loaded.config.control;
    match open {
        _ if !secret.0.is_empty() => {}
        true => warn!("the control API is open to everybody who reaches this port: set secret in tyk.conf"),
        false => info!("the control API lets nobody in: set secret in tyk.conf to use it"),
    }
    for problem in &loaded.problems {
        error!("{problem}");
    }
}

/// The control thread's runtime.
pub(super) fn runtime() -> Result<Runtime, CliError> {
    Builder::new_current_thread().enable_all().build().map_err(|source| system("no runtime can be made", source))
}

pub(super) fn system(what: &str, source: io::Error) -> CliError {
    CliError::System { what: what.to_owned(), source }
}

/// Serves until `stop`; `ready` hears of the address once clients can connect.
pub(super) async fn serve(
    config: Config,
    store: Opened,
    stop: impl Future<Output = ()>,
    hang_up: Signal,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), CliError> {
    let pages = Pages::load(config.template_path.as_deref(), !config.hide_generator_header)?;
    let nodes = Nodes::default();
    let (events, deliveries) = event::queue();
    let ways = Ways::new().map_err(StartError::from)?;
    let shared = Shared::new(&config, nodes.clone(), events, ways, pages);
    // Before they are read, so that no change is missed.
    let watching = config.control.watch_files.then(|| Watch::start(&config));
    let (registry, missed) = load(&config, &shared, &store).await?;
    let watching = watching.transpose()?;
    let sockets = listen(&config)?;
    let address = sockets.address().map_err(|source| system("the listening address is unknown", source))?;
    let _pid_file = config.pid_file.as_deref().map(PidFile::write).transpose()?;
    HELD.limit(config.guards.held);
    let (reload, reloads) = control::reloads();
    let gateway = Gateway::new(config, registry, store, shared, reload);
    tokio::spawn(deliveries.run(couriers(&gateway)?));
    tokio::spawn(reloads.run(Arc::clone(&gateway)));
    if let Some(watching) = watching {
        tokio::spawn(watching.run(Arc::clone(&gateway)));
    }
    tokio::spawn(hang_ups(Arc::clone(&gateway), hang_up));
    tokio::spawn(upkeep(Arc::clone(&gateway), nodes, missed));
    tokio::spawn(watch(Arc::clone(&gateway)));
    tokio::spawn(test_upstreams(&gateway)?);
    info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    ready(address);
    supervisor::ready();
    listener::serve(sockets, Arc::clone(&gateway), drained(&gateway, stop)).await?;
    gateway.shared.events.settle(LAST_EVENTS).await;
    info!("stopped");
    Ok(())
}

/// The first policies and APIs. A store that does not answer is missed by those only who name
/// something in it.
async fn load(config: &Config, shared: &Shared, store: &Opened) -> Result<(Registry, Missed), CliError> {
    let sources = Sources::read(config)?;
    let (shelf, missed) = match sources.fetch(config, store).await {
        Ok(shelf) => (shelf, Missed(false)),
        Err(error) => (Shelf::silent(&error, config.certificates.password.clone()), Missed(true)),
    };
    Ok((sources.load(config, shared, shelf, &Registry::default()).take_effect(shared), missed))
}

/// Whether certificates of the store were wanted and not to be had.
#[derive(Clone, Copy)]
struct Missed(bool);

/// On the service manager's sockets, or else on some of our own.
fn listen(config: &Config) -> Result<Sockets, CliError> {
    let mut inherited = Inherited::from_environment();
    let mut at = |place, address, key| -> Result<Listener, CliError> {
        let unusable = |source| system("a socket of the service manager cannot be used", source);
        match inherited.take(place).map_err(unusable)? {
            Some(socket) => Listener::inherited(socket).map_err(unusable),
            None => Listener::bind(address).map_err(|source| CliError::Bind { key, source }),
        }
    };
    let main = at(0, config.listen, "--port or listen_port in tyk.conf")?;
    let control = |port| at(1, SocketAddr::new(config.listen.ip(), port), "control_api_port in tyk.conf");
    let control = config.ports.control.map(control).transpose()?;
    Ok(Sockets { main, control })
}

/// SIGHUP; from now on it no longer ends the process.
pub(super) fn hang_up_signal() -> Result<Signal, CliError> {
    signal(SignalKind::hangup()).map_err(|source| system("signals cannot be received", source))
}

/// Loads anew whenever the process is sent SIGHUP, or has been while it started.
async fn hang_ups(gateway: Arc<Gateway>, mut hang_up: Signal) {
    while hang_up.recv().await.is_some() {
        drop(gateway.reload.ask());
    }
}

/// Those of events, with connections of their own.
fn couriers(gateway: &Gateway) -> Result<Couriers, StartError> {
    let dispatcher = gateway.dispatchers.add(GrpcDispatcher::new(&gateway.config.coprocess));
    Ok(Couriers::new(&gateway.config, gateway.shared.ways.transports(), dispatcher)?)
}

/// Looks whether what the gateway depends on is well.
async fn watch(gateway: Arc<Gateway>) {
    gateway.health.watch(&gateway.store, gateway.config.check_interval).await;
}

/// Tests the upstreams of APIs that wish for it.
fn test_upstreams(gateway: &Arc<Gateway>) -> Result<impl Future<Output = ()> + use<>, CliError> {
    let fetching = gateway.shared.ways.transports().fetching().map_err(StartError::from)?;
    let client = Client::new(&gateway.config.upstream, gateway.config.canonical_headers, fetching);
    Ok(upstream::watch(Arc::clone(gateway), client))
}

/// What the store needs now and then.
async fn upkeep(gateway: Arc<Gateway>, nodes: Nodes, missed: Missed) {
    match &gateway.store {
        Opened::Embedded(store) => sweep(store).await,
        Opened::Redis(redis) => {
            tokio::join!(hear(redis, &gateway, missed), attend(redis, &nodes));
        }
    }
}

async fn sweep(store: &Embedded) {
    let mut beat = tokio::time::interval(SWEEP);
    loop {
        beat.tick().await;
        let store = store.clone();
        match tokio::task::spawn_blocking(move || store.sweep()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => error!(%error, "the store could not be swept"),
            Err(error) => error!(%error, "sweeping the store failed"),
        }
    }
}

/// Forgets what other nodes changed; all of it where their messages may have been missed.
async fn hear(redis: &config::Redis, gateway: &Gateway, Missed(missed): Missed) {
    let Gateway { config: Config { messages, .. }, shared: Shared { keys, .. }, reload, .. } = gateway;
    if !messages.heard {
        return;
    }
    let mut stale = missed;
    let tell = |heard| match heard {
        Heard::Connected => {
            keys.forget_all();
            // Told to load anew meanwhile, this node would not have heard it.
            if std::mem::replace(&mut stale, true) {
                drop(reload.ask());
            }
        }
        Heard::Notice(Notice::KeysChanged(names)) => names.iter().for_each(|name| keys.forget(name)),
        Heard::Notice(Notice::Reload) => drop(reload.ask()),
        Heard::Notice(Notice::KeySetsChanged(id)) => {
            let _ = gateway.registry.load().api(&id).map(|api| api.chain.forget_key_sets());
        }
        Heard::Notice(Notice::AnswersChanged(id)) => {
            if let Some(api) = gateway.registry.load().api(&id) {
                tokio::spawn(forget_answers(Arc::clone(api), redis.clone()));
            }
        }
    };
    let listening = async { cluster::listen(&Redis::new(redis)?, messages, tell).await };
    let Err(error) = listening.await;
    error!(%error, "messages of other nodes are not heard; their changes count after ten seconds");
}

/// Another program wants the replies of an API to be forgotten.
async fn forget_answers(api: Arc<Api>, redis: config::Redis) {
    let forgotten = async { api.chain.forget_answers(&Store::Redis(Redis::new(&redis)?)).await };
    if let Err(error) = forgotten.await {
        error!(%error, api_id = &*api.id, "cached replies could not be removed");
    }
}

/// Tells other nodes that this one is there, and counts them: they divide rates among them.
async fn attend(redis: &config::Redis, nodes: &Nodes) {
    match Redis::new(redis) {
        Ok(redis) => cluster::attend(&redis, nodes).await,
        Err(error) => error!(%error, "other nodes are not counted; each admits whole rates"),
    }
}

/// After `stop`, readiness probes fail for the configured while before accepting ends.
async fn drained(gateway: &Gateway, stop: impl Future<Output = ()>) {
    stop.await;
    gateway.drain();
    supervisor::stopping();
    info!(grace_seconds = gateway.config.grace.as_secs(), "stopping: requests in flight may finish");
    tokio::time::sleep(gateway.config.shutdown_delay).await;
}

/// Done when the process is told to end.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>, CliError> {
    let on = |kind| signal(kind).map_err(|source| system("signals cannot be received", source));
    let (mut terminate, mut interrupt, mut quit) =
        (on(SignalKind::terminate())?, on(SignalKind::interrupt())?, on(SignalKind::quit())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
        }
    })
}

/// The file that tells other programs our process id, while we run.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &Path) -> Result<Self, CliError> {
        let failed = |source| system(&format!("pid_file_location: {} cannot be written", path.display()), source);
        fs::write(path, format!("{}\n", std::process::id())).map_err(failed)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Whoever removed it before us did the same.
        let _ = fs::remove_file(&self.0);
    }
}
