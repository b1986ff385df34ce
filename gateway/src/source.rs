//! Where API definitions come from: the folder that `app_path` names.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;
use tracing::info;

use crate::definition::{Definition, DefinitionError, Parsed};

/// A file and what became of it.
#[derive(Debug)]
pub struct Sourced {
    /// The file.
    pub file: PathBuf,
    /// What is written there; null if that is no JSON.
    pub written: Value,
    /// The definition in it, or why its API is not served.
    pub outcome: Result<Parsed, DefinitionError>,
}

/// Why no definitions can be had at all.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The folder cannot be read.
    #[error("app_path {}: {error}: name a folder that holds the API definitions", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// The files of a folder that hold definitions, in lexical order.
pub fn files(app_path: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(list(app_path)?.into_iter().filter(|file| is_classic(file)).collect())
}

/// Reads every definition of a folder; one that is broken does not keep the others away.
pub fn load(
    app_path: &Path,
    secrets: &BTreeMap<String, String>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Sourced>, SourceError> {
    let files = list(app_path).map_err(|error| SourceError::Folder { folder: app_path.to_owned(), error })?;
    let classic = files.into_iter().filter(|file| is_read(file));
    Ok(classic.map(|file| read(file, secrets, env)).collect())
}

/// The JSON files directly in a folder, in lexical order.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.path();
        let name = file.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
        if name.ends_with(b".json") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file is a classic definition by its name.
pub fn is_classic(file: &Path) -> bool {
    other_kind(file).is_none()
}

fn other_kind(file: &Path) -> Option<&'static str> {
    match file.file_name().map(OsStr::to_string_lossy).unwrap_or_default() {
        name if name.ends_with("-oas.json") => Some("an OpenAPI document"),
        name if name.ends_with("-mcp.json") => Some("an MCP document"),
        _ => None,
    }
}

/// Says in the log what is passed over.
fn is_read(file: &Path) -> bool {
    let other = other_kind(file);
    if let Some(kind) = other {
        info!(file = %file.display(), "skipped: by its name this is {kind}, not a classic definition");
    }
    other.is_none()
}

fn read(file: PathBuf, secrets: &BTreeMap<String, String>, env: &dyn Fn(&str) -> Option<String>) -> Sourced {
    match fs::read(&file) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let written = serde_json::from_str(&text).unwrap_or_default();
            Sourced { file, written, outcome: parse(&text, secrets, env) }
        }
        Err(error) => {
            let outcome = Err(DefinitionError::Unreadable(error.to_string()));
            Sourced { file, written: Value::Null, outcome }
        }
    }
}

/// Reads one definition, its references replaced.
pub fn parse(
    text: &str,
    secrets: &BTreeMap<String, String>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Parsed, DefinitionError> {
    Definition::parse(&resolve(text, secrets, env))
}

/// Puts what its references stand for in their place.
pub fn resolve(text: &str, secrets: &BTreeMap<String, String>, env: &dyn Fn(&str) -> Option<String>) -> String {
    let text = substitute(text, "env://", &|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let value = env(&rest[..end]).filter(|value| !value.is_empty())?;
        Some((end, value))
    });
    substitute(&text, "secrets://", &|rest| {
        let named = secrets.iter().filter(|(key, _)| !key.is_empty() && rest.starts_with(key.as_str()));
        let (key, value) = named.max_by_key(|(key, _)| key.len())?;
        Some((key.len(), value.clone()))
    })
}

/// Replaces each mark and the name after it by what the name stands for, within a JSON text.
fn substitute(text: &str, mark: &str, find: &dyn Fn(&str) -> Option<(usize, String)>) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(mark) {
        done.push_str(before);
        rest = match find(after) {
            Some((length, value)) => {
                done.push_str(&escaped(&value));
                &after[length..]
            }
            None => {
                done.push_str(mark);
                after
            }
        };
    }
    done + rest
}

/// A text as it stands between the quotes of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn loaded(folder: &TempDir) -> Vec<Sourced> {
        let secrets = BTreeMap::from([
            ("up".to_owned(), "http://short".to_owned()),
            ("up-2".to_owned(), "http://long".to_owned()),
            ("quote".to_owned(), "a\"b\\c".to_owned()),
        ]);
        let env = |name: &str| match name {
            "HOST_A" => Some("host-a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        load(folder.path(), &secrets, &env).unwrap()
    }

    fn keyless(target: &str, name: &str) -> String {
        format!(
            r#"{{"name": "{name}", "use_keyless": true, "proxy": {{"listen_path": "/a/", "target_url": "{target}"}}}}"#
        )
    }

    #[test]
    fn classic_files_are_read_in_lexical_order_and_broken_ones_stay_among_them() {
        let good = keyless("http://h", "n");
        let folder = folder(&[
            ("b.json", "{"),
            ("a.json", &good),
            ("a-oas.json", "{}"),
            ("a-mcp.json", "{}"),
            ("notes.txt", ""),
            ("c.json", &good),
        ]);
        fs::create_dir(folder.path().join("d.json")).unwrap();
        let sourced = loaded(&folder);
        let names: Vec<_> = sourced.iter().map(|sourced| sourced.file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.json", "b.json", "c.json", "d.json"]);
        assert!(sourced[0].outcome.is_ok() && sourced[2].outcome.is_ok());
        assert!(matches!(sourced[1].outcome, Err(DefinitionError::Syntax { .. })));
        assert!(matches!(sourced[3].outcome, Err(DefinitionError::Unreadable(_))));
    }

    #[test]
    fn references_are_replaced_in_the_raw_text() {
        let text = keyless("http://env://HOST_A/x", "secrets://quote env://EMPTY env://NONE secrets://none");
        let folder = folder(&[("a.json", &text), ("b.json", &keyless("secrets://up-2", "n"))]);
        let mut sourced = loaded(&folder).into_iter().map(|sourced| sourced.outcome.unwrap().definition);
        let first = sourced.next().unwrap();
        assert_eq!(first.proxy.target_url, "http://host-a/x");
        assert_eq!(first.name, "a\"b\\c env://EMPTY env://NONE secrets://none");
        assert_eq!(sourced.next().unwrap().proxy.target_url, "http://long");
    }

    #[test]
    fn a_reference_to_another_store_is_refused() {
        let folder = folder(&[("a.json", &keyless("consul://up", "n"))]);
        let error = loaded(&folder).remove(0).outcome.unwrap_err().to_string();
        assert!(error.contains("proxy.target_url: \"consul://up\": this store is not supported"), "{error}");
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_it() {
        let error = load(Path::new("/nowhere/apps"), &BTreeMap::new(), &|_| None).unwrap_err();
        assert!(error.to_string().starts_with("app_path /nowhere/apps: "), "{error}");
    }
}
