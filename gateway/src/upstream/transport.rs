//! How connections to an upstream are made. APIs that agree on it share connections, and no others do.

mod proxy;
mod settings;
mod tls;
mod verifier;

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::{ClientConfig, RootCertStore};

pub(super) use self::proxy::{ForwardProxy, Manner};
use self::settings::TlsSettings;
pub(super) use self::settings::{Choices, Settings, Speech};
pub use self::tls::{TlsError, roots};

/// A way to make connections.
pub struct Transport {
    /// Tells its connections apart from others to the same host; 0 for plain sockets.
    pub(super) id: u32,
    pub(super) settings: Settings,
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// TLS with the proxy, if it speaks that.
    pub(super) proxy_tls: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("id", &self.id).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Transport {
    /// Whether requests may share a connection.
    pub(super) fn may_multiplex(&self) -> bool {
        self.settings.speech != Speech::Http1
    }
}

/// All ways that are in use.
pub struct Transports {
    roots: Arc<RootCertStore>,
    plain: Arc<Transport>,
    known: Mutex<Vec<Weak<Transport>>>,
    next: AtomicU32,
}

impl Transports {
    /// Trusts the system's roots.
    pub fn new() -> Result<Self, TlsError> {
        let plain = Arc::new(Transport { id: 0, settings: Settings::plain(), tls: None, proxy_tls: None });
        Ok(Self { roots: Arc::new(tls::roots()?), plain, known: Mutex::default(), next: AtomicU32::new(1) })
    }

    /// For documents that the gateway itself fetches: no API's settings count.
    pub fn fetching(&self) -> Result<Arc<Transport>, TlsError> {
        self.get(Settings::verifying())
    }

    /// The one with these settings, made unless there is one.
    pub(super) fn get(&self, settings: Settings) -> Result<Arc<Transport>, TlsError> {
        if settings == self.plain.settings {
            return Ok(Arc::clone(&self.plain));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|transport| transport.strong_count() > 0);
        if let Some(same) = known.iter().filter_map(Weak::upgrade).find(|known| known.settings == settings) {
            return Ok(same);
        }
        let tls = settings.tls.as_ref().map(|tls| tls::client(tls, settings.speech, &self.roots)).transpose()?;
        let proxy_tls = settings.proxy.as_ref().filter(|proxy| proxy.speaks_tls());
        // What an API says of its upstream's certificate is not said of the proxy's.
        let proxy_tls = proxy_tls.map(|_| tls::client(&TlsSettings::verifying(), Speech::Http1, &self.roots));
        let proxy_tls = proxy_tls.transpose()?.map(Arc::new);
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let transport = Arc::new(Transport { id, settings, tls: tls.map(Arc::new), proxy_tls });
        known.push(Arc::downgrade(&transport));
        Ok(transport)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn equal_settings_are_one_transport_as_long_as_somebody_has_it() {
        let transports = Transports::new().unwrap();
        let first = transports.get(Settings::verifying()).unwrap();
        assert!(Arc::ptr_eq(&first, &transports.get(Settings::verifying()).unwrap()));
        let other = Settings { speech: Speech::Http1Or2, ..Settings::verifying() };
        assert_ne!(transports.get(other).unwrap().id, first.id);
        assert_eq!(transports.get(Settings::plain()).unwrap().id, 0);
        drop(first);
        drop(transports.get(Settings::verifying()).unwrap());
        assert!(transports.known.lock().unwrap().len() <= 2);
    }
}
