//! The gateway's error documents: JSON, or XML for clients that sent XML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use thiserror::Error;

use super::overrides::{Document, Instead};
use crate::exchange::{Body, Reply};

const GENERATOR: HeaderName = HeaderName::from_static("x-generator");
const SOAP: &str = "application/soap+xml";
const JSON: &str = "{\n    \"error\": \"{{.Message}}\"\n}";
const XML: &str = "<?xml version = \"1.0\" encoding = \"UTF-8\"?>\n<error>{{.Message}}</error>\n";

/// How error documents look; made at start.
#[derive(Debug)]
pub struct Pages {
    /// The operator's: `error_404.json`, `error.xml` and their like, by name.
    templates: BTreeMap<String, Template>,
    json: Template,
    xml: Template,
    generator: bool,
}

/// Text around places for the message.
#[derive(Debug)]
struct Template(Vec<String>);

/// Why an operator's template cannot be used.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// The folder or a file in it cannot be read.
    #[error("{}: cannot be read: {source}; correct template_path in tyk.conf", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It uses more of the template language than the message.
    #[error("{}: {{{{{action}}}}} is not supported; a template may use {{{{.Message}}}} alone", path.display())]
    Action {
        /// The file.
        path: PathBuf,
        /// What stands between the braces.
        action: String,
    },
}

impl Pages {
    /// Loads `error*.json` and `error*.xml` from the operator's folder; what is missing there is ours.
    pub fn load(folder: Option<&Path>, generator: bool) -> Result<Self, TemplateError> {
        let mut templates = BTreeMap::new();
        if let Some(folder) = folder {
            let unreadable = |source| TemplateError::Unreadable { path: folder.to_owned(), source };
            for entry in fs::read_dir(folder).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| is_template(name)) {
                    templates.insert(name.to_owned(), Template::read(&path)?);
                }
            }
        }
        Ok(Self { templates, json: Template::of(JSON), xml: Template::of(XML), generator })
    }

    /// The document for `status` that says `text`, in the language of the request.
    pub fn page(&self, status: StatusCode, text: &str, request: &HeaderMap, headers: HeaderMap) -> Reply {
        let (document, kind) = self.usual(status, text, xml_kind(request));
        self.reply(status, document, kind, headers)
    }

    /// What stands in the place of an error with this status and text.
    pub fn instead(
        &self,
        instead: &Instead,
        (status, text): (StatusCode, &str),
        request: &HeaderMap,
        mut headers: HeaderMap,
    ) -> Reply {
        let kind = xml_kind(request).filter(|kind| *kind != SOAP);
        let status = instead.status.unwrap_or(status);
        let (document, kind) = match &instead.document {
            Document::Usual => self.usual(status, text, kind),
            Document::Saying(text) => self.usual(status, text, kind),
            Document::Text(template) => {
                let message = if kind.is_some() { text.to_owned() } else { escape_html(text) };
                let document = template.replace("{{.StatusCode}}", status.as_str());
                (document.replace("{{.Message}}", &message), kind)
            }
            Document::Template(name) => match self.named(name, kind) {
                Some(template) => (template.render(&escaped(text, kind)), kind),
                None => self.usual(status, text, kind),
            },
        };
        headers.remove(CONTENT_TYPE);
        let mut reply = self.reply(status, document, kind, headers);
        for (name, value) in &instead.headers {
            reply.headers_mut().insert(name, value.clone());
        }
        reply
    }

    /// The operator's template of this name, with or without what it ends in.
    fn named(&self, name: &str, kind: Option<&str>) -> Option<&Template> {
        self.templates.get(&format!("{name}.{}", extension(kind))).or_else(|| self.templates.get(name))
    }

    /// The document of a status, and what it is: where the operator has no XML, JSON answers XML too.
    fn usual(&self, status: StatusCode, text: &str, kind: Option<&'static str>) -> (String, Option<&'static str>) {
        let message = escaped(text, kind);
        let (template, kind) = self.template(status, kind);
        (template.render(&message), kind)
    }

    fn template(&self, status: StatusCode, kind: Option<&'static str>) -> (&Template, Option<&'static str>) {
        let ours = if kind.is_some() { &self.xml } else { &self.json };
        if self.templates.is_empty() {
            return (ours, kind);
        }
        let extension = extension(kind);
        let specific = self.templates.get(&format!("error_{}.{extension}", status.as_u16()));
        match specific.or_else(|| self.templates.get(&format!("error.{extension}"))) {
            Some(template) => (template, kind),
            None => self.templates.get("error.json").map_or((ours, kind), |template| (template, None)),
        }
    }

    fn reply(&self, status: StatusCode, document: String, kind: Option<&'static str>, mut headers: HeaderMap) -> Reply {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind.unwrap_or("application/json")));
        if self.generator && !headers.contains_key(GENERATOR) {
            headers.insert(GENERATOR, HeaderValue::from_static("tyk.io"));
        }
        let mut reply = Reply::new(Body::whole(document));
        *reply.status_mut() = status;
        *reply.headers_mut() = headers;
        reply
    }
}

