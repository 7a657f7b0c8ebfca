//! `devenv --version --verbose`: what exactly this program is, for whoever reports a fault.

use std::ffi::OsString;
use std::fmt::Write as _;

/// What follows the program's name; several lines where more is asked for than the version.
pub(super) fn of(arguments: impl IntoIterator<Item = OsString>) -> String {
    let mut text = env!("CARGO_PKG_VERSION").to_owned();
    let verbose = |it: OsString| {
        ["--verbose", "-v", "-vV", "-Vv"]
            .iter()
            .any(|flag| it == *flag)
    };
    if !arguments.into_iter().any(verbose) {
        return text;
    }
    let (commit, target) = (env!("DEVENV_COMMIT"), env!("DEVENV_TARGET"));
    let _ = write!(text, "\ncommit: {commit}\ntarget: {target}");
    for library in env!("DEVENV_LIBRARIES").split(',') {
        let (name, version) = library.split_once(' ').unwrap_or((library, ""));
        let _ = write!(text, "\n{name}: {version}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_target_and_every_library() {
        let said = |it: &[&str]| of(it.iter().map(OsString::from));
        assert_eq!(said(&["devenv", "--version"]), env!("CARGO_PKG_VERSION"));
        let text = said(&["devenv", "--version", "--verbose"]);
        for name in [
            "commit: ",
            "target: ",
            "bollard: 0.",
            "clap: 4.",
            "libgit2-sys: 0.",
        ] {
            assert!(text.contains(&format!("\n{name}")), "{name}\n{text}");
        }
    }
}
