//! Text from elsewhere, made harmless: what a terminal would interpret is shown instead. The only
//! place that knows which characters those are.

/// Longer foreign lines are cut here, in characters.
const LONGEST: usize = 1000;

/// `text` on one line: line ends and tabs become spaces, everything else that is not printable
/// (control, bidirectional and invisible characters) an escape; cut after 1000 characters.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(LONGEST));
    for (index, character) in text.trim().chars().enumerate() {
        if index == LONGEST {
            shown.push('…');
            break;
        }
        match character {
            '\n' | '\r' | '\t' => shown.push(' '),
            other => show(other, &mut shown),
        }
    }
    shown
}

/// An address of a registry or server as [`visible`], without what may be a login in it: what stands
/// before the last `@` and behind the first `?`, and all of it where these cannot be told apart.
pub fn without_login(address: &str) -> String {
    let (at, query) = (address.rfind('@'), address.find('?'));
    match (at, query) {
        (Some(at), Some(query)) if at > query => "…".to_owned(),
        (Some(at), _) => format!("…@{}", without_login(&address[at + 1..])),
        (None, Some(query)) => format!("{}?…", visible(&address[..query])),
        (None, None) => visible(address),
    }
}

/// `text` with its lines and tabs, everything else as in [`visible`]; uncut.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            other => show(other, &mut shown),
        }
    }
    shown
}

fn show(character: char, shown: &mut String) {
    match character {
        '"' | '\'' | '\\' | ' '..='~' => shown.push(character),
        other => shown.extend(other.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_interprets_is_shown() {
        assert_eq!(visible("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        let hidden = "\u{200b}\u{200e}\u{2028}\u{202e}\u{2066}\u{feff}\u{7}\u{9b}\u{7f}";
        for text in [visible(&format!("a{hidden}")), printable(hidden)] {
            assert!(
                text.is_ascii() && !text.chars().any(char::is_control),
                "{text}"
            );
        }
    }

    #[test]
    fn no_part_of_a_login_is_shown() {
        for password in [
            "pw", "p'w", "p\"w", "p`w", "p<w", "p@w", "p/w", "p w", "p?w",
        ] {
            for query in [String::new(), format!("?token={password}")] {
                let address = format!("https://anna:{password}@r.example/acme{query}");
                let shown = without_login(&address);
                assert!(!shown.contains("anna") && !shown.contains('w'), "{shown}");
            }
        }
        assert_eq!(without_login("https://a:b@r.lan/x?t=1"), "…@r.lan/x?…");
        assert_eq!(without_login("r.example/acme"), "r.example/acme");
    }

    #[test]
    fn honest_text_stays() {
        assert_eq!(
            visible("Élodie's \"billing\" \\"),
            "Élodie's \"billing\" \\"
        );
        assert_eq!(visible(&"x".repeat(5000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn lines_are_kept_or_joined() {
        assert_eq!(visible(" a\nb\tc\r\n"), "a b c");
        assert_eq!(printable("a\nb\tc\r"), "a\nb\tc\\r");
    }
}
