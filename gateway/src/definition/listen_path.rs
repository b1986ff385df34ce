//! The listen path, as written and as matched.

/// Cleans a listen path, or says what is wrong with it.
pub(super) fn normalise(written: &str) -> Result<String, String> {
    if written.is_empty() {
        return Err("the listen path is missing: write one like \"/my-api/\"".to_owned());
    }
    if written.contains(' ') {
        return Err(format!("{written:?} has a space in it: write a listen path without"));
    }
    Ok(clean(written))
}

/// Drops empty, `.` and `..` segments; a slash at the end stays.
fn clean(written: &str) -> String {
    let mut segments = Vec::new();
    for segment in written.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let path = format!("/{}", segments.join("/"));
    if written.ends_with('/') && path != "/" { path + "/" } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_keep_their_last_slash() {
        for (written, path) in [
            ("/a/", "/a/"),
            ("a", "/a"),
            ("//a//b/./c", "/a/b/c"),
            ("/a/../b/", "/b/"),
            ("/../..", "/"),
            ("/", "/"),
            ("//", "/"),
            ("users/{id:[0-9]+}/", "/users/{id:[0-9]+}/"),
        ] {
            assert_eq!(normalise(written).as_deref(), Ok(path), "{written}");
        }
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        for written in ["", "/a b/"] {
            assert!(normalise(written).is_err(), "{written}");
        }
    }
}
