//! One message between nodes: JSON, signed with the secret that all nodes know.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

use crate::config::{Messages, Secret};

/// What a node tells all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Sessions changed; their names in the store, which are hashes or ids.
    KeysChanged(Vec<String>),
    /// APIs and policies are to be loaded anew.
    Reload,
    /// The replies that are kept of an API, by its id, no longer count.
    AnswersChanged(String),
    /// The keys that others publish for an API, by its id, no longer count.
    KeySetsChanged(String),
}

/// Why a message does not count.
#[derive(Debug, Error)]
pub enum NoticeError {
    /// It is not a message.
    #[error("it is no cluster message: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Its signature is missing or wrong.
    #[error("{command} is not signed with this node's secret: give all nodes the same node_secret")]
    Unsigned {
        /// What it asked for.
        command: String,
    },
}

/// SHA-256, as Go numbers it.
const SHA_256: i64 = 5;

const KEYS_CHANGED: &str = "KeySpaceUpdateNotification";
const GROUP_RELOAD: &str = "GroupReload";
const ANSWERS_CHANGED: &str = "DeleteAPICache";
const KEY_SETS_CHANGED: &str = "InvalidateJWKSCacheForAPI";

#[derive(Deserialize)]
struct Written {
    command: String,
    #[serde(default)]
    payload: String,
    #[serde(default)]
    signature: String,
    #[serde(default)]
    algorithm: i64,
}

/// Reads a message; `None` is one that this gateway has no use for.
pub fn parse(text: &[u8], messages: &Messages) -> Result<Option<Notice>, NoticeError> {
    let written: Written = serde_json::from_slice(text)?;
    let Some(notice) = notice(&written) else {
        return Ok(None);
    };
    if messages.allow_unsigned || is_signed(&written, &messages.secret) {
        return Ok(Some(notice));
    }
    Err(NoticeError::Unsigned { command: written.command })
}

fn notice(written: &Written) -> Option<Notice> {
    match written.command.as_str() {
        KEYS_CHANGED => Some(Notice::KeysChanged(names(&written.payload))),
        "ApiUpdated" | "ApiRemoved" | "ApiAdded" | "PolicyChanged" | GROUP_RELOAD => Some(Notice::Reload),
        ANSWERS_CHANGED => Some(Notice::AnswersChanged(written.payload.clone())),
        KEY_SETS_CHANGED => Some(Notice::KeySetsChanged(written.payload.clone())),
        _ => None,
    }
}

/// What follows a colon says how the name came to be.
fn names(payload: &str) -> Vec<String> {
    let names = payload.split(',').filter_map(|item| item.split(':').next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn is_signed(written: &Written, secret: &Secret) -> bool {
    let expected = signature(&written.command, &written.payload, secret);
    written.algorithm == SHA_256 && verify_slices_are_equal(expected.as_bytes(), written.signature.as_bytes()).is_ok()
}

fn signature(command: &str, payload: &str, Secret(secret): &Secret) -> String {
    let mut context = Context::new(&SHA256);
    for part in [command, payload, secret] {
        context.update(part.as_bytes());
    }
    HEXLOWER.encode(context.finish().as_ref())
}

impl Notice {
    /// The message as it is published.
    pub fn encode(&self, secret: &Secret) -> String {
        let (command, payload) = match self {
            Self::KeysChanged(names) => (KEYS_CHANGED, names.join(",")),
            Self::Reload => (GROUP_RELOAD, String::new()),
            Self::AnswersChanged(id) => (ANSWERS_CHANGED, id.clone()),
            Self::KeySetsChanged(id) => (KEY_SETS_CHANGED, id.clone()),
        };
        let signature = signature(command, &payload, secret);
        json!({"command": command, "payload": payload, "signature": signature, "algorithm": SHA_256}).to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn messages(allow_unsigned: bool) -> Messages {
        Messages { secret: Secret("node-secret".to_owned()), allow_unsigned, heard: true }
    }

    fn changed(names: &[&str]) -> Notice {
        Notice::KeysChanged(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// Signatures are those of `printf '%s' <command><payload>node-secret | sha256sum`.
    #[test]
    fn messages_of_the_original_are_understood() {
        let read = |text: &str| parse(text.as_bytes(), &messages(false)).unwrap();
        assert_eq!(
            read(
                r#"{"command":"KeySpaceUpdateNotification","payload":"a1,b2:hashed","signature":"66b7eb7c942f0eb9c7fac77f2065b0c0ef6500e4ddf3e495e4b61f65f0b7df50","algorithm":5}"#
            ),
            Some(changed(&["a1", "b2"]))
        );
        assert_eq!(
            read(
                r#"{"command":"ApiUpdated","payload":"","signature":"09cb468bd6d80480bbbd0968e1d0da833aa3544312e2591950e5445ea6e8cd30","algorithm":5}"#
            ),
            Some(Notice::Reload)
        );
        assert_eq!(read(r#"{"command":"UserKeyReset","payload":"x"}"#), None);
    }

    #[test]
    fn what_is_encoded_is_read_again() {
        let (answers, key_sets) = (Notice::AnswersChanged("a".to_owned()), Notice::KeySetsChanged("a".to_owned()));
        for notice in [changed(&["a", "b"]), Notice::Reload, answers, key_sets] {
            let text = notice.encode(&messages(false).secret);
            assert_eq!(parse(text.as_bytes(), &messages(false)).unwrap(), Some(notice));
        }
    }

    #[test]
    fn what_is_not_signed_counts_only_where_that_is_allowed() {
        let signed = Notice::Reload.encode(&Secret("node-secret".to_owned()));
        for text in [
            r#"{"command":"GroupReload"}"#.to_owned(),
            Notice::Reload.encode(&Secret("other".to_owned())),
            signed.replace("\"algorithm\":5", "\"algorithm\":4"),
        ] {
            let error = parse(text.as_bytes(), &messages(false)).unwrap_err();
            assert!(error.to_string().starts_with("GroupReload is not signed"), "{error}");
            assert_eq!(parse(text.as_bytes(), &messages(true)).unwrap(), Some(Notice::Reload));
        }
        assert!(matches!(parse(b"reload", &messages(true)), Err(NoticeError::Malformed(_))));
    }
}
