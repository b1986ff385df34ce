//! Who may use the REST API: whoever knows the secret.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderMap;

use crate::config::{Control, Secret};

const HEADER: &str = "x-tyk-authorization";

/// Whether a request carries the secret. An empty secret is none: it lets nobody in, unless the
/// operator opened the API to those who send none.
pub(super) fn permits(Control { secret: Secret(secret), open, .. }: &Control, headers: &HeaderMap) -> bool {
    let given = headers.get(HEADER).map(http::HeaderValue::as_bytes).unwrap_or_default();
    if secret.is_empty() {
        return *open && given.is_empty();
    }
    verify_slices_are_equal(secret.as_bytes(), given).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn permitted(secret: &str, open: bool, given: Option<&str>) -> bool {
        let control = Control { secret: Secret(secret.to_owned()), open, ..Control::default() };
        let headers = given.map(|given| (HEADER.parse().unwrap(), given.parse().unwrap()));
        permits(&control, &headers.into_iter().collect())
    }

    #[test]
    fn only_the_secret_opens_the_api() {
        assert!(permitted("s", false, Some("s")));
        for given in [None, Some(""), Some("t"), Some("ss")] {
            assert!(!permitted("s", true, given), "{given:?}");
        }
    }

    #[test]
    fn without_a_secret_nobody_gets_in_unless_the_operator_says_so() {
        for given in [None, Some(""), Some("s")] {
            assert!(!permitted("", false, given), "{given:?}");
        }
        assert!(permitted("", true, None) && !permitted("", true, Some("s")));
    }
}
