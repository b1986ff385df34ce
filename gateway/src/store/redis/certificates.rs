//! Certificates where the original keeps them: `cert-raw-<id>`, and a list of those of each
//! organisation, `cert-<organisation>-index`.

use super::super::StoreError;
use super::super::certificates::organisation;
use super::Redis;

const BEFORE_ID: &str = "cert-raw-";

impl Redis {
    pub(in crate::store) async fn certificates(&self, ids: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut cmd = redis::cmd("MGET");
        for id in ids {
            cmd.arg(key(id));
        }
        let found: Vec<Option<String>> = self.ask(cmd).await?;
        Ok(found.into_iter().map(|text| text.filter(|text| !text.is_empty())).collect())
    }

    pub(in crate::store) async fn add_certificate(&self, id: &str, text: &str) -> Result<bool, StoreError> {
        let mut cmd = redis::cmd("SET");
        cmd.arg(key(id)).arg(text).arg("NX");
        let added: Option<String> = self.ask(cmd).await?;
        if added.is_some() && !organisation(id).is_empty() {
            let mut cmd = redis::cmd("RPUSH");
            cmd.arg(index(id)).arg(member(id));
            self.ask::<()>(cmd).await?;
        }
        Ok(added.is_some())
    }

    pub(in crate::store) async fn delete_certificate(&self, id: &str) -> Result<(), StoreError> {
        if !organisation(id).is_empty() {
            let mut cmd = redis::cmd("LREM");
            cmd.arg(index(id)).arg(0).arg(member(id));
            self.ask::<()>(cmd).await?;
        }
        let mut cmd = redis::cmd("DEL");
        cmd.arg(key(id));
        self.ask(cmd).await
    }

    pub(in crate::store) async fn certificate_ids(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let keys = self.keys(&key(prefix)).await?;
        Ok(keys.iter().filter_map(|key| key.strip_prefix(BEFORE_ID)).map(str::to_owned).collect())
    }
}

fn key(id: &str) -> String {
    format!("{BEFORE_ID}{id}")
}

fn index(id: &str) -> String {
    format!("cert-{}-index", organisation(id))
}

fn member(id: &str) -> String {
    format!("raw-{id}")
}
