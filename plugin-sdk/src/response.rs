//! The upstream's answer as a response hook sees it: status, headers with all values, body.

use bytes::Bytes;
use coprocess::{Header, ResponseObject};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{HookResult, Refusal};
use crate::header::canonical;

/// The upstream's answer on its way to the client.
///
/// The gateway sets `Content-Length` and the headers of the connection itself.
#[derive(Debug)]
pub struct Response {
    /// `headers` always holds the first values of `multivalue_headers`, under the same keys: only
    /// then does the gateway take both as they are.
    fields: ResponseObject,
    takes_text: bool,
}

impl Response {
    pub(crate) fn new(mut fields: ResponseObject) -> Self {
        if fields.multivalue_headers.is_empty() {
            let entry = |(key, value): (&String, &String)| header(key.clone(), value.clone());
            fields.multivalue_headers = fields.headers.iter().map(entry).collect();
        }
        let takes_text = !fields.body.is_empty() || fields.raw_body.is_empty();
        Self { fields, takes_text }
    }

    pub(crate) fn conclude(mut self, hook: &str, outcome: HookResult) -> ResponseObject {
        if let Err(refusal) = outcome {
            refusal.log(hook);
            self.refuse(&refusal);
        }
        self.fields
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.fields.status_code = refusal.status().into();
        self.fields.headers.clear();
        self.fields.multivalue_headers.clear();
        for (name, value) in refusal.headers() {
            self.append_header(name, value);
        }
        self.set_header("Content-Type", "application/json");
        self.set_body(serde_json::json!({ "error": refusal.message() }).to_string());
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.fields.status_code.try_into().unwrap_or_default()
    }

    /// Changes the status; one outside 200 to 599 fails the hook.
    pub fn set_status(&mut self, status: u16) -> HookResult {
        if !(200..600).contains(&status) {
            let cause = format!("{status} is no status to answer with: use 200 to 599");
            return Err(Refusal::new(500, "Internal Server Error").because(cause));
        }
        self.fields.status_code = status.into();
        Ok(())
    }

    /// The first value of a header, whatever the spelling of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_values(name).next()
    }

    /// All values of a header in order.
    pub fn header_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every value of every header with its name; a name that has several comes several times.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.fields.multivalue_headers.iter();
        entries.flat_map(|Header { key, values }| values.iter().map(move |value| (key.as_str(), value.as_str())))
    }

    /// Gives a header this one value in place of all it had.
    pub fn set_header(&mut self, name: &str, value: impl Into<String>) {
        let key = self.key(name);
        self.remove_header(name);
        self.insert_header(key, value.into());
    }

    /// Adds a value to a header, after those that it has.
    pub fn append_header(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.entry_mut(name) {
            Some(entry) if !entry.values.is_empty() => entry.values.push(value),
            _ => self.set_header(name, value),
        }
    }

    /// Removes a header with all its values.
    pub fn remove_header(&mut self, name: &str) {
        self.fields.headers.retain(|key, _| !key.eq_ignore_ascii_case(name));
        self.fields.multivalue_headers.retain(|entry| !entry.key.eq_ignore_ascii_case(name));
    }

    fn insert_header(&mut self, key: String, value: String) {
        self.fields.headers.insert(key.clone(), value.clone());
        self.fields.multivalue_headers.push(header(key, value));
    }

    /// The spelling that a header has in the answer, or would get.
    fn key(&mut self, name: &str) -> String {
        self.entry_mut(name).map_or_else(|| canonical(name), |entry| entry.key.clone())
    }

    fn entry_mut(&mut self, name: &str) -> Option<&mut Header> {
        let mut entries = self.fields.multivalue_headers.iter_mut();
        entries.find(|entry| entry.key.eq_ignore_ascii_case(name))
    }

    /// The whole body, compressed if `Content-Encoding` says so.
    pub fn body(&self) -> &Bytes {
        &self.fields.raw_body
    }

    /// The body as text; nothing if it is not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.fields.raw_body).ok()
    }

    /// The body read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.fields.raw_body)
    }

    /// Replaces the body.
    ///
    /// `Content-Type` and `Content-Encoding` stay as they are: change them too if the new body is
    /// of another kind.
    pub fn set_body(&mut self, body: impl Into<Bytes>) {
        self.fields.raw_body = body.into();
        let text = if self.takes_text { self.text().unwrap_or_default() } else { "" };
        self.fields.body = text.to_owned();
    }

    /// Replaces the body by a value as JSON; the headers stay as they are.
    pub fn set_json(&mut self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        self.set_body(serde_json::to_vec(value)?);
        Ok(())
    }
}

fn header(key: String, value: String) -> Header {
    Header { key, values: vec![value] }
}

#[cfg(test)]
mod tests;
