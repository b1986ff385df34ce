//! What a listening socket is for.

use tokio::sync::watch;

use super::Gateway;
use super::tls::Tls;

/// What is served behind a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// All APIs that have no port of their own.
    Main,
    /// APIs that have this port.
    Apis(u16),
    /// The control API alone.
    Control,
}

/// A door, and how clients come through it.
pub(super) struct Entrance {
    pub(super) door: Door,
    pub(super) tls: Option<Tls>,
    /// Whether it is closed for good, for those who are inside.
    pub(super) closed: watch::Receiver<bool>,
}

impl Door {
    /// Whether anything behind the door wants to see certificates of clients.
    pub(super) fn asks_for_certificates(self, gateway: &Gateway) -> bool {
        let control = self.has_control(gateway) && gateway.config.certificates.control.is_some();
        control || (self != Self::Control && gateway.registry.load().asks_for_certificates(self.port()))
    }

    /// Whether the gateway's own paths are here.
    pub(super) fn has_control(self, gateway: &Gateway) -> bool {
        self == if gateway.config.ports.control.is_some() { Self::Control } else { Self::Main }
    }

    /// Which port's APIs are served.
    pub(super) fn port(self) -> Option<u16> {
        match self {
            Self::Main | Self::Control => None,
            Self::Apis(port) => Some(port),
        }
    }
}
