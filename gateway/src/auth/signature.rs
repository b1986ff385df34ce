//! Signed requests: the caller shows that it knows a key's secret without sending it.

mod field;
mod message;
mod proof;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::field::{Algorithm, Field};
use self::proof::Proof;
use super::credential::Source;
use super::error::{AuthError, SignatureError};
use super::keys::Keys;
use super::lookup::Lookup;
use crate::definition::{Definition, Refusal};
use crate::error::Stop;
use crate::exchange::{Exchange, Head, unescape};
use crate::session::Session;
use crate::sockets::Sockets;

/// Authentication by a signature of parts of the request.
#[derive(Debug)]
pub struct SignatureAuth {
    pub(super) source: Source,
    lookup: Lookup,
    /// All if empty.
    allowed: Vec<Algorithm>,
    /// How far the signed date may be from now.
    skew: Option<Duration>,
}

impl SignatureAuth {
    /// Reads where the signature is found, and which signatures count.
    pub fn compile(definition: &Definition, keys: Arc<Keys>) -> Result<Self, Refusal> {
        let skew = u64::try_from(definition.hmac_allowed_clock_skew).ok().filter(|skew| *skew > 0);
        Ok(Self {
            source: Source::compile(definition, "hmac")?,
            lookup: Lookup::new(keys, &definition.org_id),
            allowed: allowed(&definition.hmac_allowed_algorithms)?,
            skew: skew.map(Duration::from_millis),
        })
    }

    /// The session of the key that signed the request.
    pub async fn run(&self, exchange: &mut Exchange, sockets: &Sockets) -> Result<Arc<Session>, Stop> {
        Ok(self.identify(&exchange.head, sockets).await.map_err(AuthError::from)?)
    }

    async fn identify(&self, head: &Head, sockets: &Sockets) -> Result<Arc<Session>, SignatureError> {
        let credential = self.source.read(head).ok_or(SignatureError::Refused("the request carries none"))?;
        let field = Field::parse(&credential).ok_or(SignatureError::Refused("it cannot be read"))?;
        if !self.allowed.is_empty() && !self.allowed.contains(&field.algorithm) {
            return Err(SignatureError::Refused("hmac_allowed_algorithms does not name its algorithm"));
        }
        self.check_date(head, &field)?;
        let session = self.lookup.find(&sockets.store, field.key_id).await;
        let session = session.ok_or(SignatureError::Refused("its key is unknown"))?;
        let proof = Proof::of(field.algorithm, &session.state, &sockets.store).await?;
        verify(head, &field, &proof)?;
        Ok(session)
    }

    /// A date that is not signed could be anybody's.
    fn check_date(&self, head: &Head, field: &Field<'_>) -> Result<(), SignatureError> {
        let Some(skew) = self.skew else { return Ok(()) };
        let date = message::signed_date(head, field).ok_or(SignatureError::Refused("it signs no date"))?;
        let date = read_date(date).ok_or(SignatureError::Refused("its date cannot be read"))?;
        let now = SystemTime::now();
        let apart = now.duration_since(date).unwrap_or_else(|later| later.duration());
        if apart > skew { Err(SignatureError::Refused("its date is too far from now")) } else { Ok(()) }
    }
}

/// Reads a date as HTTP writes it; some clients call its zone UTC.
fn read_date(text: &str) -> Option<SystemTime> {
    let of_http = text.strip_suffix("UTC").map(|rest| format!("{rest}GMT"));
    httpdate::parse_http_date(of_http.as_deref().unwrap_or(text)).ok()
}

fn allowed(names: &[String]) -> Result<Vec<Algorithm>, Refusal> {
    let read = |(index, name): (usize, &String)| {
        Algorithm::parse(name).ok_or_else(|| Refusal {
            path: format!("hmac_allowed_algorithms[{index}]"),
            reason: format!(
                "{name:?} is no algorithm: write hmac-sha1, hmac-sha256, hmac-sha384, hmac-sha512 or rsa-sha256"
            ),
        })
    };
    names.iter().enumerate().map(read).collect()
}

