use std::fmt::Write;

use proptest::prelude::*;

use super::*;

fn set(text: &str, container: &str, version: &str) -> Result<String> {
    set_version(
        text,
        &ContainerName::new(container).unwrap(),
        &Version::new(version).unwrap(),
    )
}

/// Sets `billing` to 1.5.0.
#[track_caller]
fn becomes(before: &str, after: &str) {
    assert_eq!(set(before, "billing", "1.5.0").unwrap(), after);
}

#[test]
fn a_value_in_a_block_is_replaced() {
    becomes(
        "a: 1\ncontainers:   # all\n  tomcat: \"10.1\"  # base\n\n  # ours\n  billing: 1.4.2   # x\n  z: 1.0.0\nb: 2\n",
        "a: 1\ncontainers:   # all\n  tomcat: \"10.1\"  # base\n\n  # ours\n  billing: 1.5.0   # x\n  z: 1.0.0\nb: 2\n",
    );
    becomes(
        "containers:\n  billing: \"1.4\" #",
        "containers:\n  billing: \"1.5.0\" #",
    );
    becomes(
        "containers:\n    'billing' : '1.4'",
        "containers:\n    'billing' : '1.5.0'",
    );
    becomes(
        "\"containers\":\n \"billing\": 1.4 # 1.4\n",
        "\"containers\":\n \"billing\": 1.5.0 # 1.4\n",
    );
    becomes(
        "containers:\r\n  billing: 1.4\r\n",
        "containers:\r\n  billing: 1.5.0\r\n",
    );
    becomes(
        "containers:\n  billing:\n  a: 1\n",
        "containers:\n  billing: 1.5.0\n  a: 1\n",
    );
    becomes(
        "containers:\n  billing:  # soon\n",
        "containers:\n  billing: 1.5.0  # soon\n",
    );
}

#[test]
fn an_entry_is_added_to_a_block() {
    becomes(
        "containers:\n    a: 1.0.0  # first\n\n    # end\n\nforge: {}\n",
        "containers:\n    a: 1.0.0  # first\n    billing: 1.5.0\n\n    # end\n\nforge: {}\n",
    );
    becomes(
        "containers:\n  a: 1",
        "containers:\n  a: 1\n  billing: 1.5.0",
    );
    becomes(
        "containers:\r\n  a: 1\r\n",
        "containers:\r\n  a: 1\r\n  billing: 1.5.0\r\n",
    );
    becomes("containers:\n", "containers:\n  billing: 1.5.0\n");
    becomes("containers:", "containers:\n  billing: 1.5.0");
    becomes(
        "containers:   # none yet\nb: 1\n",
        "containers:   # none yet\n  billing: 1.5.0\nb: 1\n",
    );
    becomes("a: 1\n", "a: 1\ncontainers:\n  billing: 1.5.0\n");
    becomes("a: 1", "a: 1\ncontainers:\n  billing: 1.5.0\n");
}

#[test]
fn flow_mappings_on_one_line() {
    becomes("containers: {}\n", "containers: { billing: 1.5.0 }\n");
    becomes(
        "containers: { }  # x\n",
        "containers: { billing: 1.5.0 }  # x\n",
    );
    becomes(
        "containers: { tomcat: \"10.1\", billing: 1.4.2 }  # x\n",
        "containers: { tomcat: \"10.1\", billing: 1.5.0 }  # x\n",
    );
    becomes(
        "containers: {billing: 1.4.2}",
        "containers: {billing: 1.5.0}",
    );
    becomes(
        "containers: {'billing': '1.4', a: b}",
        "containers: {'billing': '1.5.0', a: b}",
    );
    becomes(
        "containers: {\"billing\":1.4.2}",
        "containers: {\"billing\":1.5.0}",
    );
    becomes("containers: {a: 1}", "containers: {a: 1, billing: 1.5.0}");
    becomes(
        "containers: { a: 1, }",
        "containers: { a: 1, billing: 1.5.0 }",
    );
    becomes(
        "containers: { billing: , a: 1 }",
        "containers: { billing: 1.5.0 , a: 1 }",
    );
}

