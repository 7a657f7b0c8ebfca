//! No file is in a circle with another.

use std::collections::{BTreeMap, BTreeSet};

use super::sources;
use super::sources::File;

/// Circles that are still there: the list only gets shorter.
const STILL: &[&[&str]] = &[];

/// Sets of files that all lead to each other, of two or more.
pub(super) fn circles(files: &BTreeMap<String, File>) -> Vec<BTreeSet<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = files
        .keys()
        .map(|it| (it.as_str(), reached(files, it)))
        .collect();
    let mut found = BTreeSet::new();
    for (file, others) in &reached {
        let back = |it: &&&str| reached.get(**it).is_some_and(|it| it.contains(file));
        let circle: BTreeSet<&str> = others.iter().filter(back).copied().collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

fn reached<'a>(files: &'a BTreeMap<String, File>, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = vec![from];
    while let Some(file) = open.pop() {
        for other in files.get(file).into_iter().flat_map(|it| it.names.keys()) {
            if found.insert(other.as_str()) {
                open.push(other);
            }
        }
    }
    found
}

#[test]
fn no_file_is_in_a_circle_with_another() {
    let mut wrong = Vec::new();
    for circle in circles(sources()) {
        if STILL
            .iter()
            .any(|known| circle.iter().all(|it| known.contains(it)))
        {
            continue;
        }
        let mut lines = vec!["These name each other:".to_owned()];
        for file in &circle {
            for (other, path) in &sources()[*file].names {
                if circle.contains(other.as_str()) {
                    lines.push(format!("  src/{file} names src/{other}, by `{path}`"));
                }
            }
        }
        wrong.push(lines.join("\n"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
