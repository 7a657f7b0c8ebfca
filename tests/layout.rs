//! The layout of DESIGN §5, held.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module may import from those above it only.
const ORDER: &[&str] = &[
    "exit",
    "error",
    "model",
    "select",
    "desired",
    "plan",
    "system",
    "paths",
    "settings",
    "probe",
    "trust",
    "tls",
    "registry",
    "engine",
    "definitions",
    "changes",
    "forge",
    "state",
    "cache",
    "build",
    "apply",
    "converge",
    "evidence",
    "ready",
    "status",
    "listing",
    "logs",
    "forward",
    "release",
    "ui",
    "context",
    "hosts",
    "secrets",
    "prepare",
    "examine",
    "proposals",
    "running",
    "clean",
    "instance",
    "lifecycle",
    "doctor",
    "complete",
    "browser",
    "commands",
];

/// One concept in two files each: an error has an exit code, a setting may be a path.
const PAIRS: [(&str, &str); 2] = [("exit", "error"), ("paths", "settings")];

/// Modules that may import from few of those above them.
const NARROW: [(&str, &[&str]); 11] = [
    ("model", &["error"]),
    ("select", &["error", "model"]),
    ("desired", &["error", "model", "select"]),
    ("plan", &["error", "model", "desired"]),
    ("trust", &["error", "model"]),
    ("registry", &["error", "model", "tls"]),
    ("system", &[]),
    ("engine", &["error", "model", "tls", "system"]),
    ("definitions", &["error", "model", "system"]),
    ("forge", &["error", "model", "tls"]),
    ("apply", &["error", "model", "desired", "plan", "engine"]),
];

/// What decides without asking the world.
const PURE: [&str; 4] = ["model", "select", "desired", "plan"];

/// Words of the world.
const WORLD: [&str; 13] = [
    "tokio",
    "bollard",
    "reqwest",
    "git2",
    "futures_util",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "TcpStream",
    "SystemTime",
    "Instant",
    "::now(",
];

/// Lines of a file, its tests aside.
const LONGEST: usize = 400;

/// Files that wait for their second concept.
const TOO_LONG: [&str; 0] = [];

struct Source {
    /// Below `src`, with slashes.
    path: String,
    /// The first part of it: a module of the crate.
    module: String,
    /// Without comments and unit tests.
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

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

/// The program's own code.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    files(&root().join("src"), &mut found);
    found.sort();
    let below = |path: &Path| {
        let below = path.strip_prefix(root().join("src")).unwrap();
        below.to_str().unwrap().replace('\\', "/")
    };
    let is_test = |path: &str| {
        path.contains("/tests/") || path.ends_with("tests.rs") || path.ends_with("/testing.rs")
    };
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let tests = [
            "mod tests {",
            "pub(crate) mod tests {",
            "#[cfg(unix)]\nmod tests {",
        ];
        let begins = |it| text.find(&format!("#[cfg(test)]\n{it}"));
        let end = tests.into_iter().filter_map(begins).min();
        let code = &text[..end.unwrap_or(text.len())];
        let kept = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let path = below(path);
        Source {
            module: path.split(['/', '.']).next().unwrap().to_owned(),
            code: kept.fold(String::new(), |text, line| text + line + "\n"),
            path,
        }
    };
    let sources: Vec<Source> = found
        .iter()
        .map(read)
        .filter(|it| !is_test(&it.path))
        .collect();
    assert!(sources.len() > 50, "the sources are found");
    sources
}

/// The modules that this code names behind `crate::`.
fn imports(code: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_lowercase() || *c == '_')
            .collect()
    };
    let mut names = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(list) => {
                assert!(!list.starts_with("self"), "import modules by their paths");
                let parts = list.split('}').next().unwrap().split(',');
                names.extend(parts.map(|part| word(part.trim())));
            }
            None => drop(names.insert(word(after))),
        }
    }
    names.remove("");
    names
}

fn place(module: &str) -> usize {
    let mut order = ORDER.iter();
    let place = order.position(|it| *it == module);
    place.unwrap_or_else(|| {
        panic!(
            "give the module `{module}` its place in ORDER of {}",
            file!()
        )
    })
}

