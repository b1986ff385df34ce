//! Reads XML into a tree.

use std::mem;

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, BytesText, Event};
use thiserror::Error;

use super::tree::{Kind, Node, Span, Tree};

/// The longest document, in bytes.
const LONGEST: usize = 10 << 20;
/// The most nodes: elements, attributes, texts, comments and instructions.
const NODES: usize = 200_000;
/// The most elements inside each other.
const DEPTH: usize = 1_000;

/// Why a document cannot be read.
#[derive(Debug, Error)]
pub enum XmlError {
    /// It is not UTF-8.
    #[error("the XML is not UTF-8")]
    NotUtf8,
    /// It is not well-formed.
    #[error("the XML cannot be read: {0}")]
    Malformed(String),
    /// It is larger than the gateway searches.
    #[error("the XML has more than {LONGEST} bytes, {NODES} nodes or {DEPTH} levels")]
    TooLarge,
}

/// Reads a document.
pub(super) fn read(document: &[u8]) -> Result<Tree, XmlError> {
    if document.len() > LONGEST {
        return Err(XmlError::TooLarge);
    }
    let document = std::str::from_utf8(document).map_err(|_| XmlError::NotUtf8)?;
    let mut builder = Builder::new();
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_comments = true;
    loop {
        match reader.read_event().map_err(malformed)? {
            Event::Eof => return builder.finish(),
            event => builder.add(&event)?,
        }
    }
}

fn malformed(error: impl ToString) -> XmlError {
    XmlError::Malformed(error.to_string())
}

struct Builder {
    tree: Tree,
    /// The elements that are not closed, the document itself first.
    open: Vec<Open>,
    /// Whether the last node is a text that what comes next may continue.
    in_text: bool,
}

struct Open {
    node: u32,
    last_child: Option<u32>,
}

impl Builder {
    fn new() -> Self {
        let root =
            Node { kind: Kind::Root, name: Span::default(), text: Span::default(), parent: None, before: None, end: 1 };
        Self {
            tree: Tree { nodes: vec![root], text: String::new(), aside: String::new() },
            open: vec![Open { node: Tree::ROOT, last_child: None }],
            in_text: false,
        }
    }

