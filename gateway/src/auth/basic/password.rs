//! Compares a password with what is stored of it.

use std::sync::LazyLock;
use std::time::Duration;
use std::{fmt, thread};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256};
use moka::sync::Cache;
use tokio::sync::Semaphore;

use crate::definition;
use crate::session::key::Function;
use crate::session::{BasicAuth as Stored, Session};

/// For how long a right password is remembered where the operator says nothing.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Right passwords that are remembered; beyond it the least used are forgotten.
const VERDICTS: u64 = 100_000;

/// bcrypt is slow by intent: it may take all cores, but not more threads than those.
static AT_ONCE: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(thread::available_parallelism().map_or(1, usize::from)));

/// Checks passwords, and remembers which were right where that is costly to find out.
pub(super) struct Passwords {
    right: Option<Cache<Verdict, ()>>,
}

/// The digest of a user, the stored hash and the password that fits: none of them can be read from it.
type Verdict = [u8; 32];

impl Passwords {
    pub(super) fn new(written: &definition::BasicAuth) -> Self {
        let ttl = u64::try_from(written.cache_ttl).ok().filter(|ttl| *ttl > 0).map_or(REMEMBERED, Duration::from_secs);
        let right =
            (!written.disable_caching).then(|| Cache::builder().max_capacity(VERDICTS).time_to_live(ttl).build());
        Self { right }
    }

    /// Whether it is the password of the session; a session without one has no right password.
    pub(super) async fn check(&self, session: &Session, password: String) -> bool {
        let Stored { password: stored, hash_type } = &session.state.basic_auth_data;
        if stored.is_empty() {
            return false;
        }
        match hash_type.as_str() {
            "plaintext" => equal(stored, &password),
            "" | "bcrypt" => self.check_bcrypt(&session.key.name, stored, password).await,
            other => function(other).is_some_and(|function| equal(stored, &function.hash(password.as_bytes()))),
        }
    }

    async fn check_bcrypt(&self, user: &str, stored: &str, password: String) -> bool {
        let verdict = verdict([user, stored, &password]);
        if self.right.as_ref().is_some_and(|right| right.contains_key(&verdict)) {
            return true;
        }
        let fits = bcrypt_fits(stored.to_owned(), password).await;
        if let (true, Some(right)) = (fits, &self.right) {
            right.insert(verdict, ());
        }
        fits
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

async fn bcrypt_fits(stored: String, password: String) -> bool {
    let Ok(permit) = AT_ONCE.acquire().await else { return false };
    // The permit goes with the work, which goes on when the caller has gone.
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        bcrypt::verify(password, &stored).unwrap_or(false)
    });
    work.await.unwrap_or(false)
}

fn function(name: &str) -> Option<Function> {
    match name {
        "sha256" => Some(Function::Sha256),
        "murmur32" => Some(Function::Murmur32),
        "murmur64" => Some(Function::Murmur64),
        "murmur128" => Some(Function::Murmur128),
        _ => None,
    }
}

fn equal(a: &str, b: &str) -> bool {
    verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}

/// Lengths keep the parts apart.
fn verdict(parts: [&str; 3]) -> Verdict {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_le_bytes());
        context.update(part.as_bytes());
    }
    let mut verdict = Verdict::default();
    verdict.copy_from_slice(context.finish().as_ref());
    verdict
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::session::{Key, State};

    fn session(hash_type: &str, password: &str) -> Session {
        let basic_auth_data = Stored { password: password.into(), hash_type: hash_type.into() };
        Session::new(State { basic_auth_data, ..State::default() }, Key { id: "u".into(), name: "u".into() })
    }

    #[tokio::test]
    async fn every_kind_of_hash_fits_its_own_password_only() {
        let passwords = Passwords::new(&definition::BasicAuth::default());
        let bcrypt = bcrypt::hash("secret", 4).unwrap();
        for (kind, stored) in [
            ("plaintext", "secret"),
            ("", bcrypt.as_str()),
            ("bcrypt", &bcrypt),
            ("sha256", "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"),
            ("murmur32", &Function::Murmur32.hash(b"secret")),
            ("murmur64", &Function::Murmur64.hash(b"secret")),
            ("murmur128", &Function::Murmur128.hash(b"secret")),
        ] {
            assert!(passwords.check(&session(kind, stored), "secret".into()).await, "{kind}");
            assert!(!passwords.check(&session(kind, stored), "Secret".into()).await, "{kind}");
            assert!(!passwords.check(&session(kind, stored), String::new()).await, "{kind}");
        }
    }

    #[tokio::test]
    async fn a_session_without_a_usable_hash_lets_nobody_in() {
        let passwords = Passwords::new(&definition::BasicAuth::default());
        for (kind, stored) in [("plaintext", ""), ("", ""), ("bcrypt", "secret"), ("md5", "secret"), ("sha256", "")] {
            for tried in ["", "secret"] {
                assert!(!passwords.check(&session(kind, stored), tried.into()).await, "{kind} {stored} {tried}");
            }
        }
    }

    #[tokio::test]
    async fn a_remembered_verdict_holds_for_one_user_one_hash_and_one_password() {
        let passwords = Passwords::new(&definition::BasicAuth::default());
        let right = passwords.right.as_ref().unwrap();
        right.insert(verdict(["u", "stored", "secret"]), ());
        assert!(passwords.check(&session("bcrypt", "stored"), "secret".into()).await);
        assert!(!passwords.check(&session("bcrypt", "stored"), "secre".into()).await);
        assert!(!passwords.check(&session("bcrypt", "changed"), "secret".into()).await);
        assert_ne!(verdict(["ab", "c", ""]), verdict(["a", "bc", ""]));
        let none = Passwords::new(&definition::BasicAuth { disable_caching: true, ..Default::default() });
        assert!(none.right.is_none());
    }
}
