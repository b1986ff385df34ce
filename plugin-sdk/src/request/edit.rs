//! The edits that every request hook may make.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Request, url};
use crate::error::{HookResult, Refusal};
use crate::header::canonical;

impl Request {
    /// Gives a header this one value in place of all it had.
    ///
    /// `Host` cannot be set, and headers of the connection are the gateway's.
    pub fn set_header(&mut self, name: &str, value: impl Into<String>) {
        let (name, value) = (canonical(name), value.into());
        self.forget_header(&name);
        self.fields.headers.insert(name.clone(), value.clone());
        self.fields.set_headers.insert(name, value);
    }

    /// Removes a header with all its values.
    pub fn delete_header(&mut self, name: &str) {
        self.forget_header(name);
        self.fields.delete_headers.push(canonical(name));
    }

    fn forget_header(&mut self, name: &str) {
        let other = |key: &String, _: &mut String| !key.eq_ignore_ascii_case(name);
        self.fields.headers.retain(other);
        self.fields.set_headers.retain(other);
    }

    /// Gives a query parameter this one value, unescaped, in place of all it had.
    pub fn add_param(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        self.fields.params.insert(name.to_owned(), value.clone());
        self.fields.add_params.insert(name.to_owned(), value);
    }

    /// Removes a query parameter with all its values.
    pub fn delete_param(&mut self, name: &str) {
        self.fields.params.remove(name);
        self.fields.add_params.remove(name);
        self.fields.delete_params.push(name.to_owned());
    }

    /// Changes the path, which begins with the API's listen path; the query stays.
    ///
    /// Bytes that a path cannot hold are escaped, `?` and `#` among them; escapes stay as given.
    pub fn set_path(&mut self, path: &str) {
        url::replace_path(&mut self.fields.url, path);
    }

    /// Changes the method.
    pub fn set_method(&mut self, method: impl Into<String>) {
        self.fields.method = method.into();
    }

    /// Replaces the body; the gateway sets the length.
    ///
    /// `Content-Type` and `Content-Encoding` stay as they are.
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.fields.raw_body = body.into();
        let text = if self.takes_text { self.text().unwrap_or_default() } else { "" };
        self.fields.body = text.to_owned();
    }

    /// Ends the request with an error for the client, as [`Refusal::new`] does.
    ///
    /// Later edits do not take it back.
    pub fn reject(&mut self, status: u16, message: impl Into<String>) -> HookResult {
        let refusal = Refusal::new(status, message);
        self.refuse(&refusal);
        Err(refusal)
    }

    /// Answers the client in the upstream's place, with status, headers and body as given.
    ///
    /// Without a `Content-Type` the gateway guesses one from the body. A status outside 200 to 599
    /// cannot be an answer and refuses with 500.
    pub fn respond(&mut self, status: u16, headers: &[(&str, &str)], body: impl Into<String>) -> HookResult {
        if !(200..600).contains(&status) {
            let cause = format!("{status} is no status to answer with: use 200 to 599");
            return Err(Refusal::new(500, "Internal Server Error").because(cause));
        }
        let overrides = &mut self.overrides;
        overrides.response_code = status.into();
        overrides.override_error = true;
        overrides.headers = owned(headers);
        overrides.response_error.clear();
        overrides.response_body = body.into();
        Ok(())
    }
}

fn owned(headers: &[(&str, &str)]) -> HashMap<String, String> {
    headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}
