//! The paths that the code of a module names, wherever they stand: in types, expressions, imports,
//! in the arguments of macros and of attributes.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Attribute, Ident, ImplItem, Item, ItemMod, ItemUse, LitStr, Macro, Path, Stmt, Visibility,
};

use super::modules::{Module, attributes, is_for_tests, leaves};

#[derive(Default)]
pub(super) struct Mentions {
    /// Each as written, without generic arguments.
    pub(super) paths: Vec<Vec<String>>,
    /// What `cfg`, `cfg!` and `cfg_attr` ask.
    pub(super) conditions: Vec<String>,
    /// Every name and text, a line each.
    pub(super) words: String,
}

/// What a module names; its child modules, its exports and what is for tests aside.
pub(super) fn mentions(module: &Module) -> Mentions {
    let mut found = Mentions::default();
    for it in &module.attributes {
        found.visit_attribute(it);
    }
    for it in &module.items {
        found.visit_item(it);
    }
    found
}

impl Mentions {
    /// Tokens that are no syntax yet: every `a::b::c` and every `Name` in them.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    self.word(&word.to_string());
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(it) if it.as_char() == ':' => colons += 1,
                other => {
                    self.end(&mut path);
                    colons = 0;
                    match other {
                        TokenTree::Group(group) => self.scan(group.stream()),
                        other => self.word(&other.to_string()),
                    }
                }
            }
        }
        self.end(&mut path);
    }

    fn word(&mut self, word: &str) {
        self.words.push_str(word);
        self.words.push('\n');
    }

    fn end(&mut self, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        // A single small word may be a variable, a field or a method.
        let is_name = |it: &String| it.starts_with(char::is_uppercase);
        if path.len() > 1 || path.first().is_some_and(is_name) {
            self.paths.push(path);
        }
    }
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let is_for_tests = match item {
            ImplItem::Fn(it) => is_for_tests(&it.attrs),
            ImplItem::Const(it) => is_for_tests(&it.attrs),
            _ => false,
        };
        if !is_for_tests {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let is_for_tests = match statement {
            Stmt::Local(it) => is_for_tests(&it.attrs),
            _ => false,
        };
        if !is_for_tests {
            visit::visit_stmt(self, statement);
        }
    }

    /// Its attributes count here; what is in it is a module of its own.
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        for it in &item.attrs {
            self.visit_attribute(it);
        }
    }

    /// What is exported once more is not used here.
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for it in &item.attrs {
            self.visit_attribute(it);
        }
        if matches!(item.vis, Visibility::Inherited) {
            self.paths
                .extend(leaves(item).into_iter().map(|(path, _)| path));
        }
    }

    fn visit_ident(&mut self, ident: &'ast Ident) {
        self.word(&ident.to_string());
    }

    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        self.word(&text.value());
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast Path) {
        let segments = path.segments.iter().map(|it| it.ident.to_string());
        self.paths.push(segments.collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, it: &'ast Macro) {
        self.visit_path(&it.path);
        if it.path.is_ident("cfg") {
            self.conditions.push(it.tokens.to_string());
        }
        self.scan(it.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let syn::Meta::List(list) = &attribute.meta else {
            return;
        };
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            self.conditions.push(list.tokens.to_string());
        }
        self.scan(list.tokens.clone());
        // serde's paths are written as texts: `with = "crate::model::yaml"`.
        for token in list.tokens.clone() {
            let TokenTree::Literal(literal) = token else {
                continue;
            };
            if let Ok(text) = syn::parse_str::<LitStr>(&literal.to_string())
                && let Ok(path) = text.parse::<Path>()
            {
                self.visit_path(&path);
            }
        }
    }
}
