//! Files that callers of the REST API write: whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tempfile::Builder;

/// A new file may be read by others, as far as the umask lets them: nodes of other users share folders.
const MODE: u32 = 0o644;

/// The file of a thing with this id; none if the id leads out of the folder or hides the file.
pub(super) fn named(folder: &Path, id: &str) -> Option<PathBuf> {
    let harmless = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | ' ' | '~');
    let safe = !id.is_empty() && id.len() <= 200 && !id.starts_with('.') && id.chars().all(harmless);
    safe.then(|| folder.join(format!("{id}.json")))
}

/// Gives a document an id of this name, in place of one in any spelling.
pub(super) fn identify(document: &mut Map<String, Value>, name: &str, id: &str) {
    document.retain(|key, _| !key.eq_ignore_ascii_case(name));
    document.insert(name.to_owned(), id.into());
}

/// Puts a document into a file, in place of what was there.
pub(super) async fn write(file: PathBuf, document: Map<String, Value>) -> io::Result<()> {
    let document = Value::Object(document);
    apart(move || {
        let folder = file.parent().unwrap_or(Path::new("."));
        let permissions = file.metadata().map_or(Permissions::from_mode(MODE), |old| old.permissions());
        let mut written = Builder::new().permissions(permissions).tempfile_in(folder)?;
        writeln!(written, "{document:#}")?;
        written.as_file().sync_all()?;
        written.persist(&file).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    })
    .await
}

/// Removes a file.
pub(super) async fn remove(file: PathBuf) -> io::Result<()> {
    apart(move || std::fs::remove_file(file)).await
}

/// Disks are slow, and a worker has other requests.
pub(super) async fn apart<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_file_keeps_its_permissions_and_gets_an_id_of_one_spelling() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.json");
        std::fs::write(&file, "{}").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o604)).unwrap();
        let mut document = Map::from_iter([("ID".to_owned(), json!(1)), ("b".to_owned(), json!(2))]);
        identify(&mut document, "id", "a");
        write(file.clone(), document).await.unwrap();
        let written: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(written, json!({"id": "a", "b": 2}));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o604);
    }

    #[test]
    fn an_id_is_a_file_in_the_folder_or_none() {
        let folder = Path::new("/apps");
        assert_eq!(named(folder, "a-1_b.c"), Some(PathBuf::from("/apps/a-1_b.c.json")));
        for id in ["", ".", "..", ".hidden", "a/b", "../b", "a\0", "a\\b", &"x".repeat(201)] {
            assert_eq!(named(folder, id), None, "{id}");
        }
    }
}
