//! Whether a session opens this API and this path, now.

use super::{AllowedUrl, Denied, State};
use crate::pattern::re2;

/// Refuses an inactive or expired session; `now` in unix seconds.
pub fn check_expiry(session: &State, now: i64) -> Result<(), Denied> {
    if session.is_inactive {
        return Err(Denied::Inactive);
    }
    if session.expires > 0 && session.expires < now {
        return Err(Denied::Expired);
    }
    Ok(())
}

/// Refuses a session whose access rights leave this API out; no rights at all open every API.
pub fn check_rights(session: &State, api_id: &str) -> Result<(), Denied> {
    if session.access_rights.is_empty() || session.access_rights.contains_key(api_id) {
        return Ok(());
    }
    Err(Denied::Api)
}

/// Refuses a path and method that the session's allowed URLs for this API do not name.
pub fn check_urls(session: &State, api_id: &str, method: &str, path: &str) -> Result<(), Denied> {
    let Some(rights) = session.access_rights.get(api_id).filter(|rights| !rights.allowed_urls.is_empty()) else {
        return Ok(());
    };
    let allowed = rights.allowed_urls.iter().any(|url| names(url, method, path));
    allowed.then_some(()).ok_or(Denied::Path)
}

/// A pattern that is no regular expression opens nothing.
fn names(url: &AllowedUrl, method: &str, path: &str) -> bool {
    url.methods.iter().any(|m| m == method) && re2::compile(&url.url).is_ok_and(|pattern| pattern.is_match(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::AccessDefinition;

    fn entitled(urls: Vec<AllowedUrl>) -> State {
        let rights = AccessDefinition { allowed_urls: urls, ..Default::default() };
        State { access_rights: [("a".to_owned(), Box::new(rights))].into(), ..Default::default() }
    }

    fn url(pattern: &str) -> AllowedUrl {
        AllowedUrl { url: pattern.into(), methods: vec!["GET".into()] }
    }

    #[test]
    fn a_key_is_refused_when_inactive_or_past_its_expiry() {
        let at = |expires| check_expiry(&State { expires, ..Default::default() }, 100);
        assert_eq!((at(0), at(-1), at(100), at(99)), (Ok(()), Ok(()), Ok(()), Err(Denied::Expired)));
        let inactive = State { is_inactive: true, ..Default::default() };
        assert_eq!(check_expiry(&inactive, 100), Err(Denied::Inactive));
    }

    #[test]
    fn empty_rights_open_every_api_and_others_only_what_they_name() {
        assert_eq!(check_rights(&State::default(), "b"), Ok(()));
        assert_eq!(check_rights(&entitled(vec![]), "a"), Ok(()));
        assert_eq!(check_rights(&entitled(vec![]), "b"), Err(Denied::Api));
    }

    #[test]
    fn allowed_urls_are_unanchored_patterns_with_methods() {
        let session = entitled(vec![url("(broken"), url("/x")]);
        assert_eq!(check_urls(&session, "a", "GET", "/k/x1"), Ok(()));
        assert_eq!(check_urls(&session, "a", "POST", "/k/x1"), Err(Denied::Path));
        assert_eq!(check_urls(&session, "a", "GET", "/k/y"), Err(Denied::Path));
        assert_eq!(check_urls(&entitled(vec![]), "a", "GET", "/k/y"), Ok(()));
    }
}