#[test]
fn flow_mappings_on_several_lines() {
    becomes(
        "containers: {\n  tomcat: \"10.1\",  # base\n  a: 1.0.0   # { last\n}\nb: 1\n",
        "containers: {\n  tomcat: \"10.1\",  # base\n  a: 1.0.0,   # { last\n  billing: 1.5.0\n}\nb: 1\n",
    );
    becomes(
        "containers: {\n  a: 1, # x\n}\n",
        "containers: {\n  a: 1, # x\n  billing: 1.5.0,\n}\n",
    );
    becomes(
        "containers: {\n  a: 1\n}\n",
        "containers: {\n  a: 1,\n  billing: 1.5.0\n}\n",
    );
    becomes(
        "containers: { a: 1,\n   b: 2 }\n",
        "containers: { a: 1,\n   b: 2,\n   billing: 1.5.0 }\n",
    );
    becomes(
        "containers:\n  { a: 1,\n    billing: 2 }\n",
        "containers:\n  { a: 1,\n    billing: 1.5.0 }\n",
    );
    becomes(
        "containers: {\n  # none\n}\n",
        "containers: { billing: 1.5.0\n  # none\n}\n",
    );
}

#[test]
fn what_yaml_would_read_as_something_else_is_quoted() {
    for version in [
        "10.1",
        "1e3",
        "0x1",
        "0o7",
        "0b1",
        "1_000",
        "2024-01-02",
        "2024-1-2T1",
        "true",
        "No",
        "on",
        "null",
        "7",
        "00",
        "1.",
        "nan",
        "1E5",
    ] {
        let text = set("containers: {}\n", "billing", version).unwrap();
        assert_eq!(text, format!("containers: {{ billing: \"{version}\" }}\n"));
    }
    for version in [
        "1.4.2",
        "v1",
        "1.0-rc1",
        "2024.01.02",
        "1-2",
        "1e3a",
        "yes1",
    ] {
        let text = set("containers: {}\n", "billing", version).unwrap();
        assert_eq!(text, format!("containers: {{ billing: {version} }}\n"));
    }
    let text = set("containers:\n  billing: 1.4.2\n", "billing", "10.2").unwrap();
    assert_eq!(text, "containers:\n  billing: \"10.2\"\n");
    let text = set("containers: {}\n", "no", "1.4.2").unwrap();
    assert_eq!(text, "containers: { \"no\": 1.4.2 }\n");
}

#[test]
fn anchors_braces_and_escapes_stay() {
    becomes(
        "{containers: {billing: 1}}\n",
        "{containers: {billing: 1.5.0}}\n",
    );
    becomes(
        "containers:\n  \"bil\\x6cing\": 1.4\n",
        "containers:\n  \"bil\\x6cing\": 1.5.0\n",
    );
    becomes(
        "containers: &x {a: 1}\n",
        "containers: &x {a: 1, billing: 1.5.0}\n",
    );
    becomes(
        "containers:\n  billing: &v 1.4 # x\n",
        "containers:\n  billing: &v 1.5.0 # x\n",
    );
}

#[test]
fn the_same_version_changes_nothing() {
    becomes(
        "containers: {billing:    '1.5.0'}",
        "containers: {billing:    '1.5.0'}",
    );
}

#[test]
fn what_is_not_understood_is_refused() {
    for text in [
        "containers: [a]\n",
        "containers:\n  billing: |\n    1.4\n",
        "containers:\n  billing: 1.4\n    more\n",
        "containers: { billing: [1] }\n",
        "containers: { billing: 1.4\n more }\n",
        "a: &a {billing: 1}\ncontainers: *a\n",
        "a: 1\n...\n",
        "containers:\n  a: 1\ncontainers:\n  billing: 1\n",
    ] {
        match set(text, "billing", "1.5.0") {
            Err(error) => assert_eq!(error.kind(), Kind::Definitions, "{text}"),
            Ok(after) => panic!("{text:?} became {after:?}"),
        }
    }
}

