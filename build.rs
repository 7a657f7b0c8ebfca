//! What `devenv --version --verbose` says of this build: `DEVENV_COMMIT`, `DEVENV_TARGET` and
//! `DEVENV_LIBRARIES` (`name version`, separated by commas).

use std::process::Command;

fn main() {
    say("rerun-if-changed", "Cargo.lock");
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    say_variable("DEVENV_LIBRARIES", &libraries(&lock).join(","));
    say_variable("DEVENV_TARGET", &variable("TARGET"));
    // Following each commit would compile everything anew after it.
    let commit = if variable("PROFILE") == "release" {
        say("rerun-if-env-changed", "DEVENV_COMMIT");
        commit()
    } else {
        "a development build".to_owned()
    };
    say_variable("DEVENV_COMMIT", &commit);
}

/// `DEVENV_COMMIT` of whoever builds from an archive, else what git says.
fn commit() -> String {
    let given = variable("DEVENV_COMMIT");
    if !given.is_empty() {
        return given;
    }
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        say("rerun-if-changed", &log);
    }
    git(&[
        "describe",
        "--always",
        "--abbrev=40",
        "--dirty",
        "--exclude=*",
    ])
    .unwrap_or_else(|| "unknown".to_owned())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Those that devenv itself names, as the lock file has them.
fn libraries(lock: &str) -> Vec<String> {
    let packages: Vec<&str> = lock.split("[[package]]").collect();
    let own = packages
        .iter()
        .find(|it| field(it, "name") == Some("devenv"));
    let dependencies = own.and_then(|it| it.split_once("dependencies = ["));
    let named: Vec<&str> = dependencies
        .into_iter()
        .flat_map(|(_, list)| list.lines())
        .filter_map(|line| line.trim().strip_prefix('"')?.split('"').next())
        .collect();
    let described = packages.iter().filter_map(|it| {
        let name = field(it, "name")?;
        let described = format!("{name} {}", field(it, "version")?);
        // A name has its version behind it where the lock file has several.
        let is_own = named.contains(&name) || named.contains(&described.as_str());
        is_own.then_some(described)
    });
    described.collect()
}

fn field<'a>(package: &'a str, name: &str) -> Option<&'a str> {
    let line = package
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""))?;
    line.strip_suffix('"')
}

#[expect(clippy::disallowed_methods, reason = "this is how cargo talks to it")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn say_variable(name: &str, value: &str) {
    say("rustc-env", &format!("{name}={value}"));
}

fn say(key: &str, value: &str) {
    println!("cargo::{key}={value}");
}
