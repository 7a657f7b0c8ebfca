use super::limits::DEEPEST;
use super::*;
use std::collections::BTreeMap;

#[test]
fn an_error_names_file_line_and_text() {
    let error =
        read::<BTreeMap<String, u16>>(Kind::Definitions, "a.yaml", b"a: 1\nb: two\n").unwrap_err();
    assert!(error.to_string().starts_with("a.yaml:2:4: "), "{error}");
    assert_eq!(error.details(), ["2 | b: two\n  |    ^"]);
}

#[test]
fn of_what_is_secret_the_place_alone_is_told() {
    for text in ["a: hunter2: x\n", "a: [hunter2]\n"] {
        let read = read_secret::<BTreeMap<String, String>>(Kind::Usage, "s.yaml", text.as_bytes());
        let said = format!("{:?}", read.unwrap_err());
        assert!(said.contains("s.yaml:1:"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_key_that_is_not_known_is_likened_to_those_that_are() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Document {
        #[serde(rename = "memory")]
        _memory: String,
        #[serde(rename = "routes")]
        _routes: String,
    }
    let hints = |text: &[u8]| {
        let error = read::<Document>(Kind::Definitions, "a.yaml", text).unwrap_err();
        error.hints().join("\n")
    };
    assert_eq!(hints(b"memry: 1MiB\n"), "did you mean `memory`?");
    assert_eq!(hints(b"colour: red\n"), "");
}

#[test]
fn what_a_values_own_type_refuses_has_its_line_too() {
    let text = b"kind: app\nport: 8080\nmemory: 768XB\n";
    let read = read::<crate::model::container::Definition>(Kind::Definitions, "a.yaml", text);
    let error = read.unwrap_err();
    assert!(error.to_string().starts_with("a.yaml:3:9: "), "{error}");
}

type Texts = BTreeMap<String, String>;

#[track_caller]
fn refused<T: DeserializeOwned + std::fmt::Debug>(text: &str, wanted: &str) -> Error {
    let error = read::<T>(Kind::Definitions, "a.yaml", text.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), format!("a.yaml:{wanted}"), "{text}");
    error
}

#[derive(Debug, serde::Deserialize)]
struct Loose {
    #[serde(default, rename = "a")]
    _a: String,
}

#[test]
fn a_key_that_is_there_twice_is_refused_with_both_lines() {
    let error = refused::<Texts>(
        "a: 1\nb: 2\na: 3\n",
        "3:1: the key `a` is in line 1 already",
    );
    assert_eq!(error.details(), ["1 | a: 1\n  | ^", "3 | a: 3\n  | ^"]);
    // Structs, maps in lists, what no field takes, and spellings that YAML takes for two keys.
    refused::<Loose>("a: x\na: y\n", "2:1: the key `a` is in line 1 already");
    refused::<Loose>(
        "z: { b: [{ c: 1, c: 2 }] }\n",
        "1:18: the key `c` is in line 1 already",
    );
    for twice in [
        "true: x\n\"true\" : y\n",
        "'1': x\n1: y\n",
        "\"\\x31\": x\n1: y\n",
        "? \"1\" # c\n: x\n1: y\n",
        "!!str 1: x\n1: y\n",
        "{'null'\n: x, null: y}\n",
    ] {
        let error = read::<BTreeMap<String, String>>(Kind::Usage, "a", twice.as_bytes());
        assert!(error.is_err(), "{twice:?}: {error:?}");
    }
    let secret = read_secret::<Texts>(Kind::Usage, "s", b"hunter2: x\n\nhunter2: y\n");
    let said = format!("{:?}", secret.unwrap_err());
    assert!(
        said.contains("s:3:1: this key is in line 1 already"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn messages_say_what_is_written_and_what_would_be_right() {
    type Ports = BTreeMap<String, u16>;
    refused::<Ports>(
        "a: 70000\n",
        "1:4: `70000` is not a whole number from 0 to 65535",
    );
    refused::<BTreeMap<String, bool>>("a: yes\n", "1:4: `yes` is not `true` or `false`");
    refused::<Texts>("a: [b]\n", "1:4: expected a text");
    refused::<Texts>(
        "a:\n",
        "1:2: a text is missing; write `''` for an empty one",
    );
    refused::<Texts>("- a\n", "1:1: expected a map (`key: value`)");
    refused::<Texts>(
        "a: b\n---\na: c\n",
        "3:1: a second document begins here; a file has one",
    );
    refused::<Texts>(
        "<<: { a: b }\n",
        "1:1: `<<` is not supported: write its keys out",
    );
    refused::<Texts>("a: !b c\n", "1:7: the tag `!b` is not supported");
    refused::<Texts>("a: *b\n", "1:4: alias references unknown anchor");
    refused::<Texts>(
        "a: b: c\n",
        "1:5: mapping values are not allowed in this context",
    );
    refused::<Texts>("a: \"b\n", "1:4: unclosed quote");
}

#[test]
fn a_meaning_has_its_place_by_its_path_not_by_its_first_mention() {
    let text = "description: a kind of app\nneeds: [app, { container: app }]\nkind: app\n";
    let place = |steps: &[Step<'_>]| at(Kind::Usage, "a.yaml", text, steps, "wrong").to_string();
    assert_eq!(place(&[Step::Value("kind")]), "a.yaml:3:7: wrong");
    assert_eq!(place(&[Step::Key("kind")]), "a.yaml:3:1: wrong");
    let need = |index| {
        [
            Step::Value("needs"),
            Step::Item(index),
            Step::Value("container"),
        ]
    };
    assert_eq!(place(&need(0)), "a.yaml:2:9: wrong");
    assert_eq!(place(&need(1)), "a.yaml:2:27: wrong");
    assert_eq!(
        place(&[Step::Value("needs"), Step::Item(9)]),
        "a.yaml:2:8: wrong"
    );
}

#[test]
fn a_mark_is_below_what_it_marks() {
    let text = "a: 1\né\u{1b}b: [\n";
    assert_eq!(snippet(text, 2, 4), "2 | é\\u{1b}b: [\n  |         ^");
    assert_eq!(
        snippet(&format!("{}x", " ".repeat(500)), 1, 501)
            .lines()
            .count(),
        2
    );
}

/// Texts that cost a parser time, memory or stack far beyond their length.
fn bombs() -> Vec<(&'static str, String)> {
    let nested = |open: &str, count| format!("a: {}", open.repeat(count));
    let deep: String = (0..700)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect();
    let mut doubling = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..30 {
        let below = format!("*a{},", level - 1).repeat(5);
        doubling.extend([
            "a",
            &level.to_string(),
            ": &a",
            &level.to_string(),
            " [",
            &below,
            "]\n",
        ]);
    }
    let anchors: String = (0..20_000).map(|it| format!("- &a{it} x\n")).collect();
    vec![
        ("brackets", nested("[", 120_000)),
        (
            "brackets that close",
            "[".repeat(100_000) + &"]".repeat(100_000),
        ),
        ("braces", nested("{a: ", 60_000)),
        ("quoted braces", nested("{\"a\":", 40_000)),
        ("items", "- ".repeat(100_000)),
        ("blocks", deep),
        ("question marks", "? ".repeat(100_000)),
        ("both", "[?".repeat(100_000)),
        ("aliases", doubling),
        ("anchors", anchors),
        ("values", format!("[{}]", "1,".repeat(120_000))),
        ("tags", "!a ".repeat(80_000)),
        ("documents", "---\n".repeat(60_000)),
        ("colons", ":".repeat(250_000)),
        ("quotes", "\"".repeat(250_000)),
    ]
}

#[test]
fn bombs_are_refused_quickly() {
    for (what, bomb) in bombs() {
        let began = std::time::Instant::now();
        let read = read::<serde_json::Value>(Kind::Definitions, "bomb.yaml", bomb.as_bytes());
        let error = read.expect_err(what).to_string();
        assert!(error.len() < 400, "{what}: {error}");
        assert!(node(&bomb).is_none(), "{what}");
        let took = began.elapsed();
        assert!(took.as_secs() < 30, "{what} took {took:?}");
    }
    let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let read = |text: String| read::<serde_json::Value>(Kind::Usage, "a", text.as_bytes());
    read(nested(DEEPEST)).unwrap();
    let error = read(nested(DEEPEST + 1)).unwrap_err();
    assert!(
        error.to_string().contains("go deeper than 32 levels"),
        "{error}"
    );
}

proptest::proptest! {
    #[test]
    fn what_is_written_is_read(text in ".{0,200}", lines in "[ -~\n\t]{0,120}", key in "[ -~]{0,20}") {
        let value = serde_json::json!({ key.clone(): [text, { key: lines }] });
        let written = write(&value).unwrap();
        let again: serde_json::Value = read(Kind::Usage, "w", written.as_bytes()).unwrap();
        proptest::prop_assert_eq!(again, value, "{}", written);
    }

    #[test]
    fn no_text_makes_it_panic(text in "([a-c]|:|: |\\{|\\}|,|\n|\n  |\"|'|#|1|&a|\\*a|\\||- |\\[|\\]|!|\\?|é|~){0,40}") {
        let _ = read::<serde_json::Value>(Kind::Usage, "w", text.as_bytes());
        let _ = at(Kind::Usage, "w", &text, &[Step::Value("a"), Step::Item(0)], "x");
    }
}
