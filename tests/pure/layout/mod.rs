//! The layout of DESIGN §5, held: by what the sources name, not by how they are written.

mod circles;
mod files;
mod following;
mod mentions;
mod modules;
mod rooms;
mod sources;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use sources::File;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the program, tests left out, by their paths below `src`.
fn sources() -> &'static BTreeMap<String, File> {
    static SOURCES: OnceLock<BTreeMap<String, File>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let read = |file: &str| fs::read_to_string(root().join("src").join(file)).ok();
        let mut found = sources::files("lib.rs", &read);
        found.extend(sources::files("main.rs", &read));
        assert!(found.len() > 50, "the sources are found");
        found
    })
}

/// The first part of a file's path: a module of the crate.
fn room(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}
