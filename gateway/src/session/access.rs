//! Whether a session opens this API, now.

use super::{Denied, State};

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

/// Refuses a session whose access rights leave this API out, or this version of it, if it has
/// versions; no rights at all open every API.
pub fn check_rights(session: &State, api_id: &str, version: Option<&str>) -> Result<(), Denied> {
    if session.access_rights.is_empty() {
        return Ok(());
    }
    let rights = session.access_rights.get(api_id).ok_or(Denied::Api)?;
    let opens = version.is_none_or(|version| rights.versions.iter().any(|name| name == version));
    opens.then_some(()).ok_or(Denied::Api)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::AccessDefinition;

    fn entitled(api_id: &str, versions: &[&str]) -> State {
        let versions = versions.iter().map(|name| (*name).to_owned()).collect();
        let rights = AccessDefinition { versions, ..Default::default() };
        State { access_rights: [(api_id.to_owned(), Box::new(rights))].into(), ..Default::default() }
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
        assert_eq!(check_rights(&State::default(), "b", Some("v1")), Ok(()));
        assert_eq!(check_rights(&entitled("a", &[]), "a", None), Ok(()));
        assert_eq!(check_rights(&entitled("a", &[]), "b", None), Err(Denied::Api));
    }

    #[test]
    fn rights_open_only_the_versions_that_they_list() {
        for (listed, outcome) in [(&["v1", "v2"][..], Ok(())), (&["v2"], Err(Denied::Api)), (&[], Err(Denied::Api))] {
            assert_eq!(check_rights(&entitled("a", listed), "a", Some("v1")), outcome);
        }
    }
}
