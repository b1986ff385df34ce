//! The families of algorithms that sign JWTs. The definition says which; a token never does.

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};

use crate::definition::Refusal;

/// `jwt_signing_method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Hmac,
    Rsa,
    Ecdsa,
    Eddsa,
}

impl Method {
    /// None is no method: a guess could take a public key for a shared secret.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "hmac" => Ok(Self::Hmac),
            "rsa" => Ok(Self::Rsa),
            "ecdsa" => Ok(Self::Ecdsa),
            "eddsa" => Ok(Self::Eddsa),
            other => Err(Refusal {
                path: "jwt_signing_method".to_owned(),
                reason: format!(
                    "{other:?} is no signing method, so no JWT could be trusted: write hmac, rsa, ecdsa or eddsa"
                ),
            }),
        }
    }

    pub(super) fn family(self) -> AlgorithmFamily {
        match self {
            Self::Hmac => AlgorithmFamily::Hmac,
            Self::Rsa => AlgorithmFamily::Rsa,
            Self::Ecdsa => AlgorithmFamily::Ec,
            Self::Eddsa => AlgorithmFamily::Ed,
        }
    }

    /// The algorithm of that name, if it is of this family.
    pub(super) fn algorithm(self, name: &str) -> Option<Algorithm> {
        name.parse().ok().filter(|algorithm: &Algorithm| algorithm.family() == self.family())
    }

    /// A shared secret, or a public key in PEM; none of something else or of nothing.
    pub(super) fn key(self, bytes: &[u8]) -> Option<DecodingKey> {
        let (pem, private) = (contains(bytes, b"-----BEGIN "), contains(bytes, b"PRIVATE KEY"));
        match self {
            Self::Hmac => (!bytes.is_empty() && !pem).then(|| DecodingKey::from_secret(bytes)),
            _ if private => None,
            Self::Rsa => DecodingKey::from_rsa_pem(bytes).ok(),
            Self::Ecdsa => DecodingKey::from_ec_pem(bytes).ok(),
            Self::Eddsa => DecodingKey::from_ed_pem(bytes).ok(),
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData};

    use super::*;

    #[test]
    fn a_token_cannot_leave_the_family() {
        for (method, inside) in [
            (Method::Hmac, ["HS256", "HS512"]),
            (Method::Rsa, ["RS256", "PS384"]),
            (Method::Ecdsa, ["ES256", "ES384"]),
            (Method::Eddsa, ["EdDSA", "EdDSA"]),
        ] {
            for name in ["HS256", "HS512", "RS256", "PS384", "ES256", "ES384", "EdDSA", "none", "None", "", "hs256"] {
                assert_eq!(method.algorithm(name).is_some(), inside.contains(&name), "{method:?} {name}");
            }
        }
    }

    #[test]
    fn a_key_is_of_the_methods_kind() {
        let [ec, ed] = [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519].map(|kind| KeyPair::generate_for(kind).unwrap());
        assert!(!ec.der_bytes().is_empty());
        let public = [ec.public_key_pem(), ed.public_key_pem()];
        let fits = |method: Method| {
            [public[0].as_bytes(), public[1].as_bytes(), b"secret", b""].map(|key| method.key(key).is_some())
        };
        assert_eq!(fits(Method::Hmac), [false, false, true, false]);
        assert_eq!(fits(Method::Ecdsa), [true, false, false, false]);
        assert_eq!(fits(Method::Eddsa), [false, true, false, false]);
        assert_eq!(fits(Method::Rsa), [false; 4]);
        assert!(Method::Ecdsa.key(ec.serialize_pem().as_bytes()).is_none());
    }

    #[test]
    fn without_a_known_method_nothing_is_served() {
        for text in ["", "HMAC", "none"] {
            assert_eq!(Method::parse(text).unwrap_err().path, "jwt_signing_method");
        }
    }
}
