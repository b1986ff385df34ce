//! Request targets: what is accepted keeps its spelling, whatever is done with it.

use http::Uri;
use outrigger_gateway::exchange::{Target, query};
use outrigger_gateway::pattern::ListenPath;

/// Takes a text of up to three lines: a target, a listen path and another query.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let (text, prefix, other) = (lines.next().unwrap_or_default(), lines.next(), lines.next());
    if let Ok(uri) = Uri::try_from(text)
        && let Ok(target) = Target::from_uri(&uri)
    {
        stands(&target);
    }
    let Ok(target) = Target::parse(text) else { return };
    stands(&target);
    parts(&target);
    queries(&target, other.unwrap_or_default());
    if let Some(prefix) = prefix {
        strip(&target, prefix);
    }
}

/// A target that was read is read as itself.
fn stands(target: &Target) {
    assert_eq!(Target::parse(target.as_str()).as_ref(), Ok(target));
}

/// The parts of a target make the target.
fn parts(target: &Target) {
    let origin = target.origin().map(|(scheme, authority)| format!("{scheme}://{authority}")).unwrap_or_default();
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    assert_eq!(format!("{origin}{}{query}", target.path()), target.as_str());
    assert_eq!(format!("{origin}{}", target.relative()), target.as_str());
    assert!(target.resource().starts_with(['/', '*']), "{target:?}");
    assert_eq!(&Target::upstream(&origin, target.path(), target.query()), target);
    let respelled = target.with_decoded_path(&target.decoded_path());
    assert_eq!(respelled.decoded_path(), target.decoded_path(), "{target:?}");
    stands(&respelled);
}

/// A query can be exchanged, and says the same once it is written anew.
fn queries(target: &Target, other: &str) {
    assert_eq!(&target.with_query(target.query()), target);
    assert_eq!(target.with_query(None).query(), None);
    if !other.bytes().any(|byte| byte.is_ascii_control()) {
        let changed = target.with_query(Some(other));
        assert_eq!((changed.path(), changed.query()), (target.path(), Some(other)));
        stands(&changed);
    }
    for query in [target.query().unwrap_or_default(), other] {
        let values = query::values(query);
        let encoded = query::encode(&values);
        assert_eq!(query::values(&encoded), values, "{query:?}");
        stands(&target.with_query(Some(&encoded)));
    }
}

/// Below a listen path there is a path, spelled legally.
fn strip(target: &Target, prefix: &str) {
    let Ok(listen_path) = ListenPath::parse(prefix) else { return };
    let path = listen_path.strip(target);
    assert!(path.starts_with('/') || path == target.path(), "{path:?} of {target:?}");
    if path.starts_with('/') {
        stands(&Target::upstream("http://upstream.test", &path, target.query()));
    }
    listen_path.below(target);
    listen_path.matches(&target.decoded_path(), true);
}
