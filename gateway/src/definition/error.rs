//! Why an API is not served.

use std::fmt;

use thiserror::Error;

use crate::json::ReadError;

/// One thing that a definition asks for in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its JSON path.
    pub path: String,
    /// Why the API is not served, and what would help.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

/// Why an API is not served.
#[derive(Debug, Error)]
pub enum DefinitionError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The text is not JSON.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// The line of the error, from 1.
        line: usize,
        /// The column of the error, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// A value has another type than its key asks for.
    #[error("{path}: {message}")]
    Shape {
        /// The JSON path.
        path: String,
        /// What was expected and what is there.
        message: String,
    },
    /// It asks for what this gateway cannot do; everything it asks for in vain.
    #[error("{}", list(.0))]
    Unsupported(Vec<Refusal>),
}

fn list(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl From<ReadError> for DefinitionError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Syntax { line, column, message } => Self::Syntax { line, column, message },
            ReadError::Shape { path, message } => Self::Shape { path, message },
        }
    }
}
