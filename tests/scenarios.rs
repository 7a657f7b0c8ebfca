//! `tests/SCENARIOS.md` names tests that exist, and every scenario is in it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// File and function of every row.
fn rows() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("tests/SCENARIOS.md")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, file, test] = cells.as_slice() else {
            return None;
        };
        Some((
            (*file).to_owned(),
            test.strip_prefix('`')?.strip_suffix('`')?.to_owned(),
        ))
    };
    text.lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(row)
        .collect()
}

/// The names of the test functions in a file.
fn functions(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if let Some((_, rest)) = line.split_once("fn ")
            && is_test
        {
            names.insert(rest.split('(').next().unwrap_or_default().to_owned());
            is_test = false;
        }
    }
    names
}

#[test]
fn every_row_names_a_test() {
    let rows = rows();
    assert!(rows.len() > 50, "{} rows were read", rows.len());
    for (file, test) in rows {
        let text = fs::read_to_string(root().join(&file)).unwrap_or_default();
        assert!(
            functions(&text).contains(&test),
            "{file} has no test `{test}`"
        );
    }
}

/// All files below a folder, by their paths from the root.
fn files(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let below = entries.flat_map(|entry| {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    });
    below.collect()
}

#[test]
fn every_scenario_has_a_row() {
    let named: BTreeSet<_> = rows().into_iter().collect();
    for file in files("tests/e2e") {
        for test in functions(&fs::read_to_string(root().join(&file)).unwrap()) {
            assert!(
                named.contains(&(file.clone(), test.clone())),
                "tests/SCENARIOS.md lacks `{test}` of {file}"
            );
        }
    }
}
