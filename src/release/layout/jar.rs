//! What jars, wars and ears say that they are, and what jars lie in them.
//!
//! Maven's `pom.properties` goes before the manifest: it knows the group.
//! Sources: the JAR file specification ("JAR Manifest"), Maven Archiver.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use tempfile::SpooledTempFile;
use zip::ZipReadOptions;
use zip::read::Config;
use zip::unstable::read::ZipIterable;

use super::budget::Budget;
use super::found::Found;
use crate::model::sbom::{Origin, Package};
use crate::model::visible::visible;

/// Jars in jars are looked at this deep: a jar in a war in an ear.
const DEEPEST: usize = 3;
/// Entries of one jar.
const MOST: usize = 100_000;
/// Bytes of a manifest or a `pom.properties`.
const LARGEST_TEXT: u64 = 1 << 20;
/// Bytes that are read to find the list of a jar's entries.
const LARGEST_END: u64 = 256 << 20;

/// Whether a file's name is that of a jar, a war or an ear.
pub(super) fn is_jar(path: &str) -> bool {
    let ending = path.rsplit('.').next().unwrap_or_default();
    ["jar", "war", "ear"]
        .iter()
        .any(|it| ending.eq_ignore_ascii_case(it))
}

/// What is in the jar at `place`.
pub(super) fn packages(jar: &mut dyn Read, place: &str, budget: &mut Budget) -> Found {
    let mut found = Found::default();
    look(jar, place, DEEPEST, budget, &mut found);
    found
}

/// One that cannot be read hides none of the others, and is told.
fn look(jar: &mut dyn Read, place: &str, depth: usize, budget: &mut Budget, found: &mut Found) {
    let whole = budget
        .spool(jar)
        .and_then(|jar| collect(jar, place, depth, budget, found));
    if whole.is_none() {
        found.miss(place, budget);
    }
}

/// Looks at one entry after the other: a list of all of them may be as large as the jar.
fn open(jar: SpooledTempFile) -> Option<ZipIterable<Metered>> {
    let left = Rc::new(Cell::new(LARGEST_END));
    let metered = Metered {
        inner: jar,
        left: Rc::clone(&left),
    };
    let archive = ZipIterable::try_new(metered, Config::default()).ok()?;
    left.set(u64::MAX);
    (archive.len() <= MOST).then_some(archive)
}

/// `None` where not everything could be read.
fn collect(
    jar: SpooledTempFile,
    place: &str,
    depth: usize,
    budget: &mut Budget,
    found: &mut Found,
) -> Option<()> {
    let mut archive = open(jar)?;
    let package = |(name, version): (String, String)| Package {
        origin: Origin::Jar,
        name,
        version,
        architecture: None,
        place: Some(place.to_owned()),
    };
    let (mut manifest, mut has_pom, mut whole) = (None, false, Some(()));
    let entries = archive.files().ok()?;
    while let Some(entry) = entries.next() {
        let Ok(entry) = entry else {
            whole = None;
            break;
        };
        let Ok(name) = entry.name().map(Cow::into_owned) else {
            whole = None;
            continue;
        };
        let is_manifest = name.eq_ignore_ascii_case("META-INF/MANIFEST.MF");
        let is_pom = name.starts_with("META-INF/maven/") && name.ends_with("/pom.properties");
        if !is_manifest && !is_pom && !is_jar(&name) {
            continue;
        }
        let inner = format!("{place}!/{}", visible(&name));
        let Ok(mut content) = entry.with_reader(entries.reader_mut(), ZipReadOptions::new()) else {
            found.miss(&inner, budget);
            continue;
        };
        if is_manifest || is_pom {
            match text(&mut content, budget) {
                None => found.miss(&inner, budget),
                Some(text) if is_manifest => manifest = Some(text),
                Some(text) => {
                    if let Some(pom) = of_pom(&text) {
                        has_pom = true;
                        budget.add(&mut found.packages, package(pom))?;
                    }
                }
            }
        } else if depth > 1 {
            look(&mut content, &inner, depth - 1, budget, found);
        } else {
            found.miss(&inner, budget);
        }
    }
    let file = place.rsplit('/').next().unwrap_or(place);
    let named = manifest.and_then(|text| of_manifest(&text, file));
    if let Some(named) = named.filter(|_| !has_pom) {
        budget.add(&mut found.packages, package(named))?;
    }
    whole
}

/// A reader that fails after so many bytes.
struct Metered {
    inner: SpooledTempFile,
    left: Rc<Cell<u64>>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let left = self.left.get().checked_sub(count as u64);
        self.left.set(left.ok_or(io::ErrorKind::FileTooLarge)?);
        Ok(count)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

fn text(content: &mut dyn Read, budget: &mut Budget) -> Option<String> {
    let mut text = Vec::new();
    budget.unpack(&mut content.take(LARGEST_TEXT), &mut text)?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn of_pom(text: &str) -> Option<(String, String)> {
    let value = |key: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            let value = value.trim();
            (name.trim() == key && !value.is_empty()).then(|| visible(value))
        })
    };
    let (group, artifact) = (value("groupId")?, value("artifactId")?);
    Some((format!("{group}:{artifact}"), value("version")?))
}

