//! Policies from files: one per file of a folder, or all in one file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

use super::{Policies, Policy};
use crate::config::PolicySource;
use crate::json;

/// What the files held.
#[derive(Debug, Default)]
pub struct Read {
    /// The policies that can be used. Sessions that name one of the others are refused.
    pub policies: Policies,
    /// What cannot be used.
    pub problems: Vec<FileError>,
}

/// Why a file, or a policy in it, cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}: {reason}", file.display())]
pub struct FileError {
    /// The file or folder.
    pub file: PathBuf,
    /// What is wrong and what to do.
    pub reason: String,
}

/// Reads all policies; fails if there is no telling which there are.
pub fn read(source: &PolicySource) -> Result<Read, FileError> {
    match source {
        PolicySource::None => Ok(Read::default()),
        PolicySource::Folder(folder) => read_folder(folder),
        PolicySource::Record(file) => read_record(file),
    }
}

fn read_folder(folder: &Path) -> Result<Read, FileError> {
    let mut read = Read::default();
    for file in files(folder).map_err(|error| FileError { file: folder.to_owned(), reason: error.to_string() })? {
        if let Err(error) = read_file(&file, &mut read.policies) {
            read.problems.push(error);
        }
    }
    Ok(read)
}

/// The files that hold policies.
pub fn sources(source: &PolicySource) -> io::Result<Vec<PathBuf>> {
    match source {
        PolicySource::None => Ok(Vec::new()),
        PolicySource::Folder(folder) => files(folder),
        PolicySource::Record(file) => Ok(vec![file.clone()]),
    }
}

/// The folder's `*.json` files, by name.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<_> =
        entries.into_iter().filter(|file| file.extension().is_some_and(|it| it == "json")).collect();
    files.sort();
    Ok(files)
}

/// The file of a folder that holds this policy. Where several do, the last one counts.
pub fn holder(folder: &Path, id: &str) -> io::Result<Option<PathBuf>> {
    let holds = |file: &PathBuf| {
        let policy = parse(file).ok().and_then(|document| identified(json::shape(document).ok()?));
        policy.is_some_and(|policy| policy.id == id)
    };
    Ok(files(folder)?.into_iter().rfind(holds))
}

fn read_file(file: &Path, policies: &mut Policies) -> Result<(), FileError> {
    let unreadable = |policies: &mut Policies| {
        // The usual name of the file of a policy is its id.
        let id = file.file_stem().unwrap_or_default().to_string_lossy();
        policies.add_unreadable(id.into_owned());
    };
    let document = parse(file).inspect_err(|_| unreadable(policies))?;
    let ids = ["id", "_id"]
        .map(|key| json::find(&document, key).first().and_then(|found| found.value.as_str().map(str::to_owned)));
    match json::shape::<Policy>(document) {
        Ok(policy) => policies.add(identified(policy).ok_or_else(|| wrong(file, "the policy has no id; give it one"))?),
        Err(error) => {
            unreadable(policies);
            ids.into_iter().flatten().for_each(|id| policies.add_unreadable(id));
            return Err(wrong(file, error));
        }
    }
    Ok(())
}

fn identified(mut policy: Policy) -> Option<Policy> {
    if policy.id.is_empty() {
        policy.id.clone_from(&policy.object_id);
    }
    (!policy.id.is_empty()).then_some(policy)
}

fn read_record(file: &Path) -> Result<Read, FileError> {
    let Value::Object(record) = parse(file)? else {
        return Err(wrong(file, "expected an object with a policy under each id"));
    };
    let mut read = Read::default();
    for (id, written) in record {
        match json::shape::<Policy>(written) {
            Ok(policy) => read.policies.add(Policy { id, ..policy }),
            Err(error) => {
                read.problems.push(wrong(file, format!("{id}: {error}")));
                read.policies.add_unreadable(id);
            }
        }
    }
    Ok(read)
}

fn parse(file: &Path) -> Result<Value, FileError> {
    let text = fs::read_to_string(file).map_err(|error| wrong(file, error))?;
    json::parse(&text).map_err(|error| wrong(file, error))
}

fn wrong(file: &Path, reason: impl ToString) -> FileError {
    FileError { file: file.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::session::State;
    use crate::session::policy::PolicyError;

    #[test]
    fn a_folder_holds_one_policy_per_file_and_a_broken_one_spoils_only_itself() {
        let folder = TempDir::new().unwrap();
        for (name, text) in [
            ("a.json", r#"{"id": "gold", "_id": "1", "org_id": "o"}"#),
            ("b.json", r#"{"_id": "2", "ORG_ID": "o"}"#),
            ("c.json", r#"{"org_id": "o"}"#),
            ("d.json", "{"),
            ("e.json", r#"{"id": "bronze", "rate": "1"}"#),
            ("f.txt", "{"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let read = read(&PolicySource::Folder(folder.path().to_owned())).unwrap();
        assert_eq!(read.policies.iter().map(|policy| policy.id.as_str()).collect::<Vec<_>>(), ["2", "gold"]);
        let told: Vec<_> = read.problems.iter().map(|error| (error.file.file_name().unwrap(), &error.reason)).collect();
        assert_eq!(told.len(), 3);
        assert_eq!((told[0].0.to_str().unwrap(), told[0].1.as_str()), ("c.json", "the policy has no id; give it one"));
        assert_eq!(told[2].1, r#"rate: expected a number, found "1""#);
        for broken in ["d", "e", "bronze"] {
            let mut state =
                State { apply_policies: vec!["gold".into(), broken.into()], org_id: "o".into(), ..State::default() };
            assert_eq!(read.policies.apply(&mut state, "o"), Err(PolicyError::Unreadable(broken.into())));
        }
    }

    #[test]
    fn in_one_file_the_keys_are_the_ids() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("policies.json");
        fs::write(&file, r#"{"gold": {"id": "other", "org_id": "o"}, "silver": []}"#).unwrap();
        let found = read(&PolicySource::Record(file.clone())).unwrap();
        assert!(found.policies.get("o", "gold").is_some() && found.policies.get("o", "other").is_none());
        assert_eq!(found.problems, [wrong(&file, "silver: the document: expected an object, found []")]);
        fs::write(&file, "[]").unwrap();
        assert!(read(&PolicySource::Record(file)).is_err());
        assert!(read(&PolicySource::Folder(folder.path().join("nowhere"))).is_err());
    }
}
