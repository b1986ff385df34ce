//! Refusals: how a hook ends a request, on purpose or because it failed.

use std::error::Error;
use std::fmt;

use tracing::error;

/// What a hook says when it is done: `Ok(())` lets the request go on, with the edits made.
pub type HookResult = Result<(), Refusal>;

type Cause = Box<dyn Error + Send + Sync>;

/// Ends the request with a status and a message for the client.
///
/// Every error becomes one through `?`: the client is told 500 and nothing else, the error goes to
/// the log. In a response hook a refusal replaces the upstream's answer.
///
/// ```
/// # use outrigger_plugin::{Refusal, Request};
/// fn page(request: &Request) -> Result<u32, Refusal> {
///     let page = request.param("page").ok_or(Refusal::new(400, "which page?"))?;
///     Ok(page.parse()?)
/// }
/// ```
#[derive(Debug)]
pub struct Refusal {
    status: u16,
    message: String,
    headers: Vec<(String, String)>,
    cause: Option<Cause>,
}

impl Refusal {
    /// Refuses with `status`, which is taken for 500 outside 400 to 599, and `message`.
    ///
    /// The gateway puts the message into its error document; an empty one becomes
    /// `Key not authorised`.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        let status = if (400..600).contains(&status) { status } else { 500 };
        Self { status, message: message.into(), headers: Vec::new(), cause: None }
    }

    /// Adds a header to the answer, such as `WWW-Authenticate`.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds what the log is told and the client is not.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The status that the client gets.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The text that the client gets.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The headers that the client's answer gets, with their values.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Logs what the client is not told, if there is anything.
    pub(crate) fn log(&self, hook: &str) {
        if let Some(cause) = &self.cause {
            error!(hook, status = self.status, error = chain(cause.as_ref()), "hook failed");
        }
    }
}

// A blanket conversion like this one rules out that `Refusal` is an error itself.
impl<E: Error + Send + Sync + 'static> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::new(500, "Internal Server Error").because(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.message)
    }
}

/// Writes `error` with all that led to it on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The definition's `config_data` is not what the plugin expects.
#[derive(Debug, thiserror::Error)]
#[error("config_data of API {api_id:?} does not fit this plugin")]
pub struct ConfigError {
    pub(crate) api_id: String,
    #[source]
    pub(crate) source: serde_json::Error,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<u32, Refusal> {
        Ok(text.parse()?)
    }

    #[test]
    fn an_error_refuses_with_500_and_keeps_its_text_from_the_client() {
        let refusal = parse("x").unwrap_err();

        assert_eq!(refusal.to_string(), "500 Internal Server Error");
        assert!(refusal.cause.is_some());
    }

    #[test]
    fn a_status_that_would_let_the_request_pass_refuses_with_500() {
        for status in [0, 200, 399, 600] {
            assert_eq!(Refusal::new(status, "no").status(), 500);
        }
        assert_eq!(Refusal::new(418, "no").status(), 418);
    }
}