/// Whether the caller signed the request.
fn verify(head: &Head, field: &Field<'_>, proof: &Proof<'_>) -> Result<(), SignatureError> {
    let message = message::signed(head, field).ok_or(SignatureError::Refused("it signs a header that is not there"))?;
    let signature = unescape(field.signature, false).and_then(|text| STANDARD.decode(text).ok());
    let signature = signature.ok_or(SignatureError::Refused("it is not base64"))?;
    proof.verify(message.as_bytes(), &signature)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aws_lc_rs::hmac;

    use super::proof::certificate_id;
    use super::*;
    use crate::session::State;

    #[test]
    fn dates_are_read_in_the_zones_that_clients_write() {
        let read = |text| read_date(text)?.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs());
        assert_eq!(read("Sat, 07 Jun 2014 20:51:35 GMT"), Some(1_402_174_295));
        assert_eq!(read("Sat, 07 Jun 2014 20:51:35 UTC"), Some(1_402_174_295));
        assert_eq!([read(""), read("1402174295"), read("Sat, 32 Jun 2014 20:51:35 GMT")], [None; 3]);
    }

    const SIGNED: &str = "(request-target): get /a?b=1\ndate: Tue, 07 Jun 2014 20:51:35 GMT\nx-a: 1, 2";

    fn head() -> Head {
        let request = http::Request::get("/a?b=1").header("date", "Tue, 07 Jun 2014 20:51:35 GMT");
        let request = request.header("x-a", "1").header("x-a", " 2 ");
        Head::new(request.body(()).unwrap().into_parts().0).unwrap()
    }

    fn state() -> State {
        State { hmac_enabled: true, hmac_string: "secret".into(), ..State::default() }
    }

    fn signature(algorithm: hmac::Algorithm, message: &str) -> String {
        STANDARD.encode(hmac::sign(&hmac::Key::new(algorithm, b"secret"), message.as_bytes()))
    }

    fn check(algorithm: &str, signature: &str, state: &State) -> Result<(), SignatureError> {
        let text = format!(
            r#"Signature keyId="k",algorithm="{algorithm}",headers="(request-target) date x-a",signature="{signature}""#
        );
        let field = Field::parse(&text).unwrap();
        verify(&head(), &field, &Proof::secret(field.algorithm.hmac().unwrap(), state)?)
    }

    #[test]
    fn every_hmac_fits_its_own_secret_message_and_algorithm_only() {
        for (name, algorithm) in [
            ("hmac-sha1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            ("hmac-sha256", hmac::HMAC_SHA256),
            ("hmac-sha384", hmac::HMAC_SHA384),
            ("hmac-sha512", hmac::HMAC_SHA512),
        ] {
            let right = signature(algorithm, SIGNED);
            let escaped = right.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
            assert_eq!([check(name, &right, &state()), check(name, &escaped, &state())], [Ok(()), Ok(())], "{name}");
            let wrong = signature(algorithm, &SIGNED.replace("b=1", "b=2"));
            assert!(check(name, &wrong, &state()).is_err(), "{name}");
            assert!(check(name, &right, &State { hmac_string: "other".into(), ..state() }).is_err(), "{name}");
        }
        assert!(check("hmac-sha512", &signature(hmac::HMAC_SHA256, SIGNED), &state()).is_err());
    }

    #[test]
    fn a_key_that_may_not_sign_or_has_no_secret_lets_nobody_in() {
        let empty = STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b""), SIGNED.as_bytes()));
        assert!(check("hmac-sha256", &empty, &State { hmac_string: String::new(), ..state() }).is_err());
        let right = signature(hmac::HMAC_SHA256, SIGNED);
        assert!(check("hmac-sha256", &right, &State { hmac_enabled: false, ..state() }).is_err());
        let id = "a".repeat(64);
        let rsa = |id: &str| State { rsa_certificate_id: id.to_owned(), ..State::default() };
        let may = |id: &str| State { enable_http_signature_validation: true, ..rsa(id) };
        assert_eq!(certificate_id(&may(&id)), Ok(id.as_str()));
        assert_eq!(certificate_id(&may("/etc/key.pem")), Err(SignatureError::NoCertificate));
        assert!(matches!(certificate_id(&rsa(&id)), Err(SignatureError::Refused(_))));
    }

    #[test]
    fn an_unknown_algorithm_is_refused_where_it_stands() {
        let names = ["hmac-sha256".to_owned(), "md5".to_owned()];
        assert_eq!(allowed(&names).unwrap_err().path, "hmac_allowed_algorithms[1]");
        assert_eq!(allowed(&names[..1]).unwrap().len(), 1);
    }
}