#[test]
fn the_top_level_has_few_entries() {
    let allowed = [
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
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
fn imports_go_one_way() {
    let mut wrong = Vec::new();
    for source in sources() {
        if ["main", "lib"].contains(&source.module.as_str()) {
            continue;
        }
        let own = place(&source.module);
        let narrow = NARROW.iter().find(|(module, _)| *module == source.module);
        for other in imports(&source.code) {
            let pair = PAIRS.contains(&(source.module.as_str(), other.as_str()));
            let above = place(&other) <= own || pair;
            let near = other == source.module
                || narrow.is_none_or(|(_, few)| few.contains(&other.as_str()));
            if !(above && near) {
                wrong.push(format!("src/{} imports `{other}`", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_part_asks_nobody() {
    for source in sources()
        .iter()
        .filter(|it| PURE.contains(&it.module.as_str()))
    {
        for word in WORLD {
            let found = source.code.contains(word);
            assert!(!found, "src/{} is pure, and says `{word}`", source.path);
        }
    }
}

#[test]
fn each_foreign_crate_has_its_place() {
    for (name, place) in [
        ("serde_yaml", "model/yaml.rs"),
        ("bollard", "engine/"),
        ("git2", "definitions/"),
        ("indicatif", "ui/"),
        ("minijinja", "build/"),
        ("rustix", "system/"),
    ] {
        let users: Vec<_> = sources()
            .into_iter()
            .filter(|it| it.code.contains(&format!("{name}::")))
            .map(|it| it.path)
            .collect();
        let strangers: Vec<_> = users.iter().filter(|it| !it.starts_with(place)).collect();
        assert!(
            strangers.is_empty(),
            "{name} belongs in {place}: {strangers:?}"
        );
        assert!(!users.is_empty(), "{name} is found in {place}");
    }
}

/// What stands in the parentheses of each `cfg(…)`, `cfg!(…)` and `cfg_attr(…)`.
fn conditions(code: &str) -> Vec<&str> {
    let begins = ["cfg(", "cfg!(", "cfg_attr("].into_iter();
    let found = begins.flat_map(|begin| code.split(begin).skip(1));
    let whole = found.map(|after| {
        let mut open = 1;
        let end = after.find(|it| {
            open += i32::from(it == '(') - i32::from(it == ')');
            open == 0
        });
        &after[..end.expect("parentheses are closed")]
    });
    whole.collect()
}

#[test]
fn only_one_module_knows_operating_systems() {
    let names = ["unix", "windows", "target_os", "target_family"];
    let paths = ["::unix::", "::windows::", "std::os::"];
    let mut inside = 0;
    for source in sources() {
        let conditions = conditions(&source.code);
        let of_a_system = |it: &&str| names.iter().any(|name| it.contains(name));
        let named = conditions.into_iter().find(of_a_system);
        let named = named.or_else(|| paths.into_iter().find(|it| source.code.contains(it)));
        if source.module == "system" {
            inside += usize::from(named.is_some());
            continue;
        }
        let path = &source.path;
        assert!(
            named.is_none(),
            "src/{path} says `{}`: that belongs behind the trait of src/system",
            named.unwrap_or_default()
        );
    }
    assert_eq!(inside, 3, "the trait, and two systems");
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
    for source in sources() {
        let known = TOO_LONG.contains(&source.path.as_str());
        let lines = source.code.lines().count();
        let advice = if known {
            "leaves TOO_LONG"
        } else {
            "asks for a second concept"
        };
        assert_eq!(
            lines > LONGEST,
            known,
            "src/{} ({lines} lines) {advice}",
            source.path
        );
    }
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
    let ours = |it: &Source| it.path != "settings/variables.rs";
    for source in sources().iter().filter(|it| ours(it)) {
        let code = source.code.to_lowercase();
        for name in &names {
            let path = &source.path;
            assert!(
                !code.contains(name),
                "src/{path} names `{name}`: say it in profiles/"
            );
        }
    }
}
