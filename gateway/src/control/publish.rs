//! Tells other nodes, and whoever wants to hear of it, what changed here.

use super::answer::Problem;
use super::request::Request;
use crate::cluster::{self, Notice};
use crate::event::Name;
use crate::store::{Store, StoreError};

impl Request<'_> {
    /// Sessions changed: neither this node nor another may go on with what it remembers.
    pub(super) async fn publish_keys(&self, names: &[&str]) {
        for name in names {
            self.gateway.shared.keys.forget(name);
        }
        let notice = Notice::KeysChanged(names.iter().map(|name| (*name).to_owned()).collect());
        if let Err(error) = self.publish(&notice).await {
            tracing::error!(%error, "other nodes were not told of a changed key, they know it after ten seconds");
        }
    }

    /// All nodes are to load anew: this one hears of it as the others do, or at once where it is alone.
    pub(super) async fn publish_reload(&self) -> Result<(), Problem> {
        if matches!(self.store, Store::Embedded(_)) || !self.gateway.config.messages.heard {
            drop(self.gateway.reload.ask());
        }
        Ok(self.publish(&Notice::Reload).await?)
    }

    /// The keys that others publish for an API are to be fetched anew.
    pub(super) async fn publish_key_sets(&self, api_id: &str) {
        if let Err(error) = self.publish(&Notice::KeySetsChanged(api_id.to_owned())).await {
            tracing::error!(%error, api_id, "other nodes were not told to forget published keys");
        }
    }

    /// A key was made, changed or removed.
    pub(super) fn tell(&self, name: Name, message: &'static str, org_id: &str, key: &str) {
        if let Some(handlers) = &self.gateway.config.events {
            self.gateway.shared.events.tell_of_key(name, message, [org_id, key], handlers);
        }
    }

    async fn publish(&self, notice: &Notice) -> Result<(), StoreError> {
        match self.store {
            Store::Embedded(_) => Ok(()),
            Store::Redis(redis) => cluster::publish(notice, redis, &self.gateway.config.messages).await,
        }
    }
}