#[test]
fn other_keys_named_alike_are_left_alone() {
    becomes(
        "bundles: { billing: [billing] }\nx:\n  containers:\n    billing: 1\ncontainers:\n  billing-x: 1\n  billing: 2\n  x-billing: 3\n",
        "bundles: { billing: [billing] }\nx:\n  containers:\n    billing: 1\ncontainers:\n  billing-x: 1\n  billing: 1.5.0\n  x-billing: 3\n",
    );
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}",
        "\"[0-9]{1,2}\\.[0-9]\"",
        "'[a-z0-9.]{1,6}'",
        "v[0-9]{1,3}",
    ]
}

fn comment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "  # [a-z:{},'\" ]{0,12}".prop_map(|text| text.trim_end().to_owned())
    ]
}

prop_compose! {
    fn platform()(
        names in prop::collection::btree_set("[a-f]{1,2}", 0..5),
        values in prop::collection::vec((value(), comment()), 5),
        shape in 0..4,
        indent in 1..5usize,
        trailing in any::<bool>(),
        tail in prop_oneof![Just(""), Just("forge: { kind: gitlab }\n"), Just("# end\n")],
    ) -> String {
        let mut text = String::from("schema: 1 # x\n\ncontainers:");
        let entries: Vec<_> = names.iter().zip(values).collect();
        let pad = " ".repeat(indent);
        match shape {
            0 | 1 => {
                text.push('\n');
                for (name, (value, comment)) in entries {
                    let _ = writeln!(text, "{pad}{name}: {value}{comment}");
                    if shape == 1 {
                        let _ = writeln!(text, "\n  # between");
                    }
                }
            }
            2 => {
                let list: Vec<_> = entries.iter().map(|(name, (value, _))| format!("{name}: {value}")).collect();
                let _ = writeln!(text, " {{ {} }}", list.join(", "));
            }
            _ => {
                text.push_str(" {\n");
                let count = entries.len();
                for (at, (name, (value, comment))) in entries.into_iter().enumerate() {
                    let comma = if at + 1 < count || trailing { "," } else { "" };
                    let _ = writeln!(text, "{pad}{name}: {value}{comma}{comment}");
                }
                text.push_str("}\n");
            }
        }
        text + tail
    }
}

proptest! {
    #[test]
    fn exactly_that_value_changes(
        text in platform(),
        name in "[a-f]{1,2}",
        version in "[0-9a-f]{1,3}(\\.[0-9]{1,2}){0,2}",
    ) {
        let after = set(&text, &name, &version).unwrap();
        let read = |text: &str| -> Value { yaml::read(Kind::Definitions, "p", text.as_bytes()).unwrap() };
        let expected = with_version(
            read(&text),
            &ContainerName::new(name.clone()).unwrap(),
            &Version::new(version.clone()).unwrap(),
        );
        prop_assert_eq!(Some(read(&after)), expected);
        // Every comment stays, and no line but one differs or is added, a comma apart.
        let comments = |text: &str| text.lines().filter(|line| line.trim_start().starts_with('#')).count();
        prop_assert_eq!(comments(&text), comments(&after));
        let fresh = after.lines().filter(|line| !text.lines().any(|old| old == *line));
        prop_assert!(fresh.count() <= 2, "{}\n{}", text, after);
        prop_assert_eq!(set(&after, &name, &version).unwrap(), after);
    }

    #[test]
    fn any_text_is_changed_rightly_or_refused(text in "(containers|[a-c]|:|: |\\{|\\}|,|\n|\n  |\"|'|#| #|1\\.2|&a|\\*a|\\||- |\\[|\\]){0,25}") {
        // set_version compares the result itself; here it must only never panic.
        let _ = set(&text, "a", "1.5.0");
        let _ = set(&format!("containers:{text}"), "b", "1.5.0");
    }
}
