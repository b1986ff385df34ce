//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Guards;

/// Who may connect.
pub(super) struct Admission {
    limit: usize,
    open: AtomicUsize,
    addresses: Option<Addresses>,
}

/// Connections by address.
struct Addresses {
    limit: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that counts as long as this lives.
pub(super) struct Admitted {
    by: Arc<Admission>,
    address: IpAddr,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    All,
    Address,
}

impl Admission {
    /// `files` is how many files the process may open: a connection and its upstream's take two.
    pub(super) fn new(guards: &Guards, files: Option<u64>) -> Arc<Self> {
        let half = files.map_or(usize::MAX, |files| usize::try_from(files / 2).unwrap_or(usize::MAX));
        let addresses = guards.connections_per_address;
        let addresses = addresses.map(|limit| Addresses { limit, open: Mutex::default() });
        Arc::new(Self { limit: guards.connections.unwrap_or(half), open: AtomicUsize::new(0), addresses })
    }

    /// Counts one more connection, unless there are as many as there may be.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Admitted, Full> {
        let address = household(peer.to_canonical());
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.limit {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::All);
        }
        if self.addresses.as_ref().is_some_and(|addresses| !addresses.enter(address)) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Address);
        }
        Ok(Admitted { by: Arc::clone(self), address })
    }
}

impl Addresses {
    fn enter(&self, address: IpAddr) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        let room = *count < self.limit;
        *count += usize::from(room);
        room
    }

    fn leave(&self, address: IpAddr) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&address);
            }
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.by.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(addresses) = &self.by.addresses {
            addresses.leave(self.address);
        }
    }
}

/// Whoever has an IPv6 address has all of its /64.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn admission(limit: usize, per_address: Option<usize>) -> Arc<Admission> {
        let addresses = per_address.map(|limit| Addresses { limit, open: Mutex::default() });
        Arc::new(Admission { limit, open: AtomicUsize::new(0), addresses })
    }

    fn of(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn connections_count_until_they_end() {
        let admission = admission(2, None);
        let (first, _second) = (admission.admit(of("::1")).unwrap(), admission.admit(of("10.0.0.1")).unwrap());
        assert_eq!(admission.admit(of("10.0.0.1")).err(), Some(Full::All));
        drop(first);
        assert!(admission.admit(of("10.0.0.1")).is_ok());
    }

    #[test]
    fn one_address_has_its_own_limit_and_a_network_of_ipv6_is_one() {
        let admission = admission(10, Some(1));
        let first = admission.admit(of("2001:db8::1")).unwrap();
        let _other = admission.admit(of("2001:db8:0:1::1")).unwrap();
        assert_eq!(admission.admit(of("2001:db8::2")).err(), Some(Full::Address));
        drop(first);
        let _again = admission.admit(of("2001:db8::2")).unwrap();
        let _v4 = admission.admit(of("192.0.2.1")).unwrap();
        assert_eq!(admission.admit(of("::ffff:192.0.2.1")).err(), Some(Full::Address));
    }
}
