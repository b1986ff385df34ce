//! The credential `Signature keyId="…",algorithm="…",headers="…",signature="…"`.

use aws_lc_rs::hmac;

/// How a request is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    HmacSha1,
    HmacSha256,
    HmacSha384,
    HmacSha512,
    RsaSha256,
}

/// What a caller says about its signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) key_id: &'a str,
    pub(super) algorithm: Algorithm,
    /// What is signed, names separated by spaces.
    pub(super) headers: &'a str,
    pub(super) signature: &'a str,
}

impl Algorithm {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "hmac-sha1" => Some(Self::HmacSha1),
            "hmac-sha256" => Some(Self::HmacSha256),
            "hmac-sha384" => Some(Self::HmacSha384),
            "hmac-sha512" => Some(Self::HmacSha512),
            "rsa-sha256" => Some(Self::RsaSha256),
            _ => None,
        }
    }

    /// The same where it needs a secret.
    pub(super) fn hmac(self) -> Option<hmac::Algorithm> {
        match self {
            Self::HmacSha1 => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Self::HmacSha256 => Some(hmac::HMAC_SHA256),
            Self::HmacSha384 => Some(hmac::HMAC_SHA384),
            Self::HmacSha512 => Some(hmac::HMAC_SHA512),
            Self::RsaSha256 => None,
        }
    }
}

impl<'a> Field<'a> {
    /// Reads a credential; without `headers` the date is signed. A part that stands twice is refused.
    pub(super) fn parse(credential: &'a str) -> Option<Self> {
        let (word, mut rest) = credential.split_once(' ')?;
        if !word.eq_ignore_ascii_case("Signature") {
            return None;
        }
        let [mut key_id, mut algorithm, mut headers, mut signature] = [None; 4];
        while !rest.trim_start().is_empty() {
            let (name, value, after) = part(rest)?;
            rest = after;
            let place = match name {
                "keyId" => &mut key_id,
                "algorithm" => &mut algorithm,
                "headers" => &mut headers,
                "signature" => &mut signature,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        let filled = |value: Option<&'a str>| value.filter(|value| !value.is_empty());
        Some(Self {
            key_id: filled(key_id)?,
            algorithm: Algorithm::parse(algorithm?)?,
            headers: filled(headers).unwrap_or("date"),
            signature: filled(signature)?,
        })
    }
}

/// The first `name="value"`, and what follows its comma.
fn part(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let (value, after) = rest.strip_prefix('"')?.split_once('"')?;
    let after = after.trim_start();
    let after = if after.is_empty() { after } else { after.strip_prefix(',')? };
    Some((name.trim(), value, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_any_order_and_unknown_ones_are_passed_over() {
        let text = r#"signature algorithm="hmac-sha1", created="1",signature="a=b,c",keyId="k" ,headers="date x-a""#;
        let read = Field { key_id: "k", algorithm: Algorithm::HmacSha1, headers: "date x-a", signature: "a=b,c" };
        assert_eq!(Field::parse(text), Some(read));
        let short = Field::parse(r#"Signature keyId="k",algorithm="rsa-sha256",signature="s""#);
        assert_eq!(short.map(|field| field.headers), Some("date"));
    }

    #[test]
    fn what_lacks_a_part_or_is_malformed_is_not_read() {
        for text in [
            "",
            "Signature",
            r#"Bearer keyId="k",algorithm="hmac-sha1",signature="s""#,
            r#"Signature algorithm="hmac-sha1",signature="s""#,
            r#"Signature keyId="",algorithm="hmac-sha1",signature="s""#,
            r#"Signature keyId="k",algorithm="none",signature="s""#,
            r#"Signature keyId="k",algorithm="hmac-sha1",signature="""#,
            r#"Signature keyId="k" algorithm="hmac-sha1",signature="s""#,
            r#"Signature keyId="k",keyId="l",algorithm="hmac-sha1",signature="s""#,
            r#"Signature keyId=k,algorithm="hmac-sha1",signature="s""#,
            r#"Signature keyId="k",algorithm="hmac-sha1",signature="s"#,
        ] {
            assert_eq!(Field::parse(text), None, "{text}");
        }
    }
}
