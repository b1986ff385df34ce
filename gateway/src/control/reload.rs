//! Loads policies and API definitions anew while requests go on.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::{JoinError, spawn_blocking};
use tracing::{error, info};

use crate::api::{self, Registry};
use crate::certificate::{Certificates, Guests, Shelf};
use crate::chain::Shared;
use crate::config::Config;
use crate::listener::Gateway;
use crate::session::policy::Policies;
use crate::session::policy::file::{self, FileError, Read};
use crate::source::{SourceError, Sourced};
use crate::store::{Opened, StoreError};
use crate::supervisor;

/// Asks for reloads.
#[derive(Clone)]
pub struct Reload(UnboundedSender<oneshot::Sender<()>>);

/// Who waits for reloads.
pub struct Reloads(UnboundedReceiver<oneshot::Sender<()>>);

/// Where to ask for reloads, and what does them.
pub fn reloads() -> (Reload, Reloads) {
    let (asked, asks) = mpsc::unbounded_channel();
    (Reload(asked), Reloads(asks))
}

/// What a reload makes.
pub struct Loaded {
    policies: Policies,
    guests: Arc<Guests>,
    registry: Registry,
}

/// Why nothing can be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// There is no telling which policies there are.
    #[error("policies: {0}")]
    Policies(#[from] FileError),
    /// There is no telling which APIs there are.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is no telling which certificates there are.
    #[error("certificates: {0}")]
    Certificates(#[from] StoreError),
    /// Who was to load has come to grief.
    #[error("loading failed: {0}")]
    Broken(#[from] JoinError),
}

/// What the files say, not yet made into anything.
pub struct Sources {
    policies: Read,
    definitions: Vec<Sourced>,
}

impl Sources {
    /// Reads policies and definitions; the log tells which policies cannot be used.
    pub fn read(config: &Config) -> Result<Self, LoadError> {
        let policies = file::read(&config.policies)?;
        for problem in &policies.problems {
            error!("{problem}; sessions that name this policy are refused");
        }
        Ok(Self { policies, definitions: api::read(config)? })
    }

    /// Fetches what definitions and `tyk.conf` name of the store.
    pub async fn fetch(&self, config: &Config, store: &Opened) -> Result<Shelf, StoreError> {
        let parsed = self.definitions.iter().filter_map(|sourced| sourced.outcome.as_ref().ok());
        let names = parsed.flat_map(|parsed| parsed.definition.named_certificates());
        let password = config.certificates.password.clone();
        Shelf::fetch(|| store.connect(), names.chain(config.certificates.names()), password).await
    }

    /// Makes policies and APIs; the log tells which cannot be used.
    pub fn load(self, config: &Config, shared: &Shared, shelf: Shelf, previous: &Registry) -> Loaded {
        let (guests, missing) = Guests::read(&config.certificates, &shelf);
        for problem in missing {
            error!("{problem}; whoever shows this certificate is not let in");
        }
        let given = Certificates { shelf, guests: Arc::new(guests) };
        let registry = api::load(self.definitions, config, shared, &given, previous);
        Loaded { policies: self.policies.policies, guests: given.guests, registry }
    }
}

impl Loaded {
    /// Lets it count from now on, but for the APIs, which are handed back.
    pub fn take_effect(self, shared: &Shared) -> Registry {
        shared.keys.replace_policies(self.policies);
        shared.guests.store(self.guests);
        self.registry
    }
}

impl Reload {
    /// Asks for a reload that begins after this; what is given back is done when it is.
    pub fn ask(&self) -> oneshot::Receiver<()> {
        let (done, waits) = oneshot::channel();
        // A gateway that is about to end loads nothing any more.
        let _ = self.0.send(done);
        waits
    }
}

impl Reloads {
    /// Does what is asked for, for ever: at most one reload in the configured while.
    pub async fn run(mut self, gateway: Arc<Gateway>) {
        while let Some(first) = self.0.recv().await {
            let mut waiting = vec![first];
            while let Ok(next) = self.0.try_recv() {
                waiting.push(next);
            }
            supervisor::reloading();
            reload(&gateway).await;
            supervisor::ready();
            for done in waiting {
                let _ = done.send(());
            }
            tokio::time::sleep(gateway.config.control.reload_interval).await;
        }
    }
}

/// A failure leaves what is served as it is.
async fn reload(gateway: &Arc<Gateway>) {
    match load(gateway).await {
        Ok(loaded) => {
            gateway.registry.store(Arc::new(loaded.take_effect(&gateway.shared)));
            gateway.dispatchers.reload();
            gateway.arrange.ask().await;
            info!("policies and API definitions are loaded anew");
        }
        Err(error) => error!(%error, "nothing is loaded anew, what was served is served on"),
    }
}

/// Files are read and chains made where that keeps nobody waiting.
async fn load(gateway: &Arc<Gateway>) -> Result<Loaded, LoadError> {
    let reader = Arc::clone(gateway);
    let sources = spawn_blocking(move || Sources::read(&reader.config)).await??;
    let shelf = sources.fetch(&gateway.config, &gateway.store).await?;
    let maker = Arc::clone(gateway);
    let load = move || sources.load(&maker.config, &maker.shared, shelf, &maker.registry.load());
    Ok(spawn_blocking(load).await?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use coprocess::Object;

    use super::*;
    use crate::cluster::Nodes;
    use crate::config::Storage;
    use crate::dispatch::{Call, Dispatched, Dispatcher};
    use crate::error::Pages;
    use crate::event;
    use crate::store::Opened;
    use crate::upstream::Ways;

    /// Calls nobody, and counts reloads.
    struct Counting(Arc<AtomicUsize>);

    impl Dispatcher for Counting {
        fn dispatch<'a>(&'a self, _: Call<'a>) -> Dispatched<'a, Object> {
            Box::pin(std::future::pending())
        }

        fn dispatch_event(&self, _: Bytes) -> Dispatched<'_, ()> {
            Box::pin(std::future::pending())
        }

        fn reload(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A gateway that listens nowhere.
    fn gateway(folder: &Path) -> Arc<Gateway> {
        let apps = folder.join("apps").display().to_string();
        let variables = [("TYK_GW_OMITCONFIGFILE", "true"), ("TYK_GW_APPPATH", &apps)];
        let environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(None, environment, None).unwrap().config;
        let pages = Pages::load(None, true).unwrap();
        let shared = Shared::new(&config, Nodes::default(), event::queue().0, Ways::new().unwrap(), pages);
        let store = Opened::open(&Storage::Embedded(folder.join("data"))).unwrap();
        let gateway = Gateway::new(config, Registry::default(), store, shared, reloads().0);
        drop(gateway.arrangements());
        gateway
    }

    #[tokio::test]
    async fn dispatchers_hear_of_reloads_that_succeed() {
        let folder = tempfile::tempdir().unwrap();
        let (gateway, heard) = (gateway(folder.path()), Arc::new(AtomicUsize::new(0)));
        for _ in 0..2 {
            gateway.dispatchers.add(Counting(Arc::clone(&heard)));
        }
        reload(&gateway).await;
        assert_eq!(heard.load(Ordering::Relaxed), 0, "there is no folder of definitions");
        fs::create_dir(folder.path().join("apps")).unwrap();
        reload(&gateway).await;
        assert_eq!(heard.load(Ordering::Relaxed), 2);
    }
}
