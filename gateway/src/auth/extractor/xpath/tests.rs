//! Expressions, documents and what is found in them.
#![allow(clippy::unwrap_used)]

use super::*;

fn find(expression: &str, document: &str) -> Option<String> {
    XPath::compile(expression).unwrap().find(document.as_bytes()).ok()
}

const SHOP: &str = r#"<?xml version="1.0"?>
<shop xmlns="urn:x" xmlns:o="urn:o"><!--note--><item id="1" kind="tea"><name>green</name><price>4</price></item>
<item id="2"><name>black</name></item><o:item id="3"><name>white</name></o:item></shop>"#;

#[test]
fn paths_predicates_and_attributes_find_the_first_match() {
    for (expression, found) in [
        ("/shop/item/name", Some("green")),
        ("//item[2]/name", Some("black")),
        ("//item[@id='3']/name", Some("white")),
        ("//item[@kind]/@id", Some("1")),
        ("//item[not(@kind)]/@id", Some("2")),
        ("//item[contains(name,'lac')]/@id", Some("2")),
        ("//item[name='green' and @kind='tea']/price/text()", Some("4")),
        ("//item[name='white' or name='none']/@id", Some("3")),
        ("//name/../@id", Some("1")),
        ("//comment()", Some("note")),
        ("//*[price]/name", Some("green")),
        ("//nothing", None),
    ] {
        assert_eq!(find(expression, SHOP).as_deref(), found, "{expression}");
    }
}

#[test]
fn documents_need_not_be_well_formed_in_every_way() {
    assert_eq!(find("//id", "\n<?xml version=\"1.0\"?><a><id>1</id></a>").as_deref(), Some("1"));
    assert_eq!(find("//id", "<a/><b><id>2</id></b>").as_deref(), Some("2"));
    assert_eq!(find("//id", "text<a><x:id>3</x:id></a>").as_deref(), Some("3"));
    for broken in ["", "{}", "<a><id>1</id>", "<a></b>"] {
        assert_eq!(find("//id", broken), None, "{broken}");
    }
}

#[test]
fn what_is_no_path_does_not_compile() {
    for expression in ["", "//", "/a[", "/a[b='c]", "/a[contains(b)]", "a b"] {
        assert!(XPath::compile(expression).is_err(), "{expression}");
    }
}

#[test]
fn hostile_documents_are_refused_and_do_no_harm() {
    let deep = "<a>".repeat(200_000);
    assert_eq!(find("//a", &deep), None);
    let wide = format!("<r>{}</r>", "<a><b/></a>".repeat(50_000));
    let costly = XPath::compile("//a[preceding::b[preceding::b[preceding::b='x']]]").unwrap();
    assert!(costly.find(wide.as_bytes()).is_err());
}
