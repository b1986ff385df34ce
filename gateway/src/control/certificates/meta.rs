//! What is told of a certificate, in the original's JSON.

use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::asn1_rs::Tag;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
use x509_parser::x509::AttributeTypeAndValue;

use crate::certificate::{Fingerprint, Stored};

/// What the original writes for a time that is not there.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Attributes with a member of their own: object identifier, name, and whether there may be several.
const ATTRIBUTES: [(&str, &str, bool); 9] = [
    ("2.5.4.6", "Country", true),
    ("2.5.4.10", "Organization", true),
    ("2.5.4.11", "OrganizationalUnit", true),
    ("2.5.4.7", "Locality", true),
    ("2.5.4.8", "Province", true),
    ("2.5.4.9", "StreetAddress", true),
    ("2.5.4.17", "PostalCode", true),
    ("2.5.4.5", "SerialNumber", false),
    ("2.5.4.3", "CommonName", false),
];

/// A line of a list.
#[derive(Serialize)]
pub(super) struct Basics {
    id: String,
    issuer_cn: String,
    subject_cn: String,
    dns_names: Option<Vec<String>>,
    has_private: bool,
    not_before: String,
    not_after: String,
    is_ca: bool,
}

/// All that is told.
#[derive(Serialize)]
pub(super) struct Meta {
    id: String,
    fingerprint: String,
    has_private: bool,
    issuer: Value,
    subject: Value,
    not_before: String,
    not_after: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns_names: Option<Vec<String>>,
    is_ca: bool,
}

impl Basics {
    pub(super) fn of(id: &str, stored: &Stored) -> Self {
        let Meta { issuer, subject, has_private, not_before, not_after, dns_names, is_ca, .. } = Meta::of(id, stored);
        let common_name = |name: &Value| name["CommonName"].as_str().unwrap_or_default().to_owned();
        let (issuer_cn, subject_cn) = (common_name(&issuer), common_name(&subject));
        Self { id: id.to_owned(), issuer_cn, subject_cn, dns_names, has_private, not_before, not_after, is_ca }
    }
}

impl Meta {
    pub(super) fn of(id: &str, stored: &Stored) -> Self {
        let parsed = stored.certificate().map(|der| (der, X509Certificate::from_der(der)));
        let Some((der, Ok((_, certificate)))) = parsed else { return Self::of_public_key(id, stored) };
        let validity = certificate.validity();
        let constraints = certificate.basic_constraints().ok().flatten();
        Self {
            id: id.to_owned(),
            fingerprint: Fingerprint::of(der).to_string(),
            has_private: stored.has_private_key(),
            issuer: name(certificate.issuer()),
            subject: name(certificate.subject()),
            not_before: instant(validity.not_before.to_datetime()),
            not_after: instant(validity.not_after.to_datetime()),
            dns_names: Some(dns_names(&certificate)).filter(|names| !names.is_empty()),
            is_ca: constraints.is_some_and(|constraints| constraints.value.ca),
        }
    }

    /// It has no more than a hash.
    fn of_public_key(id: &str, stored: &Stored) -> Self {
        let hash = stored.public_key().map(|key| Fingerprint::of(&key).to_string()).unwrap_or_default();
        Self {
            id: id.to_owned(),
            fingerprint: hash.clone(),
            has_private: false,
            issuer: nameless(""),
            subject: nameless(&format!("Public Key: {hash}")),
            not_before: NEVER.to_owned(),
            not_after: NEVER.to_owned(),
            dns_names: None,
            is_ca: false,
        }
    }
}

fn instant(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_else(|_| NEVER.to_owned())
}

fn dns_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let of_dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(of_dns).collect()
}

/// A name without attributes but this one.
fn nameless(common_name: &str) -> Value {
    let mut members = Map::new();
    for (_, member, several) in ATTRIBUTES {
        members.insert(member.to_owned(), if several { Value::Null } else { "".into() });
    }
    members.insert("CommonName".to_owned(), common_name.into());
    members.insert("Names".to_owned(), Value::Null);
    members.insert("ExtraNames".to_owned(), Value::Null);
    Value::Object(members)
}

fn name(name: &X509Name<'_>) -> Value {
    let mut members = nameless("");
    for attribute in name.iter_attributes() {
        let identifier = attribute.attr_type().to_id_string();
        let value = text(attribute);
        for (_, member, several) in ATTRIBUTES.iter().filter(|(known, ..)| *known == identifier) {
            match &mut members[*member] {
                Value::Array(values) => values.push(value.clone().into()),
                place if *several => *place = json!([value]),
                place => *place = value.clone().into(),
            }
        }
        let arcs: Vec<u64> = identifier.split('.').filter_map(|arc| arc.parse().ok()).collect();
        let listed = json!({"Type": arcs, "Value": value});
        match &mut members["Names"] {
            Value::Array(names) => names.push(listed),
            place => *place = json!([listed]),
        }
    }
    members
}

fn text(attribute: &AttributeTypeAndValue<'_>) -> String {
    let value = attribute.attr_value();
    match value.header.tag() {
        // UTF-16, as old authorities write.
        Tag::BmpString => {
            let units = value.data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => String::from_utf8_lossy(value.data).into_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_certificate_is_told_of_as_the_original_does() {
        let mut parameters = CertificateParams::new(["a.test".to_owned(), "b.test".to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2024, 3, 25);
        parameters.not_after = date_time_ymd(2099, 3, 26);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "tester");
        parameters.distinguished_name.push(DnType::OrganizationName, "testing");
        let made = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let stored = Stored::read(made.pem()).unwrap();
        let fingerprint = Fingerprint::of(made.der()).to_string();
        let name = json!({
            "Country": null, "Organization": ["testing"], "OrganizationalUnit": null, "Locality": null,
            "Province": null, "StreetAddress": null, "PostalCode": null, "SerialNumber": "", "CommonName": "tester",
            "Names": [{"Type": [2, 5, 4, 3], "Value": "tester"}, {"Type": [2, 5, 4, 10], "Value": "testing"}],
            "ExtraNames": null,
        });
        let expected = json!({
            "id": "x", "fingerprint": fingerprint, "has_private": false, "issuer": name, "subject": name,
            "not_before": "2024-03-25T00:00:00Z", "not_after": "2099-03-26T00:00:00Z",
            "dns_names": ["a.test", "b.test"], "is_ca": true,
        });
        assert_eq!(serde_json::to_value(Meta::of("x", &stored)).unwrap(), expected);
        let expected = json!({
            "id": "x", "issuer_cn": "tester", "subject_cn": "tester", "dns_names": ["a.test", "b.test"],
            "has_private": false, "not_before": "2024-03-25T00:00:00Z", "not_after": "2099-03-26T00:00:00Z",
            "is_ca": true,
        });
        assert_eq!(serde_json::to_value(Basics::of("x", &stored)).unwrap(), expected);
    }

    #[test]
    fn a_public_key_has_a_hash_for_a_name() {
        let key = KeyPair::generate().unwrap();
        let stored = Stored::read(key.public_key_pem()).unwrap();
        let meta = serde_json::to_value(Meta::of("x", &stored)).unwrap();
        let hash = Fingerprint::of(&stored.public_key().unwrap()).to_string();
        assert_eq!(meta["subject"]["CommonName"], format!("Public Key: {hash}"));
        assert_eq!((&meta["not_after"], &meta["fingerprint"]), (&json!(NEVER), &json!(hash)));
    }
}
