use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

fn of(values: &[&str]) -> Redaction {
    let all = values.iter().enumerate();
    let all = all.map(|(number, it)| (format!("S{number}"), Secret::new(*it)));
    Redaction::new(all, Tokens::Names)
}

fn html(value: &str) -> String {
    let character = |it: char| match it {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other if other.is_ascii() => other.to_string(),
        other => format!("&#x{:X};", other as u32),
    };
    value.chars().map(character).collect()
}

fn json(value: &str) -> String {
    let text = serde_json::to_string(value).unwrap();
    text[1..text.len() - 1].to_owned()
}

fn json_in_ascii(value: &str) -> String {
    let unit = |it: u16| format!("\\u{it:04x}");
    value.encode_utf16().map(unit).collect()
}

/// Every way in which a value is written in the tests, by name.
fn written(value: &str, around: &str) -> Vec<(&'static str, String)> {
    let percent = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    let whole = format!("{around}{value}{around}");
    let hex: String = value.bytes().map(|it| format!("{it:02x}")).collect();
    let packed = STANDARD.encode(&whole);
    vec![
        ("plain", value.to_owned()),
        ("percent", percent.clone()),
        ("percent lower", lower_escapes(&percent)),
        ("form", percent.replace("%20", "+")),
        ("percent of all", hex_escapes(value)),
        ("json", json(value)),
        ("json in ascii", json_in_ascii(value)),
        ("html", html(value)),
        ("hex", hex.clone()),
        ("HEX", hex.to_uppercase()),
        ("base64", packed.clone()),
        ("base64 of URLs", URL_SAFE_NO_PAD.encode(&whole)),
        (
            "base64 in a URL",
            utf8_percent_encode(&packed, NON_ALPHANUMERIC).to_string(),
        ),
        (
            "json in a URL",
            utf8_percent_encode(&json(value), NON_ALPHANUMERIC).to_string(),
        ),
        ("html of json", html(&json(value))),
        ("json twice", json(&json(value))),
    ]
}

fn lower_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| {
        let (digits, rest) = part.split_at(2);
        format!("{whole}%{}{rest}", digits.to_lowercase())
    })
}

fn hex_escapes(value: &str) -> String {
    value.bytes().map(|it| format!("%{it:02X}")).collect()
}

#[test]
fn a_token_stands_in_place_of_the_value_and_nothing_else_changes() {
    let redaction = of(&["hunter2/é +&=\"x", "s3cr3t-value", "no"]);
    for (how, text) in written("s3cr3t-value", "") {
        let shown = redaction.text(&format!("before {text} after"));
        assert_eq!(shown, "before «secret:S1» after", "{how}");
    }
    assert_eq!(redaction.text("%68unter2/é +&=\"x, no"), "«secret:S0», no");
    assert_eq!(redaction.removed()["S0"], 1);
    assert_eq!(redaction.removed()["S1"], 16);
    assert_eq!(redaction.short(), ["S2"]);
    let plain = "100 % of a+b, C:\\new &c; é «x»";
    assert_eq!(redaction.text(plain), plain);
}

#[test]
fn values_that_overlap_or_are_in_a_name_do_not_stay() {
    let redaction = of(&["abcdef", "defghi", "secret"]);
    let shown = redaction.text("abcdefghi secret abcdabcdefef");
    assert!(redaction.is_clean(&shown), "{shown}");
    assert!(
        !shown.contains("cdef") && !shown.contains("secret"),
        "{shown}"
    );
}

#[test]
fn each_line_of_a_key_is_a_value() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEHBG0w\n-----END PRIVATE KEY-----";
    let redaction = of(&[key]);
    assert_eq!(redaction.text(key), "«secret:S0»");
    let shown = redaction.text("at line MIGHAgEAMBMGByqGSM49");
    assert_eq!(shown, "at line «secret:S0»");
    let mark = "-----BEGIN PRIVATE KEY-----";
    assert_eq!(redaction.text(mark), mark);
}

#[test]
fn json_stays_json() {
    let value = serde_json::json!({ "4711815": [4_711_815, "a4711815", 1], "b": null });
    let kept = of(&["4711815"]).json(value);
    let token = "«secret:S0»";
    let wanted = serde_json::json!({ token: [token, format!("a{token}"), 1], "b": null });
    assert_eq!(kept, wanted);
}

#[test]
fn a_value_is_counted_across_pieces() {
    let redaction = of(&["s3cr3t-value", "other"]);
    let bytes = b"..s3cr3t-value..other..s3cr3t-values3cr3t-value";
    for size in [1, 2, 5, 11, 12, 13, 100] {
        let mut count = redaction.plain();
        bytes.chunks(size).for_each(|it| count.push(it));
        let found = count.found();
        assert_eq!((found["S0"], found["S1"]), (3, 1), "pieces of {size}");
    }
}

proptest! {
    /// Whatever a value is and stands in, in each encoding: nothing of it can be read afterwards.
    #[test]
    fn no_value_is_left(
        value in "[ -~éß€😀]{4,24}", before in "[ -~]{0,9}", after in "[ -~]{0,9}", around in "[a-z:=]{0,5}"
    ) {
        let redaction = of(&[&value, "another-value"]);
        for (how, form) in written(&value, &around) {
            // What begins an escape before a value that is escaped twice hides its first character.
            let is_twice = [" in a URL", "html of", "twice"].iter().any(|it| how.contains(it));
            let before = if is_twice { before.trim_end_matches(['\\', '%', '&']) } else { &before };
            let kept = redaction.text(&format!("{before}{form}{after}"));
            prop_assert!(redaction.is_clean(&kept), "{}: {}", how, kept);
            prop_assert!(kept.contains('«'), "{}: {} in {}", how, form, kept);
            if value.trim().len() > 6 {
                prop_assert!(!kept.contains(&form), "{}: {}", how, kept);
            }
        }
    }

    /// Any text is searched, and what has no value stays as it is.
    #[test]
    fn any_text_is_searched(text in "\\PC{0,40}") {
        let redaction = of(&["a-value-that-is-not-there"]);
        prop_assert_eq!(redaction.text(&text), text);
    }
}
