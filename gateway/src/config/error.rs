//! What is wrong with a configuration, and where it stands.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::json::ReadError;

/// A value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file or the environment variable that holds it.
    pub origin: String,
    /// Its JSON path.
    pub path: String,
    /// The value, as JSON.
    pub value: String,
    /// What is wrong and what would help.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, path, value, remedy } = self;
        write!(f, "{origin}: {path} is {value}: {remedy}")
    }
}

/// Why the gateway does not start.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// There is no file where one is looked for.
    #[error(
        "no configuration file: looked for {}; name one with --conf, or set TYK_GW_OMITCONFIGFILE=true to use the environment alone",
        list(.0)
    )]
    NoFile(Vec<PathBuf>),
    /// The file cannot be read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is not JSON.
    #[error("{}: line {line}, column {column}: {message}: correct the JSON", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line of the error, from 1.
        line: usize,
        /// The column of the error, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// A value has another type than its key asks for.
    #[error("{origin}: {path}: {message}")]
    Shape {
        /// The file.
        origin: String,
        /// The JSON path.
        path: String,
        /// What was expected and what is there.
        message: String,
    },
    /// An environment variable cannot be read.
    #[error("environment variable {name} is {value}: expected {expected}")]
    Variable {
        /// The variable.
        name: String,
        /// What it holds, unless that is a secret.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// A value cannot be used.
    #[error("{0}")]
    Unusable(Problem),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Where values come from, for messages.
pub(super) struct Origins<'a> {
    pub(super) file: Option<&'a Path>,
    pub(super) variables: &'a BTreeMap<&'static str, String>,
}

impl Origins<'_> {
    fn of(&self, path: &str) -> String {
        let file = || self.file.map_or("the environment".to_owned(), |file| file.display().to_string());
        self.variables.get(path).cloned().unwrap_or_else(file)
    }

    pub(super) fn problem(&self, path: &str, value: String, remedy: String) -> Problem {
        Problem { origin: self.of(path), path: path.to_owned(), value, remedy }
    }

    pub(super) fn unusable(&self, path: &str, value: String, remedy: String) -> ConfigError {
        ConfigError::Unusable(self.problem(path, value, remedy))
    }

    pub(super) fn misshapen(&self, error: ReadError) -> ConfigError {
        match error {
            ReadError::Shape { path, message } => ConfigError::Shape { origin: self.of(&path), path, message },
            ReadError::Syntax { line, column, message } => {
                ConfigError::Syntax { file: self.file.map(Path::to_owned).unwrap_or_default(), line, column, message }
            }
        }
    }
}
