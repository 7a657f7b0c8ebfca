//! What files there are, how long and by which names.

use std::fs;
use std::path::{Path, PathBuf};

use syn::ItemFn;
use syn::visit::Visit;

use super::{root, sources};

/// Lines of a file, its tests included.
const LONGEST: usize = 400;

/// The files of Rust below a folder, by their paths from the root.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// All files of Rust, by their paths from the root, with slashes.
fn all() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&root().join("src"), &mut found);
    files(&root().join("tests"), &mut found);
    found.sort();
    let read = |path: PathBuf| {
        let below = path.strip_prefix(root()).unwrap().to_str().unwrap();
        (below.replace('\\', "/"), fs::read_to_string(&path).unwrap())
    };
    found.into_iter().map(read).collect()
}

#[test]
fn the_top_level_has_few_entries() {
    let allowed = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "build.rs",
        "completions",
        "profiles",
        "src",
        "target",
        "tests",
    ];
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = name.starts_with('.') || allowed.contains(&name.as_str());
        assert!(known, "`{name}` does not belong at the top level");
    }
}

#[test]
fn there_is_one_crypto_provider() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"ring\""));
    assert!(
        !lock.contains("aws-lc"),
        "beside ring it makes rustls panic"
    );
}

#[test]
fn files_stay_short() {
    let mut wrong = Vec::new();
    for (path, text) in all() {
        let lines = text.lines().count();
        if lines > LONGEST {
            wrong.push(format!("{path} ({lines} lines) asks for a second concept"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_say_what_is_inside() {
    let mut found = Vec::new();
    files(&root().join("src"), &mut found);
    files(&root().join("tests"), &mut found);
    for path in found {
        let below = path.strip_prefix(root()).unwrap().to_str().unwrap();
        let parts = below.split(['/', '\\', '.', '_']);
        let empty = [
            "util", "utils", "helper", "helpers", "common", "misc", "manager",
        ];
        for part in parts {
            assert!(!empty.contains(&part), "{below}: what is in it?");
        }
    }
}

/// No kind of host is named in the code.
#[test]
fn no_kind_of_host_is_named_in_the_code() {
    let mut names: Vec<String> = fs::read_dir(root().join("profiles"))
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    // These two are words as well: of images' platforms, and of git.
    names.retain(|name| !["linux", "remote"].contains(&name.as_str()));
    names.extend(["docker-desktop", "docker desktop", "orbstack", "rancher"].map(String::from));
    assert!(names.len() > 10, "the profiles are found");
    // Variables that profiles name are documented where all variables are.
    let others = |it: &&String| *it != "home/settings/variables.rs";
    for path in sources().keys().filter(others) {
        let code = sources()[path].words.to_lowercase();
        for name in &names {
            let fine = !code.contains(name);
            assert!(fine, "src/{path} names `{name}`: say it in profiles/");
        }
    }
}

/// The functions of a file that are tests, and whether they are documented.
#[derive(Default)]
struct Tests(Vec<(String, bool)>);

impl<'ast> Visit<'ast> for Tests {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        let has = |name: &str| {
            let mut ends = function.attrs.iter().map(|it| it.path().segments.last());
            ends.any(|it| it.is_some_and(|it| it.ident == name))
        };
        if has("test") {
            self.0.push((function.sig.ident.to_string(), has("doc")));
        }
    }
}

#[test]
fn every_scenario_says_what_it_promises() {
    let mut seen = 0;
    for (path, text) in all() {
        if !path.starts_with("tests/scenarios/") {
            continue;
        }
        let mut tests = Tests::default();
        tests.visit_file(&syn::parse_file(&text).unwrap());
        for (name, documented) in tests.0 {
            seen += 1;
            assert!(documented, "{path}: `{name}` says nothing above it");
        }
    }
    assert!(seen > 100, "{seen} scenarios were read");
}
