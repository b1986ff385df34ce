//! Finds user name and password in a request's body.

use regex::bytes::Regex;

use super::Credentials;
use crate::auth::error::BasicError;
use crate::definition::{self, Refusal};

/// Expressions whose first group is what is looked for.
#[derive(Debug)]
pub(super) struct BodyRules {
    user: Regex,
    password: Regex,
}

impl BodyRules {
    /// Reads the expressions, if the body counts at all.
    pub(super) fn compile(written: &definition::BasicAuth) -> Result<Option<Self>, Refusal> {
        if !written.extract_from_body {
            return Ok(None);
        }
        let user = expression("basic_auth.body_user_regexp", &written.body_user_regexp)?;
        let password = expression("basic_auth.body_password_regexp", &written.body_password_regexp)?;
        Ok(Some(Self { user, password }))
    }

    pub(super) fn find(&self, body: &[u8]) -> Result<Credentials, BasicError> {
        let user = group(&self.user, body, BasicError::NoUser, BasicError::NoUserGroup)?;
        let password = group(&self.password, body, BasicError::NoPassword, BasicError::NoPasswordGroup)?;
        Ok(Credentials { user, password })
    }
}

fn expression(path: &str, text: &str) -> Result<Regex, Refusal> {
    Regex::new(text).map_err(|error| Refusal {
        path: path.to_owned(),
        reason: format!("{text:?} is no regular expression, so no credentials could be found: {error}"),
    })
}

fn group(rule: &Regex, body: &[u8], unmatched: BasicError, groupless: BasicError) -> Result<String, BasicError> {
    let found = rule.captures(body).ok_or(unmatched)?;
    if found.len() < 2 {
        return Err(groupless);
    }
    Ok(found.get(1).map(|group| String::from_utf8_lossy(group.as_bytes()).into_owned()).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rules(user: &str, password: &str) -> Result<Option<BodyRules>, Refusal> {
        BodyRules::compile(&definition::BasicAuth {
            extract_from_body: true,
            body_user_regexp: user.into(),
            body_password_regexp: password.into(),
            ..Default::default()
        })
    }

    #[test]
    fn the_first_group_of_each_expression_counts() {
        let body = b"<u>ann</u><p>secret</p>";
        let find = |user: &str, password: &str| rules(user, password).unwrap().unwrap().find(body);
        let (user, password) = ("<u>(.*)</u>", "<p>(.*)</p>");
        assert_eq!(find(user, password), Ok(Credentials { user: "ann".into(), password: "secret".into() }));
        assert_eq!(find("<x>(.*)", password), Err(BasicError::NoUser));
        assert_eq!(find("<u>", password), Err(BasicError::NoUserGroup));
        assert_eq!(find(user, "<x>(.*)"), Err(BasicError::NoPassword));
        assert_eq!(find(user, "<p>"), Err(BasicError::NoPasswordGroup));
    }

    #[test]
    fn a_broken_expression_is_refused_where_it_stands() {
        assert_eq!(rules("(", "").unwrap_err().path, "basic_auth.body_user_regexp");
        assert_eq!(rules("", "(").unwrap_err().path, "basic_auth.body_password_regexp");
        assert!(BodyRules::compile(&definition::BasicAuth::default()).unwrap().is_none());
    }
}
