//! What operators let callers be told in other words: `override_messages`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::StatusCode;

use super::Failure;
use crate::auth::{AuthError, TokenError};
use crate::definition::Refusal;

/// The ids that a refusal has here: there is no OAuth, and certificates need not be stored.
const IDS: [&str; 5] = [MISSING, UNKNOWN, NO_CERTIFICATE, OTHER_CERTIFICATE, EXPIRED_CERTIFICATE];

const MISSING: &str = "auth.auth_field_missing";
const UNKNOWN: &str = "auth.key_not_found";
const NO_CERTIFICATE: &str = "auth.cert_required";
const OTHER_CERTIFICATE: &str = "auth.cert_mismatch";
const EXPIRED_CERTIFICATE: &str = "auth.cert_expired";

/// Other words and statuses for refusals, by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wordings(BTreeMap<String, Wording>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wording {
    status: Option<StatusCode>,
    text: Option<String>,
}

impl Wordings {
    /// Texts and statuses by id, as written at this JSON path: an empty text and the status 0 change nothing.
    pub fn compile(at: &str, written: BTreeMap<String, (String, u16)>) -> Result<Self, Refusal> {
        let wording = |(id, (text, code)): (String, (String, u16))| {
            let status = match code {
                0 => None,
                400..=999 => StatusCode::from_u16(code).ok(),
                _ => {
                    let reason = format!("{code} is no status of a refusal: write 400 to 999");
                    return Err(Refusal { path: format!("{at}.{id}.code"), reason });
                }
            };
            Ok((id, Wording { status, text: Some(text).filter(|text| !text.is_empty()) }))
        };
        written.into_iter().map(wording).collect::<Result<_, _>>().map(Self)
    }

    /// The ids that no refusal has.
    pub fn idle(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|id| !IDS.contains(id))
    }

    /// What the client is told of a failure.
    pub fn answer<'a>(&'a self, failure: &Failure) -> (StatusCode, Cow<'a, str>) {
        let (status, text) = failure.answer();
        let Some(wording) = id(failure).and_then(|id| self.0.get(id)) else { return (status, text) };
        (wording.status.unwrap_or(status), wording.text.as_deref().map_or(text, Cow::Borrowed))
    }
}

fn id(failure: &Failure) -> Option<&'static str> {
    let Failure::Auth(AuthError::Token(error)) = failure else { return None };
    Some(match error {
        TokenError::Missing => MISSING,
        TokenError::Unknown => UNKNOWN,
        TokenError::NoCertificate => NO_CERTIFICATE,
        TokenError::OtherCertificate => OTHER_CERTIFICATE,
        TokenError::ExpiredCertificate => EXPIRED_CERTIFICATE,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn wordings(id: &str, text: &str, code: u16) -> Result<Wordings, Refusal> {
        Wordings::compile("override_messages", [(id.to_owned(), (text.to_owned(), code))].into())
    }

    #[test]
    fn a_refusal_with_an_id_has_another_text_or_status() {
        let failure = Failure::Auth(AuthError::Token(TokenError::Unknown));
        let told = |wordings: &Wordings| {
            let (status, text) = wordings.answer(&failure);
            (status.as_u16(), text.into_owned())
        };
        let usual = "Access to this API has been disallowed".to_owned();
        assert_eq!(told(&wordings(UNKNOWN, "who?", 404).unwrap()), (404, "who?".to_owned()));
        assert_eq!(told(&wordings(UNKNOWN, "", 404).unwrap()), (404, usual.clone()));
        assert_eq!(told(&wordings(UNKNOWN, "who?", 0).unwrap()), (403, "who?".to_owned()));
        assert_eq!(told(&wordings(MISSING, "who?", 404).unwrap()), (403, usual));
    }

    #[test]
    fn what_cannot_be_told_is_refused_and_what_nobody_is_told_is_known() {
        assert_eq!(wordings(UNKNOWN, "", 200).unwrap_err().path, "override_messages.auth.key_not_found.code");
        let idle = |id| wordings(id, "text", 0).unwrap().idle().next().map(str::to_owned);
        assert_eq!([idle("auth.nothing"), idle(UNKNOWN)], [Some("auth.nothing".to_owned()), None]);
    }
}
