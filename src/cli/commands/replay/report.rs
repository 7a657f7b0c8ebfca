//! The result of a replay as one page: no script, and nothing from elsewhere.

use std::fmt::Write as _;

use crate::model::name::ContainerName;
use crate::model::replay::outcome::Outcome;
use crate::model::visible::visible;

/// No browser fetches or runs anything for it, whatever was answered.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

const STYLE: &str = "body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em}\
    table{border-collapse:collapse;width:100%;margin:.5em 0 1.5em}\
    th,td{border:1px solid #bbb;padding:.3em .5em;text-align:left;vertical-align:top;\
    overflow-wrap:anywhere}th{background:#eee}td.old{background:#fff0f0}td.new{background:#f0fff0}\
    .verdict{font-weight:bold}.differs{color:#a00}.same{color:#060}\
    @media(prefers-color-scheme:dark){body{background:#111;color:#ddd}th{background:#333}\
    td.old{background:#411}td.new{background:#141}.differs{color:#f88}.same{color:#8f8}}";

/// The page.
pub(super) fn page(it: &Outcome) -> String {
    let mut page = head(it);
    let (before, after) = (
        format!("Reference {}", it.old.reference),
        format!("Reference {}", it.new.reference),
    );
    let value = |it: &Option<String>| it.clone().unwrap_or_else(|| "—".to_owned());
    let rows = it.differences.iter().map(|it| {
        let often = format!("{} of {} (noise {})", it.differs, it.of, it.noise);
        let (endpoint, place) = (it.endpoint.clone(), it.place.clone());
        vec![endpoint, place, value(&it.old), value(&it.new), often]
    });
    let header = ["Endpoint", "Place", &before, &after, "Requests"];
    section(&mut page, ("differences", "Answers"), &header, rows);
    let rows = it.times.iter().map(|it| {
        let time = |it: f64| format!("{it:.1} ms");
        let chance = format!("{:.4}", it.chance);
        let median = "median".to_owned();
        vec![
            it.endpoint.clone(),
            median,
            time(it.old),
            time(it.new),
            chance,
        ]
    });
    let header = ["Endpoint", "", &before, &after, "By chance"];
    section(&mut page, ("times", "Times"), &header, rows);
    let rows = it.logs.iter().map(|it| {
        let line = format!("{}: {}", it.change, it.line);
        vec![it.container.to_string(), line]
    });
    section(&mut page, ("logs", "Logs"), &["Container", "Line"], rows);
    let rows = it.mask.iter().map(|it| {
        let often = format!("{} of {}", it.noise, it.of);
        vec![it.endpoint.clone(), it.place.clone(), often]
    });
    let title = ("mask", "Mask: what differs by itself");
    section(&mut page, title, &["Endpoint", "Place", "Requests"], rows);
    let never = it.never_compared.join(", ");
    let _ = writeln!(page, "<p>Never compared: {}.</p>", escaped(&never));
    page
}

/// What stands above the tables.
fn head(it: &Outcome) -> String {
    let (old, new) = (it.old.reference, it.new.reference);
    let title = format!("{}: reference {old} against {new}", it.platform);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n",
        title = escaped(&title)
    );
    let (class, verdict) = if it.differs() {
        ("differs", "Something differs beyond the noise.")
    } else {
        ("same", "Nothing differs beyond the noise.")
    };
    let containers: Vec<&str> = it.containers.iter().map(ContainerName::as_str).collect();
    let _ = write!(
        page,
        "<p class=\"verdict {class}\" id=\"verdict\">{verdict}</p>\n\
         <p>{} requests of {} sessions, to {}, each to both references and to the older one twice.</p>\n",
        it.requests,
        it.sessions,
        escaped(&containers.join(", "))
    );
    for (why, count) in &it.skipped {
        let _ = writeln!(page, "<p>Not sent: {count} × {}.</p>", escaped(why));
    }
    page
}

/// A table with its heading; nothing where it has no row. The third and fourth of five columns are the two
/// references.
fn section(
    page: &mut String,
    (id, title): (&str, &str),
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) {
    let mut body = String::new();
    for row in rows {
        body.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let class = match (row.len(), column) {
                (5, 2) => " class=\"old\"",
                (5, 3) => " class=\"new\"",
                _ => "",
            };
            let _ = write!(body, "<td{class}>{}</td>", escaped(cell));
        }
        body.push_str("</tr>\n");
    }
    if body.is_empty() {
        return;
    }
    let header: Vec<String> = header.iter().map(|it| format!("<th>{it}</th>")).collect();
    let header = header.join("");
    let _ = write!(
        page,
        "<h2>{title}</h2>\n<table id=\"{id}\">\n<tr>{header}</tr>\n{body}</table>\n"
    );
}

/// Harmless in HTML, and for whoever copies it to a terminal.
fn escaped(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    for character in visible(text).chars() {
        match character {
            '&' => found.push_str("&amp;"),
            '<' => found.push_str("&lt;"),
            '>' => found.push_str("&gt;"),
            '"' => found.push_str("&quot;"),
            '\'' => found.push_str("&#39;"),
            other => found.push(other),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::digest::Digest;
    use crate::model::replay::outcome::{Difference, Side};

    fn outcome(differences: Vec<Difference>) -> Outcome {
        let side = |reference| Side {
            reference,
            digest: Digest::of(b"x"),
        };
        Outcome {
            platform: "acme".to_owned(),
            old: side(12),
            new: side(13),
            containers: Vec::new(),
            requests: 1,
            sessions: 1,
            skipped: BTreeMap::new(),
            differences,
            times: Vec::new(),
            logs: Vec::new(),
            mask: Vec::new(),
            never_compared: vec!["date"],
        }
    }

    #[test]
    fn what_was_answered_is_text_only() {
        let evil = "\"'><script src=http://evil.example/x></script>\u{202e}";
        let found = page(&outcome(vec![Difference {
            endpoint: evil.to_owned(),
            place: evil.to_owned(),
            old: Some(evil.to_owned()),
            new: None,
            differs: 1,
            noise: 0,
            of: 1,
        }]));
        for wrong in ["<script", "'>", "\u{202e}", "src="] {
            let without = found.replace("&#39;&gt;&lt;script src=http", "");
            assert!(!without.contains(wrong), "{wrong}: {found}");
        }
        assert!(found.contains(POLICY) && found.contains("Something differs"));
        let same = page(&outcome(Vec::new()));
        assert!(same.contains("Nothing differs") && !same.contains("<table"));
    }
}
