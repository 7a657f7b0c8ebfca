//! A page of HTML by its nodes, as browsers read it. Pure.

use std::collections::BTreeMap;

use scraper::{ElementRef, Html, Node};

/// Nodes and attributes of one page that are compared.
const MOST: usize = 20_000;

/// Elements within elements.
const DEEPEST: usize = 200;

/// Elements that are never closed: no measure of how deep a page is.
const FLAT: [&str; 16] = [
    "area", "br", "col", "dd", "dt", "hr", "img", "input", "li", "link", "meta", "option", "p",
    "td", "th", "tr",
];

/// Open elements with which a page still is one.
const MOST_OPEN: usize = 2_000;

/// Whether a page can be read: reading takes the square of its depth.
pub(super) fn is_readable(text: &str) -> bool {
    let mut open = 0_usize;
    for piece in text.split('<').skip(1) {
        if piece.starts_with('/') {
            open = open.saturating_sub(1);
        } else if piece.starts_with(|it: char| it.is_ascii_alphabetic()) {
            let end = piece.find(|it: char| !it.is_ascii_alphanumeric());
            let name = piece[..end.unwrap_or(piece.len())].to_ascii_lowercase();
            open += usize::from(!FLAT.contains(&name.as_str()));
        }
        if open > MOST_OPEN {
            return false;
        }
    }
    true
}

/// Texts and attributes by their places: `html/body/ul/li[2]`, `html/body/a@href`. An element with an `id` is
/// found by it, wherever it stands among its like.
pub(super) fn nodes(text: &str) -> BTreeMap<String, String> {
    let page = Html::parse_document(text);
    let mut found = BTreeMap::new();
    let root = page.root_element();
    walk(root, root.value().name().to_owned(), 0, &mut found);
    found
}

fn walk(element: ElementRef<'_>, path: String, depth: usize, found: &mut BTreeMap<String, String>) {
    if found.len() >= MOST || depth > DEEPEST {
        return;
    }
    for (name, value) in element.value().attrs() {
        if name != "id" {
            found.insert(format!("{path}@{name}"), value.to_owned());
        }
    }
    let mut text = String::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for child in element.children() {
        match child.value() {
            Node::Text(it) => text.push_str(it),
            Node::Element(it) => {
                let name = it.name();
                let count = counts.entry(name).or_default();
                *count += 1;
                let below = match (it.id(), *count) {
                    (Some(id), _) => format!("{path}/{name}#{id}"),
                    (None, 1) => format!("{path}/{name}"),
                    (None, count) => format!("{path}/{name}[{count}]"),
                };
                if let Some(child) = ElementRef::wrap(child) {
                    walk(child, below, depth + 1, found);
                }
            }
            _ => {}
        }
    }
    // An element without any text is there all the same.
    let words: Vec<&str> = text.split_whitespace().collect();
    found.insert(path, words.join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_by_node() {
        let found = nodes(
            "<title>T</title><ul id=x><li>one<li>two  <b>three</b></ul><p><a href='/b'>x</a>",
        );
        let told: Vec<String> = found
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(path, value)| format!("{path} {value}"))
            .collect();
        assert_eq!(
            told,
            [
                "html/body/p/a x",
                "html/body/p/a@href /b",
                "html/body/ul#x/li one",
                "html/body/ul#x/li[2] two",
                "html/body/ul#x/li[2]/b three",
                "html/head/title T",
            ]
        );
    }

    #[test]
    fn a_hostile_page_ends() {
        assert!(!is_readable(&"<div>".repeat(20_000)));
        let deep = "<div>".repeat(MOST_OPEN - 1);
        assert!(is_readable(&deep) && nodes(&deep).len() <= DEEPEST + 4);
        let long = "<b></b><p>".repeat(11_000);
        assert!(is_readable(&long) && nodes(&long).len() <= MOST + 2);
    }
}
