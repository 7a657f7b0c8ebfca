//! The files of an image as far as they matter, layer upon layer.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;

use super::budget::Budget;
use super::entries::{self, Head};
use super::found::Found;
use super::{jar, packages, refuse, rpm};
use crate::error::Result;
use crate::model::sbom::Origin;
use crate::model::visible::visible;

/// Entries of one layer.
const MOST: usize = 5_000_000;
/// Bytes of one database that is read whole.
const LARGEST_DATABASE: u64 = 256 << 20;
/// Bytes of one text that is.
const LARGEST_TEXT: u64 = 64 << 20;
/// Bytes of a file that is kept as it is.
const LARGEST_KEPT: u64 = 1 << 20;
/// Set-user-ID and set-group-ID.
const SET_ID: u32 = 0o6000;

pub(super) const PASSWD: &str = "etc/passwd";
pub(super) const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// What a file's path says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    List(Origin),
    Text,
}

fn role(path: &str) -> Option<Role> {
    if jar::is_jar(path) {
        return Some(Role::List(Origin::Jar));
    }
    if rpm::is_database(path) {
        return Some(Role::List(Origin::Rpm));
    }
    if path == PASSWD || OS_RELEASE.contains(&path) {
        return Some(Role::Text);
    }
    packages::origin(path).map(Role::List)
}

/// A file that matters. Names of one file share its content.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    /// It runs as another user than the one that starts it.
    pub(super) is_setuid: bool,
    /// A layer above the base brought it.
    pub(super) is_above: bool,
    role: Option<Role>,
    pub(super) found: Rc<Found>,
    pub(super) text: Rc<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: BTreeMap<String, Held>,
    budget: Budget,
}

/// What one layer adds.
struct Added {
    files: BTreeMap<String, Held>,
    is_above: bool,
}

impl Tree {
    /// Puts one layer on top. Whiteouts mean what is below, not what the layer itself has.
    pub(super) fn lay(&mut self, layer: &mut impl Read, is_above: bool) -> Result<()> {
        let mut added = Added {
            files: BTreeMap::new(),
            is_above,
        };
        entries::each(&mut *layer, MOST, |head, content| {
            let Some(path) = plain(&head.path) else {
                return Ok(());
            };
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let join = |name: &str| match folder {
                "" => name.to_owned(),
                folder => format!("{folder}/{name}"),
            };
            match name.strip_prefix(".wh.") {
                Some(".wh..opq") => self.remove_below(folder),
                Some(removed) => {
                    let removed = join(removed);
                    self.files.remove(&removed);
                    self.remove_below(&removed);
                }
                None if head.kind.is_dir() => {}
                None => {
                    // A link leads to what was there before it.
                    let target = head.link.as_deref().and_then(plain);
                    let target = target.filter(|_| head.kind.is_hard_link());
                    let linked = target.as_ref().and_then(|target| {
                        let linked = added.files.get(target).or_else(|| self.files.get(target));
                        linked.cloned()
                    });
                    self.files.remove(&path);
                    self.remove_below(&path);
                    // A later entry of the same name replaces an earlier one.
                    added.files.remove(&path);
                    let budget = &mut self.budget;
                    if head.kind.is_file() {
                        added.file(&path, head, content, budget);
                    } else if head.kind.is_hard_link() {
                        added.link(&path, head, target, linked.unwrap_or_default(), budget);
                    }
                }
            }
            self.budget.check()
        })?;
        // What follows the last entry counts as well.
        io::copy(layer, &mut io::sink())
            .map_err(|error| refuse("it cannot be read to its end").because(error))?;
        self.files.extend(added.files);
        Ok(())
    }

    fn remove_below(&mut self, folder: &str) {
        let begin = match folder {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let below = self.files.range(begin.clone()..).map(|(path, _)| path);
        let below = below.take_while(|path| path.starts_with(&begin));
        for path in below.cloned().collect::<Vec<_>>() {
            self.files.remove(&path);
        }
    }
}

impl Added {
    fn file(&mut self, path: &str, head: &Head, content: &mut dyn Read, budget: &mut Budget) {
        let mut held = Held {
            is_setuid: head.mode & SET_ID != 0,
            role: role(path),
            ..Held::default()
        };
        match held.role {
            None => {}
            Some(Role::Text) => match whole(content, LARGEST_KEPT, path, budget) {
                Ok(text) if budget.keep(text.len()).is_some() => held.text = Rc::new(text),
                Ok(_) => {}
                Err(unread) => held.found = Rc::new(unread),
            },
            Some(Role::List(origin)) => held.found = Rc::new(list(origin, path, content, budget)),
        }
        self.hold(path, held, budget);
    }

    /// Another name of a file. The mode in its entry is set on the file, so on the target as well.
    fn link(
        &mut self,
        path: &str,
        head: &Head,
        target: Option<String>,
        mut held: Held,
        budget: &mut Budget,
    ) {
        if head.mode & SET_ID != 0 {
            held.is_setuid = true;
            if let Some(target) = target {
                self.hold(&target, held.clone(), budget);
            }
        }
        let role = role(path);
        if role.is_some() && role != held.role {
            // Its content went by when its name said nothing.
            let mut found = Found::default();
            found.miss(&place(path), budget);
            held.found = Rc::new(found);
        }
        held.role = role;
        self.hold(path, held, budget);
    }

    fn hold(&mut self, path: &str, held: Held, budget: &mut Budget) {
        if (held.is_setuid || held.role.is_some()) && budget.keep(path.len()).is_some() {
            let is_above = self.is_above;
            self.files
                .insert(path.to_owned(), Held { is_above, ..held });
        }
    }
}

/// The packages in a file.
fn list(origin: Origin, path: &str, content: &mut dyn Read, budget: &mut Budget) -> Found {
    let largest = match origin {
        Origin::Jar => return jar::packages(content, &place(path), budget),
        Origin::Rpm => LARGEST_DATABASE,
        Origin::Deb | Origin::Apk => LARGEST_TEXT,
    };
    let bytes = match whole(content, largest, path, budget) {
        Ok(bytes) => bytes,
        Err(unread) => return unread,
    };
    let mut found = Found::default();
    if origin == Origin::Rpm {
        match rpm::read(path, &bytes, budget) {
            Some(packages) => found.packages = packages,
            None => found.miss(&place(path), budget),
        }
    } else {
        for package in packages::read(origin, &String::from_utf8_lossy(&bytes)) {
            if budget.add(&mut found.packages, package).is_none() {
                break;
            }
        }
    }
    found
}

/// A file's bytes; of one that is too large that it is not read.
fn whole(
    content: &mut dyn Read,
    largest: u64,
    path: &str,
    budget: &mut Budget,
) -> Result<Vec<u8>, Found> {
    let mut bytes = Vec::new();
    let read = content.take(largest + 1).read_to_end(&mut bytes);
    if read.is_ok_and(|read| read as u64 <= largest) {
        return Ok(bytes);
    }
    let mut found = Found::default();
    found.miss(&place(path), budget);
    Err(found)
}

/// A path as it is shown.
fn place(path: &str) -> String {
    visible(&format!("/{path}"))
}

/// A path without `.` and empty parts; `None` where it leads upward.
pub(super) fn plain(path: &str) -> Option<String> {
    let parts = path.split('/').filter(|it| !it.is_empty() && *it != ".");
    let parts: Vec<&str> = parts.collect();
    (!parts.is_empty() && !parts.contains(&"..")).then(|| parts.join("/"))
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
