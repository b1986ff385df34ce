//! Files that callers of the REST API write: whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::NamedTempFile;

/// The file of a thing with this id; none if the id leads out of the folder or hides the file.
pub(super) fn named(folder: &Path, id: &str) -> Option<PathBuf> {
    let harmless = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | ' ' | '~');
    let safe = !id.is_empty() && id.len() <= 200 && !id.starts_with('.') && id.chars().all(harmless);
    safe.then(|| folder.join(format!("{id}.json")))
}

/// Puts a document into a file, in place of what was there.
pub(super) async fn write(file: PathBuf, document: Value) -> io::Result<()> {
    apart(move || {
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut written = NamedTempFile::new_in(folder)?;
        writeln!(written, "{document:#}")?;
        written.as_file().sync_all()?;
        written.persist(&file).map(drop).map_err(|error| error.error)
    })
    .await
}

/// Removes a file.
pub(super) async fn remove(file: PathBuf) -> io::Result<()> {
    apart(move || std::fs::remove_file(file)).await
}

/// Disks are slow, and a worker has other requests.
async fn apart(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_file_in_the_folder_or_none() {
        let folder = Path::new("/apps");
        assert_eq!(named(folder, "a-1_b.c"), Some(PathBuf::from("/apps/a-1_b.c.json")));
        for id in ["", ".", "..", ".hidden", "a/b", "../b", "a\0", "a\\b", &"x".repeat(201)] {
            assert_eq!(named(folder, id), None, "{id}");
        }
    }
}
