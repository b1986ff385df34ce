//! Replaced certificate files: the new certificate is shown to the next client.

use std::sync::Arc;
use std::time::Duration;

use super::certificates::Certificates;
use crate::config::{Certificate, CertificateError, Files, Pem};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// Keeps certificates as their files are.
pub(in crate::listener) struct Renewal {
    seen: Vec<Seen>,
    certificates: Arc<Certificates>,
}

/// What the files of a certificate held when they were last looked at, good or not.
struct Seen {
    /// The certificate's place among all.
    at: usize,
    files: Files,
    held: Result<Pem, CertificateError>,
}

impl Renewal {
    pub(super) fn new(certificates: Vec<Certificate>, shown: Arc<Certificates>) -> Self {
        let seen = |(at, Certificate { files, pem, .. })| Some(Seen { at, files: files?, held: Ok(pem) });
        Self { seen: certificates.into_iter().enumerate().filter_map(seen).collect(), certificates: shown }
    }

    /// Looks now and then, for ever; no disk, however slow, keeps others waiting.
    pub(in crate::listener) async fn run(mut self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let looking = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            self = match looking.await {
                Ok(renewal) => renewal,
                Err(error) => {
                    tracing::error!(%error, "certificate files are not looked at any more");
                    return std::future::pending().await;
                }
            };
        }
    }

    /// Files that are no use leave the old certificate where it is; the log says so once.
    fn look(&mut self) {
        for Seen { at, files, held } in &mut self.seen {
            let now = files.read();
            if now == *held {
                continue;
            }
            match now.as_ref().map_err(Clone::clone).and_then(|pem| files.parse(pem)) {
                Ok(key) => {
                    self.certificates.replace(*at, key);
                    tracing::info!(%files, "a certificate was replaced");
                }
                Err(error) => tracing::error!(%error, "a new certificate is no use, the old one stays"),
            }
            *held = now;
        }
    }
}
