//! Basic auth: the caller presents a user name and a password.

mod body;
mod password;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use self::body::BodyRules;
use self::password::Passwords;
use super::credential::Source;
use super::error::{AuthError, BasicError};
use super::keys::Keys;
use super::lookup::Lookup;
use crate::definition::{Definition, Refusal};
use crate::error::{Failure, Stop};
use crate::exchange::Exchange;
use crate::session::Session;
use crate::sockets::Sockets;
use crate::store::Store;

/// Authentication by a user name and a password whose hash is stored.
#[derive(Debug)]
pub struct BasicAuth {
    pub(super) source: Source,
    body: Option<BodyRules>,
    lookup: Lookup,
    passwords: Passwords,
    challenge: HeaderValue,
}

/// What a caller claims.
#[derive(Debug, PartialEq, Eq)]
struct Credentials {
    user: String,
    password: String,
}

impl BasicAuth {
    /// Reads where the credentials are found and for how long a right password is remembered.
    pub fn compile(definition: &Definition, keys: Arc<Keys>) -> Result<Self, Refusal> {
        Ok(Self {
            source: Source::compile(definition, "basic")?,
            body: BodyRules::compile(&definition.basic_auth)?,
            lookup: Lookup::new(keys, &definition.org_id),
            passwords: Passwords::new(&definition.basic_auth),
            challenge: challenge(&definition.name)?,
        })
    }

    /// The session of the user whose password the request carries.
    pub async fn run(&self, exchange: &mut Exchange, sockets: &Sockets) -> Result<Arc<Session>, Stop> {
        let claimed = self.claimed(exchange).await?;
        let wrong = || AuthError::from(BasicError::Unauthorised(self.challenge.clone()));
        let session = self.user(&sockets.store, &claimed.user).await.ok_or_else(wrong)?;
        let right = self.passwords.check(&session, claimed.password).await;
        Ok(right.then_some(session).ok_or_else(wrong)?)
    }

    /// The body is looked at only where the header says nothing usable.
    async fn claimed(&self, exchange: &mut Exchange) -> Result<Credentials, Stop> {
        let header = match self.source.read(&exchange.head) {
            Some(credential) => Credentials::parse(&credential),
            None => Err(BasicError::Missing(self.challenge.clone())),
        };
        let claimed = match (header, &self.body) {
            (Err(_), Some(rules)) => {
                let read = exchange.body.read(None).await;
                rules.find(read.map_err(Failure::from)?)
            }
            (header, _) => header,
        };
        Ok(claimed.map_err(AuthError::from)?)
    }

    /// Users are keys; those of older gateways have ids of the older form.
    async fn user(&self, store: &Store, name: &str) -> Option<Arc<Session>> {
        let org_id = &self.lookup.org_id;
        let (id, older) = (self.lookup.hashing().token(org_id, name), format!("{org_id}{name}"));
        let has_older = id != older;
        match self.lookup.get(store, id).await.ok()? {
            None if has_older => self.lookup.get(store, older).await.ok()?,
            found => found,
        }
    }
}

impl Credentials {
    /// Reads `Basic base64(user:password)`; the first word may be any.
    fn parse(credential: &str) -> Result<Self, BasicError> {
        let (_, encoded) = once(credential, ' ').ok_or(BasicError::Words)?;
        let decoded = STANDARD.decode(encoded).map_err(|_| BasicError::Encoding)?;
        let decoded = String::from_utf8(decoded).map_err(|_| BasicError::Encoding)?;
        let (user, password) = once(&decoded, ':').ok_or(BasicError::Colon)?;
        Ok(Self { user: user.to_owned(), password: password.to_owned() })
    }
}

/// The two sides of a mark that stands there exactly once.
fn once(text: &str, mark: char) -> Option<(&str, &str)> {
    text.split_once(mark).filter(|(_, rest)| !rest.contains(mark))
}

fn challenge(name: &str) -> Result<HeaderValue, Refusal> {
    let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::try_from(format!("Basic realm=\"{quoted}\"")).map_err(|_| Refusal {
        path: "name".to_owned(),
        reason: format!("{name:?} cannot be the realm of basic auth: remove its control characters"),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_two_words_in_base64_with_one_colon() {
        let parse = |text: &str| Credentials::parse(text).map(|read| (read.user, read.password));
        let of = |text: &str| format!("any {}", STANDARD.encode(text));
        assert_eq!(parse("Basic dXNlcjpwdw=="), Ok(("user".into(), "pw".into())));
        assert_eq!(parse(&of(":")), Ok((String::new(), String::new())));
        for words in ["Basic", "Basic  dXNlcjpwdw==", "Basic dXNlcjpwdw== x", "dXNlcjpwdw=="] {
            assert_eq!(parse(words), Err(BasicError::Words), "{words}");
        }
        for encoding in ["Basic dXNlcjpwdw", "Basic %", "Basic /w=="] {
            assert_eq!(parse(encoding), Err(BasicError::Encoding), "{encoding}");
        }
        assert_eq!([parse(&of("user")), parse(&of("a:b:c"))], [Err(BasicError::Colon), Err(BasicError::Colon)]);
    }

    #[test]
    fn the_challenge_names_the_api() {
        assert_eq!(challenge("My API").unwrap(), "Basic realm=\"My API\"");
        assert_eq!(challenge("a\"b").unwrap(), "Basic realm=\"a\\\"b\"");
        assert_eq!(challenge("a\nb").unwrap_err().path, "name");
    }
}
