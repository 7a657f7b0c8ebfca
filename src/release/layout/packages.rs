//! The databases of dpkg and apk: paragraphs of `key: value`.
//! Sources: deb-control(5), apk-installed(5).

use crate::model::sbom::{Origin, Package};
use crate::model::visible::visible;

/// Which database a file is.
pub(super) fn origin(path: &str) -> Option<Origin> {
    let of_dpkg = path == "var/lib/dpkg/status"
        || path
            .strip_prefix("var/lib/dpkg/status.d/")
            .is_some_and(|name| !name.ends_with(".md5sums"));
    let of_apk = ["lib/apk/db/installed", "usr/lib/apk/db/installed"].contains(&path);
    match (of_dpkg, of_apk) {
        (true, _) => Some(Origin::Deb),
        (_, true) => Some(Origin::Apk),
        _ => None,
    }
}

/// The packages of a database, without what a terminal obeys; of a package that dpkg removed only
/// its settings are left.
pub(in crate::release) fn read(origin: Origin, text: &str) -> impl Iterator<Item = Package> {
    let keys = match origin {
        Origin::Apk => ["P", "V", "A"],
        _ => ["Package", "Version", "Architecture"],
    };
    let paragraph = move |text: &str| {
        let value = |key: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim()))
        };
        let installed = value("Status").is_none_or(|it| it.ends_with(" installed"));
        let [name, version, architecture] = keys.map(value);
        installed.then_some(())?;
        Some(Package {
            origin,
            name: visible(name?),
            version: visible(version?),
            architecture: architecture.map(visible),
            place: None,
        })
    };
    text.split("\n\n").filter_map(paragraph)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(origin: Origin, text: &str) -> Vec<String> {
        read(origin, text).map(|it| it.to_string()).collect()
    }

    #[test]
    fn paragraphs_of_both_formats() {
        let dpkg = "Package: bash\nEssential: yes\nStatus: install ok installed\nVersion: 5.2.37-2\n\
                    Description: shell\n Package: not this\n\n\
                    Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                    Package: base-files\nVersion: 13.8\n";
        let found = shown(Origin::Deb, dpkg);
        assert_eq!(found, ["bash 5.2.37-2", "base-files 13.8"]);
        let apk = "C:Q1abc=\nP:musl\nV:1.2.5-r9\nA:x86_64\n\nC:Q1def=\nP:busybox\nV:1.37.0-r12\n\n";
        let found = shown(Origin::Apk, apk);
        assert_eq!(found, ["musl 1.2.5-r9", "busybox 1.37.0-r12"]);
        assert!(shown(Origin::Apk, "").is_empty());
        let hostile = shown(Origin::Apk, "P:a\u{1b}[31m\nV:1\u{202e}\r2\n");
        assert_eq!(hostile, ["a\\u{1b}[31m 1\\u{202e} 2"]);
    }

    #[test]
    fn databases_are_known_by_their_paths() {
        assert_eq!(origin("var/lib/dpkg/status"), Some(Origin::Deb));
        assert_eq!(origin("var/lib/dpkg/status.d/libc6"), Some(Origin::Deb));
        assert_eq!(origin("var/lib/dpkg/status.d/libc6.md5sums"), None);
        assert_eq!(origin("usr/lib/apk/db/installed"), Some(Origin::Apk));
        assert_eq!(origin("var/lib/dpkg/status-old"), None);
    }
}
