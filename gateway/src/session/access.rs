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

/// Refuses a session whose access rights leave this API out; no rights at all open every API.
pub fn check_rights(session: &State, api_id: &str) -> Result<(), Denied> {
    if session.access_rights.is_empty() || session.access_rights.contains_key(api_id) {
        return Ok(());
    }
    Err(Denied::Api)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entitled(api_id: &str) -> State {
        State { access_rights: [(api_id.to_owned(), Box::default())].into(), ..Default::default() }
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
        assert_eq!(check_rights(&entitled("a"), "a"), Ok(()));
        assert_eq!(check_rights(&entitled("a"), "b"), Err(Denied::Api));
    }
}