/// Name and version by the main section of a manifest; the name else by the file's.
fn of_manifest(text: &str, file: &str) -> Option<(String, String)> {
    let text = text.replace("\r\n", "\n").replace("\n ", "");
    let main = text.split("\n\n").next().unwrap_or_default();
    let values: BTreeMap<String, &str> = main
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.to_ascii_lowercase(), value.trim()))
        .collect();
    let value = |key: &str| values.get(key).copied().filter(|it| !it.is_empty());
    let symbolic = value("bundle-symbolicname").and_then(|it| it.split(';').next());
    let version = value("implementation-version").or_else(|| value("bundle-version"))?;
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let stem = stem.strip_suffix(&format!("-{version}")).unwrap_or(stem);
    let name = symbolic
        .or_else(|| value("implementation-title"))
        .unwrap_or(stem);
    Some((visible(name), visible(version)))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use super::*;

    fn jar(files: &[(&str, &[u8])]) -> Vec<u8> {
        packed(files, zip::CompressionMethod::Deflated)
    }

    fn packed(files: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
        let mut jar = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        for (name, content) in files {
            jar.start_file(*name, options).unwrap();
            jar.write_all(content).unwrap();
        }
        jar.finish().unwrap().into_inner()
    }

    fn found(jar: &[u8]) -> (Vec<String>, Vec<String>) {
        let found = packages(&mut &*jar, "opt/a.war", &mut Budget::default());
        let shown = |it: &Package| format!("{it} in {}", it.place.clone().unwrap_or_default());
        let packages = found.packages.iter().map(shown).collect();
        (packages, found.unread.into_iter().collect())
    }

    #[test]
    fn jars_in_a_war_are_found() {
        let pom = b"#made\ngroupId=org.slf4j\nartifactId=slf4j-api\nversion=2.0.1\n";
        let inner = jar(&[("META-INF/maven/org.slf4j/slf4j-api/pom.properties", pom)]);
        let manifest = b"Manifest-Version: 1.0\r\nBundle-SymbolicName: com.acme.very.long.na\r\n me;singleton=true\r\nBundle-Version: 3\r\n\r\nName: x\r\nImplementation-Version: 9\r\n";
        let other = jar(&[("META-INF/MANIFEST.MF", manifest)]);
        let nameless = jar(&[("META-INF/MANIFEST.MF", b"Implementation-Version: 7\n")]);
        let war = jar(&[
            ("WEB-INF/lib/slf4j-api-2.0.1.jar", &inner),
            ("WEB-INF/lib/other.jar", &other),
            ("WEB-INF/lib/thing-7.jar", &nameless),
            ("WEB-INF/lib/damaged.jar", b"PK nothing"),
        ]);
        let (packages, unread) = found(&war);
        assert_eq!(
            packages,
            [
                "com.acme.very.long.name 3 in opt/a.war!/WEB-INF/lib/other.jar",
                "org.slf4j:slf4j-api 2.0.1 in opt/a.war!/WEB-INF/lib/slf4j-api-2.0.1.jar",
                "thing 7 in opt/a.war!/WEB-INF/lib/thing-7.jar",
            ]
        );
        assert_eq!(unread, ["opt/a.war!/WEB-INF/lib/damaged.jar"]);
        assert_eq!(found(b"no jar").1, ["opt/a.war"]);
    }

    /// A jar with a package of this version.
    fn versioned(version: &str) -> Vec<u8> {
        let manifest = format!("Implementation-Version: {version}\n");
        jar(&[("META-INF/MANIFEST.MF", manifest.as_bytes())])
    }

    #[test]
    fn one_that_cannot_be_read_hides_no_other() {
        let deepest = jar(&[("d.jar", &versioned("4"))]);
        let deep = jar(&[("b.jar", &jar(&[("c.jar", &deepest)]))]);
        let files: [(&str, &[u8]); 3] = [
            ("0.jar", b"these bytes are not what their checksum is of"),
            ("1.jar", &versioned("1")),
            ("a.jar", &deep),
        ];
        let mut war = packed(&files, zip::CompressionMethod::Stored);
        let at = war.windows(5).position(|it| it == b"these").unwrap();
        war[at] ^= 1;
        let (packages, unread) = found(&war);
        assert_eq!(packages, ["1 1 in opt/a.war!/1.jar"]);
        let wanted = ["opt/a.war!/0.jar", "opt/a.war!/a.jar!/b.jar!/c.jar"];
        assert_eq!(unread, wanted);
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = jar(&[("a.jar", &vec![0; 4 << 20])]);
        let war = jar(&[("b.jar", &bomb), ("c.jar", &bomb)]);
        let mut budget = Budget::new(1 << 20, 1 << 20);
        let found = packages(&mut &*war, "a.war", &mut budget);
        assert!(found.packages.is_empty());
        // Nothing is left for the second.
        let unread: Vec<String> = found.unread.into_iter().collect();
        assert_eq!(unread, ["a.war!/b.jar!/a.jar", "a.war!/c.jar"]);
        assert!(budget.spool(&mut &b"x"[..]).is_none());
    }

    #[test]
    fn packages_without_end_are_not_kept() {
        let poms: Vec<(String, String)> = (0..50)
            .map(|it| {
                let name = format!("META-INF/maven/g/{it}/pom.properties");
                (name, format!("groupId=g\nartifactId=a{it}\nversion=1\n"))
            })
            .collect();
        let files: Vec<(&str, &[u8])> = poms
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_bytes()))
            .collect();
        let jar = jar(&files);
        let mut budget = Budget::new(1 << 20, 2000);
        let found = packages(&mut &*jar, "a.jar", &mut budget);
        assert!((5..20).contains(&found.packages.len()));
        assert!(budget.check().is_err());
    }
}
