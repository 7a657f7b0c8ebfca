//! Text from elsewhere, made harmless: what a terminal would interpret is shown instead.

/// Longer foreign text is cut here, in characters.
const LONGEST: usize = 120;

/// `text` with everything that is not printable (control, bidirectional and invisible
/// characters) written as an escape, cut after 120 characters.
pub fn visible(text: &str) -> String {
    let mut shown = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == LONGEST {
            shown.push('…');
            break;
        }
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown
}

/// Lines of `text` with everything else that is not printable written as an escape, uncut.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' | '\n' | '\t' | ' '..='~' => shown.push(character),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_interprets_is_shown() {
        assert_eq!(visible("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(visible("a\u{202e}b\r"), "a\\u{202e}b\\r");
    }

    #[test]
    fn honest_text_stays() {
        assert_eq!(visible("Élodie's \"billing\""), "Élodie's \"billing\"");
        assert_eq!(visible(&"x".repeat(1000)).chars().count(), 121);
    }
}
