//! Which file names which: every path that the code of a file names is followed, through aliases,
//! globs and re-exports, to the file that defines it. A module that is only named on the way, a `mod`
//! and a re-export count for nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::mentions::{Mentions, mentions};
use super::modules::{Module, Name, Read, modules};

/// What is known of one file.
#[derive(Default)]
pub(super) struct File {
    /// The files that it names, each with one of the paths that do.
    pub(super) names: BTreeMap<String, String>,
    /// Paths into other crates, aliases resolved.
    pub(super) foreign: BTreeSet<String>,
    /// What `cfg`, `cfg!` and `cfg_attr` ask.
    pub(super) conditions: Vec<String>,
    /// Every name and text of the code, comments left out.
    pub(super) words: String,
}

/// All files of the crate whose root is the file `root`, tests left out.
pub(super) fn files(root: &str, read: Read) -> BTreeMap<String, File> {
    let modules = modules(root, read);
    let mut files: BTreeMap<String, File> = BTreeMap::new();
    for (index, module) in modules.iter().enumerate() {
        let Mentions {
            paths,
            conditions,
            words,
        } = mentions(module);
        let file = files.entry(module.file.clone()).or_default();
        file.conditions.extend(conditions);
        file.words.push_str(&words);
        for path in paths {
            let mut way = Way {
                modules: &modules,
                passed: BTreeSet::new(),
            };
            for found in way.resolve(index, &path) {
                match found {
                    Found::File(other) if *other == module.file => {}
                    Found::File(other) => {
                        file.names
                            .entry(other.clone())
                            .or_insert_with(|| path.join("::"));
                    }
                    // A single word may be a variable.
                    Found::Foreign(path) if path.len() == 1 => {}
                    Found::Foreign(path) => drop(file.foreign.insert(path.join("::"))),
                    Found::Module => {}
                }
            }
        }
    }
    files
}

enum Found<'a> {
    File(&'a String),
    Module,
    Foreign(Vec<String>),
}

/// The way of one path. Each import is followed once, so that none leads in a circle.
struct Way<'a> {
    modules: &'a [Module],
    passed: BTreeSet<(usize, String, Vec<String>)>,
}

impl<'a> Way<'a> {
    /// From within a module.
    fn resolve(&mut self, module: usize, path: &[String]) -> Vec<Found<'a>> {
        match path.first().map(String::as_str) {
            None => vec![Found::Module],
            Some("crate" | "$crate") => self.walk(0, &path[1..]),
            Some("self" | "super") => self.walk(module, path),
            Some("Self") => Vec::new(),
            Some(_) => {
                let found = self.look_up(module, path);
                found.unwrap_or_else(|| vec![Found::Foreign(path.to_vec())])
            }
        }
    }

    /// From a module on downwards.
    fn walk(&mut self, module: usize, path: &[String]) -> Vec<Found<'a>> {
        match path.first().map(String::as_str) {
            None => vec![Found::Module],
            Some("self") => self.walk(module, &path[1..]),
            Some("super") => {
                let parent = self.modules[module].parent.expect("`super` of the root");
                self.walk(parent, &path[1..])
            }
            // What a macro of this module defines has no name that can be read.
            Some(_) => {
                let found = self.look_up(module, path);
                found.unwrap_or_else(|| vec![Found::File(&self.modules[module].file)])
            }
        }
    }

    /// `None` if the module has no such name.
    fn look_up(&mut self, module: usize, path: &[String]) -> Option<Vec<Found<'a>>> {
        let modules = self.modules;
        let own = &modules[module];
        let (name, rest) = path.split_first()?;
        let Some(names) = own.names.get(name) else {
            return self.look_into_globs(module, path);
        };
        let leads_on = |it: &&Name| matches!(it, Name::Module(_) | Name::Type);
        let leads_on = !rest.is_empty() && names.iter().any(|it| leads_on(&it));
        let mut found = Vec::new();
        for it in names {
            match it {
                Name::Value | Name::Import(_) if leads_on => {}
                Name::Type | Name::Value => found.push(Found::File(&own.file)),
                Name::Module(child) => found.extend(self.walk(*child, rest)),
                Name::Import(import) => {
                    let way = (module, name.clone(), import.clone());
                    if self.passed.insert(way) {
                        let whole = [import.as_slice(), rest].concat();
                        found.extend(self.resolve(module, &whole));
                    }
                }
            }
        }
        Some(found)
    }

    fn look_into_globs(&mut self, module: usize, path: &[String]) -> Option<Vec<Found<'a>>> {
        let modules = self.modules;
        for glob in &modules[module].globs {
            let way = (module, "*".to_owned(), glob.clone());
            if !self.passed.insert(way.clone()) {
                continue;
            }
            if let Some(inner) = self.module(module, glob)
                && let Some(found) = self.look_up(inner, path)
            {
                return Some(found);
            }
            self.passed.remove(&way);
        }
        None
    }

    /// The module that a path leads to, through imports as well.
    fn module(&self, from: usize, path: &[String]) -> Option<usize> {
        let mut at = from;
        for segment in path {
            at = match segment.as_str() {
                "crate" => 0,
                "self" => at,
                "super" => self.modules[at].parent?,
                name => {
                    let names = self.modules[at].names.get(name)?;
                    // An import of the same name is of another crate, or of a child module.
                    names.iter().find_map(|it| match it {
                        Name::Module(child) => Some(*child),
                        Name::Import(import) if import.first() != Some(segment) => {
                            self.module(at, import)
                        }
                        _ => None,
                    })?
                }
            };
        }
        Some(at)
    }
}
