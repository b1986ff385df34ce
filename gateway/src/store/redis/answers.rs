//! Replies that are kept for requests to come.

use std::time::Duration;

use super::{Redis, milliseconds};
use crate::store::StoreError;

/// How many keys one command removes.
const AT_ONCE: usize = 500;

impl Redis {
    /// The reply that is kept under this name.
    pub(crate) async fn answer(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut cmd = redis::cmd("GET");
        cmd.arg(name);
        self.ask(cmd).await
    }

    /// Keeps a reply for so long, in place of what was there.
    pub(crate) async fn put_answer(&self, name: &str, answer: &[u8], lifetime: Duration) -> Result<(), StoreError> {
        let mut cmd = redis::cmd("SET");
        cmd.arg(name).arg(answer).arg("PX").arg(milliseconds(lifetime));
        self.ask(cmd).await
    }

    /// Forgets replies whose names begin like this.
    pub(crate) async fn forget_answers(&self, beginning: &str) -> Result<(), StoreError> {
        let names = self.keys(beginning).await?;
        for names in names.chunks(AT_ONCE) {
            self.reset(names).await?;
        }
        Ok(())
    }
}
