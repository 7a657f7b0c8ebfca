//! The layout tests see what they are to see: on crates of a few lines.

use std::collections::BTreeMap;

use super::circles::circles;
use super::sources::{File, files};

fn read(texts: &[(&str, &str)]) -> BTreeMap<String, File> {
    let texts: BTreeMap<&str, &str> = texts.iter().copied().collect();
    files("lib.rs", &|file| texts.get(file).map(ToString::to_string))
}

/// The files that `a.rs` names, where `b.rs` and what is below `b/` can be named.
fn named(code: &str) -> Vec<String> {
    let files = read(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", code),
        (
            "b/mod.rs",
            "mod inner; pub use inner::Thing; pub use inner as within; pub struct Own;",
        ),
        (
            "b/inner.rs",
            "pub struct Thing; pub enum Kind { One } pub fn make() {}",
        ),
        (
            "c.rs",
            "pub use crate::b::Thing as Other; pub use crate::b::within::*; made!(Unseen);",
        ),
    ]);
    files["a.rs"].names.keys().cloned().collect()
}

#[test]
fn a_path_leads_to_the_file_that_defines_what_it_names() {
    for code in [
        "use crate::b::Thing;",
        "use crate::{b::{self, Thing as It}, c};",
        "use super::b::inner::Kind::One;",
        "fn f(_: crate::c::Other) {}",
        "use crate::b; fn f() { b::within::make(); }",
        "use crate::c::*; fn f() { make(); }",
        "fn f() { use crate::b::inner; println!(\"{}\", inner::make()); }",
        "struct S { #[serde(with = \"crate::b::inner::make\")] f: u8 }",
        "impl Trait for crate::b::Thing {}",
        "mod inline { fn f() -> super::super::b::Thing { todo!() } }",
    ] {
        assert_eq!(named(code), ["b/inner.rs"], "{code}");
    }
    assert_eq!(named("use crate::b::Own;"), ["b/mod.rs"]);
    assert_eq!(named("use crate::c::Unseen;"), ["c.rs"]);
}

#[test]
fn exports_modules_and_tests_name_nothing() {
    for code in [
        "use crate::b;",
        "pub use crate::b::Thing;",
        "pub(crate) use crate::b::Thing;",
        "#[cfg(test)] mod tests { use crate::b::Thing; }",
        "#[cfg(test)] fn f(_: crate::b::Thing) {}",
        "/// As [`crate::b::Thing`].\nfn f() {}",
    ] {
        assert!(named(code).is_empty(), "{code}");
    }
}

#[test]
fn other_crates_are_seen_behind_aliases() {
    let files = read(&[(
        "lib.rs",
        "use std::{fs as disk, time}; fn f() { disk::read(\"x\"); time::Instant::now(); a::b!(); }",
    )]);
    let foreign: Vec<&str> = files["lib.rs"].foreign.iter().map(String::as_str).collect();
    let wanted = [
        "a::b",
        "std::fs",
        "std::fs::read",
        "std::time",
        "std::time::Instant::now",
    ];
    assert_eq!(foreign, wanted);
}

#[test]
fn a_circle_of_three_is_found() {
    let files = read(&[
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "pub struct A(crate::b::B);"),
        ("b.rs", "pub struct B(crate::c::C);"),
        ("c.rs", "pub struct C; fn f(_: crate::a::A) {}"),
        ("d.rs", "use crate::a::A;"),
    ]);
    let found = circles(&files);
    assert_eq!(found.len(), 1);
    let only: Vec<&str> = found[0].iter().copied().collect();
    assert_eq!(only, ["a.rs", "b.rs", "c.rs"]);
}