fn extension(kind: Option<&str>) -> &'static str {
    if kind.is_some() { "xml" } else { "json" }
}

fn escaped(text: &str, kind: Option<&str>) -> String {
    if kind.is_some() { escape_xml(text) } else { escape_json(text) }
}

fn is_template(name: &str) -> bool {
    name.starts_with("error") && (name.ends_with(".json") || name.ends_with(".xml"))
}

/// The XML content type of a request that has one, compared to the letter.
fn xml_kind(request: &HeaderMap) -> Option<&'static str> {
    let kind = request.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind);
    ["application/xml", "text/xml", SOAP].into_iter().find(|xml| *xml == kind)
}

impl Template {
    fn of(text: &str) -> Self {
        Self(text.split("{{.Message}}").map(str::to_owned).collect())
    }

    fn read(path: &Path) -> Result<Self, TemplateError> {
        let text =
            fs::read_to_string(path).map_err(|source| TemplateError::Unreadable { path: path.to_owned(), source })?;
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            let (action, after) = after.split_once("}}").unwrap_or((after, ""));
            if action.trim() != ".Message" {
                return Err(TemplateError::Action { path: path.to_owned(), action: action.trim().to_owned() });
            }
            parts.push(before.to_owned());
            rest = after;
        }
        parts.push(rest.to_owned());
        Ok(Self(parts))
    }

    fn render(&self, message: &str) -> String {
        self.0.join(message)
    }
}

fn escape_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
}

/// As a template for HTML does it.
fn escape_html(text: &str) -> String {
    escape_xml(text).replace('+', "&#43;").replace('\0', "\u{fffd}")
}

fn escape_xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn page(pages: &Pages, content_type: &'static str, text: &str) -> (String, String) {
        let request = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let reply = pages.page(StatusCode::FORBIDDEN, text, &request, HeaderMap::new());
        let kind = reply.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        (kind, String::from_utf8(reply.body().bytes().unwrap().to_vec()).unwrap())
    }

    #[test]
    fn the_document_follows_the_requests_content_type() {
        let pages = Pages::load(None, true).unwrap();
        assert_eq!(page(&pages, "text/plain", "no"), ("application/json".into(), "{\n    \"error\": \"no\"\n}".into()));
        let xml = "<?xml version = \"1.0\" encoding = \"UTF-8\"?>\n<error>&lt;a&gt; &#39;</error>\n";
        assert_eq!(page(&pages, "text/xml; charset=utf-8", "<a> '"), ("text/xml".into(), xml.into()));
        assert_eq!(page(&pages, "Text/XML", "no").0, "application/json");
    }

    #[test]
    fn json_text_is_escaped_and_the_rest_is_raw() {
        assert_eq!(escape_json("a\"b\\\nü<&>\x01"), "a\\\"b\\\\\\nü<&>\\u0001");
    }

    #[test]
    fn json_answers_xml_where_the_operator_has_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("error_404.json"), "").unwrap();
        let load = || Pages::load(Some(folder.path()), true).unwrap();
        assert_eq!(page(&load(), "text/xml", "no").0, "text/xml");
        fs::write(folder.path().join("error.json"), "[{{.Message}}]").unwrap();
        assert_eq!(page(&load(), "text/xml", "<no>"), ("application/json".to_owned(), "[&lt;no&gt;]".to_owned()));
        fs::write(folder.path().join("error.xml"), "<{{.Message}}>").unwrap();
        assert_eq!(page(&load(), "text/xml", "no"), ("text/xml".to_owned(), "<no>".to_owned()));
    }

    #[test]
    fn the_text_of_an_override_is_escaped_for_html_unless_it_is_xml() {
        let text = Document::Text("{{.StatusCode}} {{.Message}}".to_owned());
        let instead = Instead { status: None, document: text, headers: HeaderMap::new() };
        let said = |kind| {
            let request = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            let error = (StatusCode::FORBIDDEN, "<a> + 'b'");
            let reply = Pages::load(None, true).unwrap().instead(&instead, error, &request, HeaderMap::new());
            String::from_utf8(reply.body().bytes().unwrap().to_vec()).unwrap()
        };
        assert_eq!(said("application/json"), "403 &lt;a&gt; &#43; &#39;b&#39;");
        assert_eq!(said("text/xml"), "403 <a> + 'b'");
    }

    #[test]
    fn a_template_for_the_status_wins_and_unknown_actions_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("error_403.json"), "[{{ .Message }}]").unwrap();
        fs::write(folder.path().join("other.json"), "{{.Nothing}}").unwrap();
        let pages = Pages::load(Some(folder.path()), true).unwrap();
        assert_eq!(page(&pages, "", "no").1, "[no]");
        fs::write(folder.path().join("error.xml"), "{{.StatusCode}}").unwrap();
        let error = Pages::load(Some(folder.path()), true).unwrap_err().to_string();
        assert!(error.contains("error.xml: {{.StatusCode}} is not supported"), "{error}");
    }
}
