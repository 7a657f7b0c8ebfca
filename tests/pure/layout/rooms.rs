//! The rooms, what each may know of the others, and what of the world outside.

use super::{room, sources};

/// Each room may name those above it only.
const ORDER: &[&str] = &[
    "error",
    "system",
    "model",
    "network",
    "engine",
    "registry",
    "definitions",
    "converge",
    "home",
    "verify",
    "release",
    "proposals",
    "instance",
    "server",
    "doctor",
    "cli",
];

/// Rooms that may import from few of those above them.
const NARROW: [(&str, &[&str]); 7] = [
    ("system", &[]),
    ("model", &["error"]),
    ("network", &["error", "model"]),
    ("engine", &["error", "model", "network", "system"]),
    ("registry", &["error", "model", "network", "system"]),
    ("definitions", &["error", "model", "system"]),
    ("converge", &["error", "model", "engine", "network"]),
];

/// What decides without asking the world.
const PURE: [&str; 8] = [
    "model/",
    "converge/select",
    "converge/desired/",
    "converge/plan/",
    "verify/trust/",
    "server/plan",
    "server/ruleset",
    "server/state",
];

/// The world: beginnings of paths.
const WORLD: [&str; 14] = [
    "tokio::",
    "bollard::",
    "reqwest::",
    "git2::",
    "futures_util::",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::net::Tcp",
    "std::net::Udp",
    "std::os::",
    "std::time::SystemTime",
    "std::time::Instant",
];

fn place(room: &str) -> usize {
    let place = ORDER.iter().position(|it| *it == room);
    place.unwrap_or_else(|| panic!("give the room `{room}` its place in ORDER of {}", file!()))
}

#[test]
fn rooms_are_named_one_way() {
    let mut wrong = Vec::new();
    for (file, source) in sources() {
        let own = room(file);
        if ["main", "lib"].contains(&own) {
            continue;
        }
        let narrow = NARROW.iter().find(|(room, _)| *room == own);
        for (other, path) in &source.names {
            let other_room = room(other);
            let above = place(other_room) <= place(own);
            let near = other_room == own || narrow.is_none_or(|(_, few)| few.contains(&other_room));
            if !(above && near) {
                wrong.push(format!("src/{file} names src/{other}, by `{path}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_part_asks_nobody() {
    let is_pure = |it: &&String| PURE.iter().any(|pure| it.starts_with(pure));
    let mut seen = 0;
    for path in sources().keys().filter(is_pure) {
        seen += 1;
        for foreign in &sources()[path].foreign {
            let asks = WORLD.iter().any(|it| foreign.starts_with(it)) || foreign.ends_with("::now");
            assert!(!asks, "src/{path} is pure, and names `{foreign}`");
        }
    }
    assert!(seen > 30, "{seen} pure files were read");
}

#[test]
fn folders_are_made_for_this_user_alone() {
    for (path, file) in sources() {
        for foreign in &file.foreign {
            let makes = [
                "std::fs::create_dir",
                "std::fs::DirBuilder",
                "tokio::fs::create_dir",
            ];
            let makes = makes.iter().any(|it| foreign.starts_with(it));
            assert!(
                !makes || path.starts_with("system/"),
                "src/{path} names `{foreign}`: `Here::create_private` minds no umask"
            );
        }
    }
}

#[test]
fn each_foreign_crate_has_its_place() {
    for (name, place) in [
        ("age", "instance/capsule/"),
        ("serde_yaml", "model/yaml/"),
        ("bollard", "engine/"),
        ("git2", "definitions/"),
        ("indicatif", "cli/ui/"),
        ("minijinja", "release/build/"),
        ("rustix", "system/"),
        ("scraper", "model/replay/"),
    ] {
        let begins = format!("{name}::");
        let uses = |path: &&String| {
            sources()[*path]
                .foreign
                .iter()
                .any(|it| it.starts_with(&begins))
        };
        let users: Vec<_> = sources().keys().filter(uses).collect();
        let strangers: Vec<_> = users.iter().filter(|it| !it.starts_with(place)).collect();
        assert!(
            strangers.is_empty(),
            "{name} belongs in {place}: {strangers:?}"
        );
        assert!(!users.is_empty(), "{name} is found in {place}");
    }
}

#[test]
fn only_one_room_knows_operating_systems() {
    let names = ["unix", "windows", "target_os", "target_family"];
    let mut inside = 0;
    for (path, source) in sources() {
        let asks = |it: &&String| names.iter().any(|name| it.contains(name));
        let of_a_system = |it: &&String| {
            it.starts_with("std::os::") || it.contains("::unix::") || it.contains("::windows::")
        };
        let condition = source.conditions.iter().find(asks);
        let named = condition.or_else(|| source.foreign.iter().find(of_a_system));
        if room(path) == "system" {
            inside += usize::from(named.is_some());
        } else if let Some(named) = named {
            panic!("src/{path} says `{named}`: that belongs behind the trait of src/system");
        }
    }
    assert_eq!(inside, 3, "the trait, and two systems");
}

/// A program gets no secret of devenv's environment: it is made by `system::program`, or gets an
/// environment of its own.
#[test]
fn no_program_gets_devenvs_own_secrets() {
    let makes = |path: &String| path.ends_with("process::Command::new");
    for (file, found) in sources() {
        let clears = found.words.lines().any(|word| word == "env_clear");
        let is_there = file == "system/programs.rs" || file == "system/windows.rs";
        assert!(
            clears || is_there || !found.foreign.iter().any(makes),
            "{file} starts a program: `system::program` makes one without secrets"
        );
    }
    let here = &sources()["system/programs.rs"];
    assert!(here.foreign.iter().any(makes), "{:?}", here.foreign);
}
