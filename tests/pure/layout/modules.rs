//! The modules of a crate, read from its files: what each defines, declares and imports. Code that
//! is only compiled for tests is left out.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree};

/// What a name stands for within a module.
#[derive(Debug, Clone)]
pub(super) enum Name {
    /// A type, trait or alias, which may have more behind `::`.
    Type,
    /// A function, constant or macro.
    Value,
    /// A module, by its index.
    Module(usize),
    /// Imported, or exported once more: the path as written.
    Import(Vec<String>),
}

pub(super) struct Module {
    pub(super) parent: Option<usize>,
    /// From the folder of the sources, with slashes.
    pub(super) file: String,
    pub(super) names: BTreeMap<String, Vec<Name>>,
    /// Paths before `::*`.
    pub(super) globs: Vec<Vec<String>>,
    pub(super) items: Vec<Item>,
    /// Of the file, where the module is a whole one.
    pub(super) attributes: Vec<Attribute>,
}

/// Gives the text of a file, `None` if there is no such file.
pub(super) type Read<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The modules of the crate whose root is the file `root`; the root is the first.
pub(super) fn modules(root: &str, read: Read) -> Vec<Module> {
    let mut found = Vec::new();
    let text = read(root).unwrap_or_else(|| panic!("{root} is not there"));
    add_file(&mut found, None, root, "", &text, read);
    found
}

/// `folder` is where the files of its child modules are.
fn add_file(
    found: &mut Vec<Module>,
    parent: Option<usize>,
    file: &str,
    folder: &str,
    text: &str,
    read: Read,
) -> usize {
    let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    add(
        found,
        parent,
        file,
        folder,
        syntax.items,
        syntax.attrs,
        read,
    )
}

fn add(
    found: &mut Vec<Module>,
    parent: Option<usize>,
    file: &str,
    folder: &str,
    items: Vec<Item>,
    attributes: Vec<Attribute>,
    read: Read,
) -> usize {
    let index = found.len();
    let mut names = Names::default();
    for item in &items {
        names.visit_item(item);
    }
    found.push(Module {
        parent,
        file: file.to_owned(),
        names: names.names,
        globs: names.globs,
        items: Vec::new(),
        attributes,
    });
    for item in &items {
        let Item::Mod(module) = item else { continue };
        if is_for_tests(&module.attrs) {
            continue;
        }
        let name = module.ident.to_string();
        let below = format!("{folder}{name}/");
        let child = if let Some((_, items)) = &module.content {
            let items = items.clone();
            add(found, Some(index), file, &below, items, Vec::new(), read)
        } else {
            let candidates = [format!("{folder}{name}.rs"), format!("{below}mod.rs")];
            let mut there = candidates
                .into_iter()
                .filter_map(|it| Some((read(&it)?, it)));
            let (text, child) = there
                .next()
                .unwrap_or_else(|| panic!("{file}: no file of `mod {name}`"));
            add_file(found, Some(index), &child, &below, &text, read)
        };
        found[index]
            .names
            .entry(name)
            .or_default()
            .push(Name::Module(child));
    }
    found[index].items = items;
    index
}

/// Whether it is compiled for tests only.
pub(super) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|it| {
        let condition = it.path().is_ident("cfg").then(|| it.meta.require_list());
        let words = condition.map(|it| it.map(|it| it.tokens.to_string()).unwrap_or_default());
        words.is_some_and(|it| {
            it == "test" || it.starts_with("all (test") || it.starts_with("all(test")
        })
    })
}

/// The attributes of an item.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::ExternCrate(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// The paths of a `use`, each with the name that it gives: none for `as _`, `*` for all that is there.
pub(super) fn leaves(item: &ItemUse) -> Vec<(Vec<String>, Option<String>)> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::new(), &item.tree)];
    while let Some((mut path, tree)) = open.pop() {
        match tree {
            UseTree::Path(it) => {
                path.push(it.ident.to_string());
                open.push((path, &it.tree));
            }
            UseTree::Group(it) => open.extend(it.items.iter().map(|it| (path.clone(), it))),
            UseTree::Glob(_) => found.push((path, Some("*".to_owned()))),
            UseTree::Name(it) if it.ident == "self" => {
                let name = path.last().cloned();
                found.push((path, name));
            }
            UseTree::Name(it) => {
                path.push(it.ident.to_string());
                found.push((path, Some(it.ident.to_string())));
            }
            UseTree::Rename(it) => {
                if it.ident != "self" {
                    path.push(it.ident.to_string());
                }
                let name = it.rename.to_string();
                found.push((path, Some(name).filter(|name| name != "_")));
            }
        }
    }
    found
}

/// Collects the names of one module; what functions import or define within themselves too.
#[derive(Default)]
struct Names {
    names: BTreeMap<String, Vec<Name>>,
    globs: Vec<Vec<String>>,
}

impl Names {
    fn name(&mut self, name: &syn::Ident, what: Name) {
        self.names.entry(name.to_string()).or_default().push(what);
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        match item {
            Item::Const(it) => self.name(&it.ident, Name::Value),
            Item::Static(it) => self.name(&it.ident, Name::Value),
            Item::Fn(it) => self.name(&it.sig.ident, Name::Value),
            Item::Enum(it) => self.name(&it.ident, Name::Type),
            Item::Struct(it) => self.name(&it.ident, Name::Type),
            Item::Trait(it) => self.name(&it.ident, Name::Type),
            Item::Type(it) => self.name(&it.ident, Name::Type),
            Item::Macro(it) => {
                if let Some(name) = &it.ident {
                    self.name(name, Name::Value);
                }
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for (path, name) in leaves(item) {
            match name.as_deref() {
                Some("*") => self.globs.push(path),
                Some(name) => {
                    let names = self.names.entry(name.to_owned()).or_default();
                    names.push(Name::Import(path));
                }
                None => {}
            }
        }
    }
}
