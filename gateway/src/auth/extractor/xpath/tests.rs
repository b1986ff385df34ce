//! Expressions, documents and what is found in them.
#![allow(clippy::unwrap_used)]

use super::*;

const SHOP: &str = r#"<?xml version="1.0"?>
<shop id="s" xmlns="urn:shop" xmlns:p="urn:p">
<item sku="1">tea<!--green--><price cur="EUR">5</price> leaf</item>
<?note fresh daily?>
<p:item p:sku="2">milk<price>1</price><price cur="USD">2</price></p:item>
<box><inner><slip>a</slip><slip>b</slip></inner></box>
</shop>"#;

fn find(expression: &str, document: &str) -> Option<String> {
    XPath::compile(expression).unwrap().find(document.as_bytes()).ok()
}

#[test]
fn paths_lead_to_the_first_match() {
    for (expression, expected) in [
        ("/shop/item", "tea5 leaf"),
        ("shop/item", "tea5 leaf"),
        (" // item / price ", "5"),
        ("///price", "5"),
        ("//item[2]/price", "1"),
        ("//price[2]", "2"),
        ("/*/*[2]/@sku", "2"),
        ("//@sku", "1"),
        ("//@xmlns", "urn:shop"),
        ("/shop/@*[3]", "urn:p"),
        ("//price/..", "tea5 leaf"),
        ("//price/../@sku", "1"),
        ("//slip[2]/.", "b"),
        ("//item/text()[2]", " leaf"),
        ("//comment()", "green"),
        ("//processing-instruction()", "version=\"1.0\""),
        ("//processing-instruction('note')", "fresh daily"),
        ("//note", "fresh daily"),
        ("//item/node()[2]", "green"),
        ("//item/@sku/..", "tea5 leaf"),
    ] {
        assert_eq!(find(expression, SHOP).as_deref(), Some(expected), "{expression}");
    }
    for expression in ["//none", "//item/@none", "/item", "..", "/shop/../..", "//item[9]", "//@sku/text()", "//Item"] {
        assert_eq!(find(expression, SHOP), None, "{expression}");
    }
}

#[test]
fn axes_go_away_from_where_they_start() {
    for (expression, expected) in [
        ("child::shop/child::item", "tea5 leaf"),
        ("/descendant::price[3]", "2"),
        ("//inner/descendant-or-self::*[3]", "b"),
        ("//slip/parent::inner", "ab"),
        ("//slip/ancestor::*[2]", "ab"),
        ("//price/ancestor::*[1]/@sku", "1"),
        ("//slip/ancestor-or-self::*", "a"),
        ("//price/self::price", "5"),
        ("//item/following-sibling::*[2]", "ab"),
        ("//inner/preceding::price", "2"),
        ("//inner/preceding::*[3]", "milk12"),
        ("//@sku/following::price[2]", "1"),
        ("//item/following::slip", "a"),
        ("//item/attribute::sku", "1"),
        ("//@sku/self::sku", "1"),
        ("//@sku/ancestor::*/@id", "s"),
        // The node itself is the first on this axis, as in the original.
        ("//slip[2]/preceding-sibling::slip[1]", "b"),
        ("//slip[2]/preceding-sibling::slip[2]", "a"),
    ] {
        assert_eq!(find(expression, SHOP).as_deref(), Some(expected), "{expression}");
    }
    for expression in
        ["//@sku/following-sibling::*", "//@sku/@*", "//inner/preceding::shop", "//@sku/descendant-or-self::*"]
    {
        assert_eq!(find(expression, SHOP), None, "{expression}");
    }
}

#[test]
fn predicates_choose_among_the_nodes_of_a_step() {
    for (expression, expected) in [
        ("//item[@sku='2']/price", "1"),
        ("//item[price=\"2\"]/@sku", "2"),
        ("//slip[.='b']", "b"),
        ("//item[contains(.,'milk')]/@sku", "2"),
        ("//item[contains( price , '2' )]/@sku", "2"),
        ("//item[not(comment())]/@sku", "2"),
        ("//item[comment()]/@sku", "1"),
        ("//*[slip and contains(slip,'b')]", "ab"),
        ("//item[@sku='9' or price='1']/@sku", "2"),
        ("//item[@sku='1' or @sku='2' and (zz)]/@sku", "1"),
        ("//item[(@sku='1' or @sku='2') and 2]/@sku", "2"),
        ("//item[price[@cur='USD']='2']/@sku", "2"),
        ("//box[/inner]//slip", "a"),
        ("//box[//slip]//slip", "a"),
        ("//item[../box]/@sku", "1"),
    ] {
        assert_eq!(find(expression, SHOP).as_deref(), Some(expected), "{expression}");
    }
    for expression in
        ["//item[item]", "//item[99999999999999999999]", "//item[contains(comment(),'green')]", "//item[.='tea']"]
    {
        assert_eq!(find(expression, SHOP), None, "{expression}");
    }
}

