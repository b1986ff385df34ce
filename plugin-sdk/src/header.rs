//! Header names: the spelling in which gateways keep them.

/// Spells `name` as gateways do: each dash-separated part capitalised, the rest in lower case.
///
/// A name with a byte that no header name may have stays as it is.
pub(crate) fn canonical(name: &str) -> String {
    if !name.bytes().all(is_token) {
        return name.to_owned();
    }
    let mut starts_part = true;
    let spell = |letter: char| {
        let spelled = if starts_part { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        starts_part = letter == '-';
        spelled
    };
    name.chars().map(spell).collect()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn names_are_spelled_as_the_gateway_spells_them() {
        assert_eq!(canonical("x-api-key"), "X-Api-Key");
        assert_eq!(canonical("WWW-authenticate"), "Www-Authenticate");
        assert_eq!(canonical("X_FOO"), "X_foo");
        assert_eq!(canonical("ETag"), "Etag");
    }

    #[test]
    fn a_name_that_is_none_stays_as_it_is() {
        assert_eq!(canonical("my header"), "my header");
        assert_eq!(canonical(""), "");
    }
}
