//! Loads anew when a file of API definitions or policies has changed, if the operator wishes.
//!
//! The system only says when to look; what counts is what the files hold then. A file that is not
//! whole yet keeps what is served as it is: without anybody asking, no API goes away because its file
//! is being written.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs, io, path};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::error;

use crate::config::{Config, PolicySource};
use crate::json;
use crate::listener::Gateway;
use crate::session::policy::file;
use crate::source;

/// How long there must be no change before it is looked what has changed.
const QUIET: Duration = Duration::from_millis(200);
/// It is looked after this long, even if changes go on.
const LONGEST: Duration = Duration::from_secs(2);

/// Waits for files to change.
pub struct Watch {
    watcher: RecommendedWatcher,
    /// There may be something to see.
    hints: Arc<Notify>,
    folders: BTreeSet<PathBuf>,
    loaded: Marks,
    /// What the log said last of changes that are not loaded.
    told: Option<String>,
}

/// Tells what files hold from what they hold at other times.
type Marks = BTreeMap<PathBuf, u64>;

/// Why files cannot be watched.
#[derive(Debug, Error)]
pub enum WatchError {
    /// The system does not do it.
    #[error("watch_files: {} cannot be watched: {error}", folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// What the system says.
        error: notify::Error,
    },
    /// There is no telling which files there are.
    #[error("the files of definitions and policies cannot be listed: {0}")]
    Files(#[from] io::Error),
    /// A file that is not there as a whole.
    #[error("{}: {reason}", file.display())]
    Unfinished {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Watch {
    /// Watches from now on.
    pub fn start(config: &Config) -> Result<Self, WatchError> {
        let (hints, wanted) = (Arc::new(Notify::new()), wanted(config)?);
        let (hint, names) = (Arc::clone(&hints), names(&wanted));
        let tell = move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| concerns(&event, &names)) {
                hint.notify_one();
            }
        };
        let unwatchable = |error| WatchError::Folder { folder: config.app_path.clone(), error };
        let watcher = notify::recommended_watcher(tell).map_err(unwatchable)?;
        let mut watch = Self { watcher, hints, folders: folders(wanted), loaded: Marks::new(), told: None };
        watch.arm()?;
        watch.loaded = marks(&files(config)?);
        Ok(watch)
    }

    /// Asks for a reload after each change, for ever.
    pub async fn run(mut self, gateway: Arc<Gateway>) {
        loop {
            self.changed().await;
            let reader = Arc::clone(&gateway);
            let looking = tokio::task::spawn_blocking(move || {
                let new = self.look(&reader.config);
                (self, new)
            });
            let new;
            (self, new) = match looking.await {
                Ok(looked) => looked,
                Err(error) => return error!(%error, "files are not watched any more"),
            };
            if new {
                let _ = gateway.reload.ask().await;
            }
        }
    }

    /// Done when something has changed, and is left alone.
    async fn changed(&self) {
        self.hints.notified().await;
        let quiet = async { while timeout(QUIET, self.hints.notified()).await.is_ok() {} };
        let _ = timeout(LONGEST, quiet).await;
    }

    /// Whether there is something new to load; the log says once why a change is not.
    fn look(&mut self, config: &Config) -> bool {
        if let Err(error) = self.arm() {
            error!(%error, "changes there go unnoticed until there are others");
        }
        match self.compare(config) {
            Ok(new) => {
                self.told = None;
                new
            }
            Err(error) => {
                let told = self.told.replace(error.to_string());
                if told != self.told {
                    error!(%error, "a change is not loaded, what was served is served on");
                }
                false
            }
        }
    }

    /// Whether the files hold something else, and all that changed is whole.
    fn compare(&mut self, config: &Config) -> Result<bool, WatchError> {
        let files = files(config)?;
        let mut changed = files.iter().filter(|file| self.loaded.get(&file.path) != Some(&file.mark()));
        changed.try_for_each(|file| file.whole(config))?;
        let held = marks(&files);
        let new = held != self.loaded;
        self.loaded = held;
        Ok(new)
    }

    /// Once more for folders that were put in the place of others.
    fn arm(&mut self) -> Result<(), WatchError> {
        for folder in &self.folders {
            // One that is gone is watched no longer.
            let _ = self.watcher.unwatch(folder);
            let watched = self.watcher.watch(folder, RecursiveMode::NonRecursive);
            watched.map_err(|error| WatchError::Folder { folder: folder.clone(), error })?;
        }
        Ok(())
    }
}

/// The folders and files from which definitions and policies are read.
fn wanted(config: &Config) -> io::Result<Vec<PathBuf>> {
    let policies = match &config.policies {
        PolicySource::None => None,
        PolicySource::Folder(path) | PolicySource::Record(path) => Some(path),
    };
    [Some(&config.app_path), policies].into_iter().flatten().map(path::absolute).collect()
}

fn names(wanted: &[PathBuf]) -> Vec<Option<OsString>> {
    wanted.iter().map(|path| path.file_name().map(OsString::from)).collect()
}

/// What is to be watched: folders, and what they lie in, as they may be replaced as a whole.
fn folders(wanted: Vec<PathBuf>) -> BTreeSet<PathBuf> {
    let parents: Vec<_> = wanted.iter().filter_map(|path| path.parent().map(PathBuf::from)).collect();
    wanted.into_iter().filter(|path| path.is_dir()).chain(parents).collect()
}

/// Whether it is about one of these, or a file in it. Kubernetes replaces files by moving a link
/// whose name begins with two dots.
fn concerns(event: &notify::Event, names: &[Option<OsString>]) -> bool {
    let named = |path: Option<&Path>| {
        let name = path.and_then(Path::file_name);
        names.iter().any(|wanted| wanted.as_deref() == name)
    };
    let link = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".."));
    let concerned = |path: &PathBuf| named(Some(path)) || named(path.parent()) || link(path);
    !event.kind.is_access() && (event.need_rescan() || event.paths.iter().any(concerned))
}

/// A file and what it holds.
struct Read {
    path: PathBuf,
    bytes: io::Result<Vec<u8>>,
    definition: bool,
}

impl Read {
    fn mark(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.bytes.as_ref().ok().hash(&mut hasher);
        hasher.finish()
    }

    /// It can be read, and is JSON.
    fn whole(&self, config: &Config) -> Result<(), WatchError> {
        let unfinished = |reason: String| WatchError::Unfinished { file: self.path.clone(), reason };
        let bytes = self.bytes.as_ref().map_err(|error| unfinished(error.to_string()))?;
        let text = String::from_utf8_lossy(bytes);
        let text = match self.definition {
            true => source::resolve(&text, &config.secrets, &|name| env::var(name).ok()).into(),
            false => text,
        };
        json::parse(&text).map(drop).map_err(|error| unfinished(error.to_string()))
    }
}

/// All that is read of definitions and policies.
fn files(config: &Config) -> Result<Vec<Read>, WatchError> {
    let read = |path: PathBuf, definition| Read { bytes: fs::read(&path), path, definition };
    let definitions = source::files(&config.app_path)?.into_iter().map(|path| read(path, true));
    Ok(definitions.chain(file::sources(&config.policies)?.into_iter().map(|path| read(path, false))).collect())
}

fn marks(files: &[Read]) -> Marks {
    files.iter().map(|file| (file.path.clone(), file.mark())).collect()
}
