//! The corpus of the fuzzer, as a test: what was ever found stays mended.
#![allow(clippy::expect_used, reason = "a fuzzed property fails by panicking")]

use std::fs;
use std::path::Path;

#[path = "../fuzz/targets.rs"]
mod targets;

/// Walks `tests/fuzz/corpus/<target>`; each input also cut and with a byte changed.
fn walk(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut inputs = 0;
    for entry in fs::read_dir(folder.join(target)).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        run(&bytes);
        let step = (bytes.len() / 16).max(1);
        for at in (0..bytes.len()).step_by(step) {
            run(&bytes[..at]);
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            run(&changed);
        }
        inputs += 1;
    }
    assert!(inputs > 0, "no corpus for {target}");
}

#[test]
fn no_input_of_the_corpus_breaks_a_parser() {
    walk("bundle", targets::bundle);
    walk("manifest", targets::manifest);
    walk("ledger", targets::ledger);
    walk("reference", targets::reference);
    walk("trust_file", targets::trust_file);
    walk("definition", targets::definition);
    walk("layer", targets::layer);
    walk("requests", targets::requests);
}