#[test]
fn what_is_no_expression_is_refused() {
    for expression in [
        "",
        " ",
        "//",
        "/a/",
        "/a//",
        "//a[",
        "//a[]",
        "//a]",
        "//a[b=]",
        "//a[b=c]",
        "//a['x']",
        "//a[b='x]",
        "//a[0]",
        "//a[b][1]",
        "//a[1 2]",
        "//p:a",
        "//*:a",
        "//a:",
        "//@",
        "//@text()",
        "//a/b()",
        "//up::a",
        "namespace::a",
        "//a | //b",
        "(//a)",
        "count(//a)",
        "//a b",
        "$a",
        "//a[not(@b='1')]",
        "//a[contains(b)]",
        "//a[b and]",
        "'a'",
        "//a[position()=1]",
        "//processing-instruction(a)",
        "//a::",
        "//a[(b]",
    ] {
        assert!(XPath::compile(expression).is_err(), "{expression}");
    }
    assert_eq!(
        XPath::compile("//a[").unwrap_err().to_string(),
        r#""//a[" is no XPath expression that id extractors know: a step is expected at byte 4"#
    );
}

#[test]
fn documents_are_read_as_leniently_as_in_the_original() {
    for (document, expected) in [
        ("\n<?xml version=\"1.0\" encoding=\"UTF-8\"?><k>v</k>", "v"),
        ("<k>v</k><k>w</k>", "v"),
        ("x<k>v</k>y", "v"),
        ("<p:k>v</p:k>", "v"),
        ("<j xmlns='u'><k>v</k ></j>", "v"),
        ("<k a='1' a='2'b=\"3\">v</k>", "v"),
        ("<k>a<![CDATA[<&]]>b<!-- c --><j>d</j></k>", "a<&bd"),
        ("<k>&lt;&#65;&#x42;&apos;&quot;&amp;&gt;</k>", "<AB'\"&>"),
        ("<k>a\r\nb\rc&#13;</k>", "a\nb\nc\r"),
        ("<!DOCTYPE k [<!ENTITY e \"x\">]><k>v</k>", "v"),
        ("<k/>", ""),
    ] {
        assert_eq!(find("//k", document).as_deref(), Some(expected), "{document}");
    }
    assert_eq!(find("//k/@a", "<k a='x\r\ny\tz&amp;'/>").as_deref(), Some("x\ny\tz&"));
    assert_eq!(find("//k/text()[1]", "<k>a&amp;b<![CDATA[c]]></k>").as_deref(), Some("a&b"));
    assert_eq!((find("/", "x<k>v</k>y"), find(".", "x<k>v</k>y")), (Some("v".to_owned()), Some("xvy".to_owned())));
}

#[test]
fn what_is_no_xml_has_nothing_in_it() {
    for document in [
        "<k>v",
        "<k>v</j>",
        "<k>v</k></j>",
        "<x:k>v</y:k>",
        "<k>&foo;</k>",
        "<k>a & b</k>",
        "<k>a]]>b</k>",
        "<k a=1>v</k>",
        "<k a>v</k>",
        "<k a='<'>v</k>",
        "<k><!-- a--b -->v</k>",
        "<k>v\u{1}</k>",
        "<k>v&#1;</k>",
        "<k>v&#0;</k>",
        "<1k/><k/>",
        "<a:b:k/><k/>",
        "< k>v</k>",
        "<?xml version=\"1.1\"?><k/>",
        "<?xml version=\"1.0\" encoding=\"latin1\"?><k/>",
        "<html><br><k>v</k></html>",
        "<!DOCTYPE k [<!ENTITY e \"x\">]><k>&e;</k>",
        "<k>v</k><",
    ] {
        let found = XPath::compile("//k").unwrap().find(document.as_bytes());
        assert!(matches!(found, Err(XPathError::Xml(XmlError::Malformed(_)))), "{document}");
    }
    let latin = XPath::compile("//k").unwrap().find(b"<k>\xe9</k>");
    assert!(matches!(latin, Err(XPathError::Xml(XmlError::NotUtf8))));
}

#[test]
fn a_hostile_document_or_expression_is_given_up() {
    let too_large = |document: &str| {
        let found = XPath::compile("//k").unwrap().find(document.as_bytes());
        matches!(found, Err(XPathError::Xml(XmlError::TooLarge)))
    };
    assert!(
        too_large(&"<k>".repeat(1_001)) && too_large(&"<k/>".repeat(200_001)) && too_large(&" ".repeat((10 << 20) + 1))
    );
    assert!(!too_large(&["<k>".repeat(1_000), "</k>".repeat(1_000)].concat()));

    let nested = ["<a>".repeat(900), "</a>".repeat(900)].concat();
    for expression in ["//a//a//a//a//b", "//a[.//a//a[b]]", "//a[preceding::a or ancestor::a/descendant::a/b]"] {
        let found = XPath::compile(expression).unwrap().find(nested.as_bytes());
        assert!(matches!(found, Err(XPathError::TooMuchWork)), "{expression}");
    }
    let long = ["<k>", &"x".repeat(1 << 20), &"<j/>".repeat(1_000), "</k>"].concat();
    assert!(matches!(
        XPath::compile("//j[contains(..,'y')]").unwrap().find(long.as_bytes()),
        Err(XPathError::TooMuchWork)
    ));
    for expression in ["/a".repeat(129), format!("//a[{}b{}]", "(".repeat(200), ")".repeat(200)), "a[".repeat(5_000)] {
        assert!(XPath::compile(&expression).is_err());
    }
    assert!(XPath::compile(&"/a".repeat(128)).is_ok());
}