    fn add(&mut self, event: &Event<'_>) -> Result<(), XmlError> {
        let in_text = mem::take(&mut self.in_text);
        match event {
            Event::Start(start) => self.open(start),
            Event::End(_) => self.close(),
            Event::Text(text) if text.contains("]]>") => Err(malformed("]]> in text")),
            Event::Text(text) => self.characters(&text.xml10_content(), in_text),
            Event::GeneralRef(reference) => self.characters(resolve(reference)?.encode_utf8(&mut [0; 4]), in_text),
            Event::CData(data) => self.text(&data.xml10_content()),
            Event::Comment(comment) => self.leaf(Kind::Comment, "", comment),
            Event::PI(instruction) => {
                self.leaf(Kind::Instruction, instruction.target(), instruction.content().trim_start())
            }
            Event::Decl(declaration) => {
                check_declaration(declaration)?;
                let content = declaration.strip_prefix("xml").unwrap_or(declaration);
                self.leaf(Kind::Instruction, "xml", content.trim_start())
            }
            Event::DocType(_) | Event::Empty(_) | Event::Eof => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Tree, XmlError> {
        if self.open.len() > 1 {
            return Err(malformed("an element is not closed"));
        }
        self.close()?;
        Ok(self.tree)
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.open.len() > DEPTH {
            return Err(XmlError::TooLarge);
        }
        let name = self.aside(local(start.name().0)?)?;
        let at = self.tree.text.len();
        let node = self.child(Kind::Element, name, span(at, at)?)?;
        self.open.push(Open { node, last_child: None });
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(malformed)?;
            self.attribute(node, attribute.key.0, &attribute.value)?;
        }
        Ok(())
    }

    fn attribute(&mut self, element: u32, name: &str, value: &str) -> Result<(), XmlError> {
        if value.contains('<') {
            return Err(malformed("< in an attribute"));
        }
        let name = self.aside(local(name)?)?;
        let lines = BytesText::from_escaped(value);
        let lines = lines.xml10_content();
        let text = self.aside(&unescape(&lines).map_err(malformed)?)?;
        self.node(Node { kind: Kind::Attribute, name, text, parent: Some(element), before: None, end: 0 })?;
        Ok(())
    }

    /// Ends the innermost element, or at last the document.
    fn close(&mut self) -> Result<(), XmlError> {
        let open = self.open.pop().ok_or_else(|| malformed("an element is closed that is not open"))?;
        let (end, text_end) = (number(self.tree.nodes.len())?, number(self.tree.text.len())?);
        if let Some(node) = self.tree.nodes.get_mut(open.node as usize) {
            node.end = end;
            node.text.end = text_end;
        }
        Ok(())
    }

    fn leaf(&mut self, kind: Kind, name: &str, text: &str) -> Result<(), XmlError> {
        let (name, text) = (self.aside(name)?, self.aside(text)?);
        self.child(kind, name, text).map(drop)
    }

    /// Text that is one node with the text and references beside it.
    fn characters(&mut self, text: &str, in_text: bool) -> Result<(), XmlError> {
        self.in_text = true;
        if !in_text {
            return self.text(text);
        }
        self.tree.text.push_str(legal(text)?);
        let end = number(self.tree.text.len())?;
        if let Some(node) = self.tree.nodes.last_mut() {
            node.text.end = end;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        let start = self.tree.text.len();
        self.tree.text.push_str(legal(text)?);
        let text = span(start, self.tree.text.len())?;
        self.child(Kind::Text, Span::default(), text).map(drop)
    }

    fn aside(&mut self, text: &str) -> Result<Span, XmlError> {
        let start = self.tree.aside.len();
        self.tree.aside.push_str(legal(text)?);
        span(start, self.tree.aside.len())
    }

    fn child(&mut self, kind: Kind, name: Span, text: Span) -> Result<u32, XmlError> {
        let (parent, before) = self.open.last().map_or((None, None), |open| (Some(open.node), open.last_child));
        let node = self.node(Node { kind, name, text, parent, before, end: 0 })?;
        if let Some(open) = self.open.last_mut() {
            open.last_child = Some(node);
        }
        Ok(node)
    }

    fn node(&mut self, node: Node) -> Result<u32, XmlError> {
        if self.tree.nodes.len() > NODES {
            return Err(XmlError::TooLarge);
        }
        let at = number(self.tree.nodes.len())?;
        self.tree.nodes.push(Node { end: at + 1, ..node });
        Ok(at)
    }
}

/// A number that the bounds keep small.
fn number(length: usize) -> Result<u32, XmlError> {
    u32::try_from(length).map_err(|_| XmlError::TooLarge)
}

fn span(start: usize, end: usize) -> Result<Span, XmlError> {
    Ok(Span { start: number(start)?, end: number(end)? })
}

/// The name without its prefix.
fn local(name: &str) -> Result<&str, XmlError> {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '.' | '-');
    let begins = name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | ':'));
    if !begins || !name.chars().all(inside) || name.matches(':').count() > 1 {
        return Err(malformed("an illegal name"));
    }
    Ok(match name.split_once(':') {
        Some((prefix, local)) if !prefix.is_empty() && !local.is_empty() => local,
        _ => name,
    })
}

fn resolve(reference: &BytesRef<'_>) -> Result<char, XmlError> {
    if let Some(c) = reference.resolve_char_ref().map_err(malformed)? {
        return Ok(c);
    }
    let entity = resolve_predefined_entity(reference).and_then(|text| text.chars().next());
    entity.ok_or_else(|| malformed("an unknown entity"))
}

/// The text, if all its characters may stand in XML.
fn legal(text: &str) -> Result<&str, XmlError> {
    let illegal = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}');
    if text.contains(illegal) { Err(malformed("an illegal character")) } else { Ok(text) }
}

/// Only XML 1.0 in UTF-8 is read; neither needs to be said.
fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
    let encoding = declaration.encoding().transpose().map_err(malformed)?.unwrap_or_default();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("utf-8") {
        return Err(malformed("its encoding is not UTF-8"));
    }
    if declaration.version().is_ok_and(|version| version != "1.0") {
        return Err(malformed("its version is not 1.0"));
    }
    Ok(())
}
