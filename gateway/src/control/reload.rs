//! Loads policies and API definitions anew while requests go on.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tracing::{error, info};

use crate::api::{self, Registry};
use crate::chain::Shared;
use crate::config::Config;
use crate::listener::Gateway;
use crate::session::policy::Policies;
use crate::session::policy::file::{self, FileError};
use crate::source::SourceError;
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
    /// The policies.
    pub policies: Policies,
    /// The APIs.
    pub registry: Registry,
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
}

/// Reads policies and definitions; the log tells which cannot be used.
pub fn load(config: &Config, shared: &Shared, previous: &Registry) -> Result<Loaded, LoadError> {
    let read = file::read(&config.policies)?;
    for problem in &read.problems {
        error!("{problem}; sessions that name this policy are refused");
    }
    Ok(Loaded { policies: read.policies, registry: api::load(config, shared, previous)? })
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
    let reader = Arc::clone(gateway);
    match tokio::task::spawn_blocking(move || load(&reader.config, &reader.shared, &reader.registry.load())).await {
        Ok(Ok(Loaded { policies, registry })) => {
            gateway.shared.keys.replace_policies(policies);
            gateway.registry.store(Arc::new(registry));
            gateway.arrange.ask().await;
            info!("policies and API definitions are loaded anew");
        }
        Ok(Err(error)) => error!(%error, "nothing is loaded anew, what was served is served on"),
        Err(error) => error!(%error, "loading anew failed, what was served is served on"),
    }
}
