//! What the builders do not all read alike in a Dockerfile, by age and kind: it is refused, for an
//! instruction that only the builder sees is one that nobody checked. Pure.
//! Source: moby/buildkit `frontend/dockerfile/parser` and `instructions`, 0.8 to 0.29.

/// A line, and why nobody can say what it means to every builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// From 1.
    pub line: usize,
    /// What some builders do with it and others do not, for people.
    pub why: &'static str,
    /// What to write instead, for the hint.
    pub right: &'static str,
}

impl Doubt {
    pub(super) fn new(line: usize, (why, right): (&'static str, &'static str)) -> Self {
        Self { line, why, right }
    }
}

const LATE_ESCAPE: (&str, &str) = (
    "`# escape=` counts in some builders here and not in others",
    "make it the first line, or the second behind `# syntax=`",
);
const DIRECTIVE: (&str, &str) = (
    "some builders read this directive, others do not",
    "write it as `# name=value`, with ordinary blanks, and once",
);
const SHEBANG: (&str, &str) = (
    "`#!` hides the directives behind it from some builders",
    "remove the line",
);
const BLANKS: (&str, &str) = (
    "this line has a character that looks like a blank or ends a line for some builders",
    "write blanks, tabs and ordinary line ends only",
);
pub(super) const TWO_ESCAPES: (&str, &str) = (
    "some builders join the next line to one that ends so, others do not",
    "end the line with one escape character, or with another character",
);
pub(super) const NO_END: (&str, &str) = (
    "this here-document has no end",
    "write the word that ends it on a line of its own, without blanks around it",
);
const HEREDOC: (&str, &str) = (
    "it cannot be said for certain whether this is a here-document",
    "name it by letters, digits and `_`, as a word of its own: `<<EOF`, `<<-EOF` or `<<'EOF'`; an \
     instruction with `<<` ends every quote that it begins, and has no `${…}` but `${NAME}`",
);
const FLAG: (&str, &str) = (
    "this flag cannot be read for certain",
    "write it as `--name=value`, in ASCII, without quotes and backslashes",
);

/// Flags that stand without a value.
const BARE: [&str; 4] = ["link", "parents", "keep-git-dir", "unpack"];

/// The comments in front of everything else, by line, without their `#`.
pub(super) fn comments_at_top(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.map_while(|(index, line)| Some((index + 1, line.trim().strip_prefix('#')?)))
}

/// What ends a line that goes on, and the doubts about the text as a whole.
pub(super) fn of_text(text: &str) -> (char, Vec<Doubt>) {
    let mut doubts = Vec::new();
    let mut escape = '\\';
    let (mut before, mut seen) = ("", 0);
    for (line, comment) in comments_at_top(text) {
        let (raw, value) = comment.split_once('=').unwrap_or((comment, ""));
        let name = raw.trim();
        let is = |wanted| name.eq_ignore_ascii_case(wanted);
        let is_plain = |text: &str| text.trim_matches([' ', '\t']) == text.trim();
        if is("syntax") || is("escape") {
            seen += usize::from(is("syntax"));
            let words = value.split_whitespace().count();
            if seen > 1 || words > 1 || !is_plain(raw) || !is_plain(value) {
                doubts.push(Doubt::new(line, DIRECTIVE));
            }
        }
        if is("escape") {
            let is_read = line == 1 || (line == 2 && before.eq_ignore_ascii_case("syntax"));
            match value.trim() {
                _ if !is_read => doubts.push(Doubt::new(line, LATE_ESCAPE)),
                "`" => escape = '`',
                _ => {}
            }
        }
        if line == 1 && comment.starts_with('!') {
            doubts.push(Doubt::new(line, SHEBANG));
        }
        before = name;
    }
    let odd = text.lines().position(is_odd);
    doubts.extend(odd.map(|index| Doubt::new(index + 1, BLANKS)));
    (escape, doubts)
}

/// Whether a line, if it is no comment, has other blanks than builders know at its ends, or control
/// characters.
fn is_odd(line: &str) -> bool {
    let plain = line.trim_matches([' ', '\t']);
    let is_control = |c: char| c.is_control() && c != '\t';
    !plain.starts_with('#') && (plain.trim() != plain || plain.contains(is_control))
}

/// Builders cut flags by bytes and take quotes and escapes out of them: what is quoted must not hide where
/// one ends.
pub(super) fn of_flags<'a>(
    keyword: &str,
    mut flags: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<(&'static str, &'static str)> {
    let is_plain = |(name, value): (&str, &str)| {
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let has_value = !value.is_empty() || BARE.contains(&name);
        let is_image = ["from", "mount", "platform"].contains(&name);
        let is_even = |quote| value.matches(quote).count() % 2 == 0;
        let is_quoted = value.contains(['"', '\'']);
        let ends = !is_quoted || (!is_image && is_even('"') && is_even('\''));
        is_name && has_value && ends && value.is_ascii() && !value.contains(['\\', '`'])
    };
    let takes = ["ADD", "COPY", "FROM", "HEALTHCHECK", "RUN"];
    (takes.contains(&keyword) && !flags.all(is_plain)).then_some(FLAG)
}

/// A text in the lines behind an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    end: String,
    /// Whether tabs in front of its end are passed over.
    chomps: bool,
}

impl Heredoc {
    /// Whether this line ends it.
    pub(super) fn is_end(&self, line: &str) -> bool {
        let tabs: &[char] = if self.chomps { &['\t'] } else { &[] };
        line.trim_start_matches(tabs) == self.end
    }
}

/// The here-documents that an instruction begins: words that are outside of quotes.
pub(super) fn heredocs(
    keyword: &str,
    rest: &str,
) -> (Vec<Heredoc>, Option<(&'static str, &'static str)>) {
    let (mut found, mut doubt) = (Vec::new(), None);
    if !matches!(keyword, "RUN" | "COPY" | "ADD") {
        return (found, doubt);
    }
    let mut quotes = Quotes::default();
    // Of a shell's sums: `$((1<<2))`.
    let mut is_sum = false;
    for word in rest.split_whitespace() {
        let is_quoted = quotes.is_open();
        quotes.read(word);
        is_sum |= word.contains("$((");
        let behind = word.trim_start_matches(|c: char| c.is_ascii_digit());
        match behind.strip_prefix("<<").filter(|_| !is_quoted) {
            // `<<<` is a shell's own. What follows a blank is a name for newer builders only.
            Some(name) if name.contains('<') => {}
            Some(name) => match heredoc(name) {
                Some(heredoc) => found.push(heredoc),
                None => doubt = Some(HEREDOC),
            },
            None if !is_quoted && !is_sum && shifts(word) => doubt = Some(HEREDOC),
            None => {}
        }
    }
    // Builders that cannot take the line apart see no here-document in it.
    if rest.contains("<<") && (quotes.is_open() || has_odd_variable(rest)) {
        doubt = Some(HEREDOC);
    }
    (found, doubt)
}

/// Whether a word has `<<` in it, and not as `<<<` or behind a quote.
fn shifts(word: &str) -> bool {
    let plain = word.split(['"', '\'']).next().unwrap_or_default();
    plain.contains("<<") && !plain.contains("<<<")
}

/// Whether there is a `${` that is not the beginning of `${NAME}`.
fn has_odd_variable(text: &str) -> bool {
    let mut behind = text.split("${").skip(1);
    behind.any(|rest| {
        let name = rest.split_once('}').map_or("", |(name, _)| name);
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        name.is_empty() || !is_name
    })
}

fn heredoc(name: &str) -> Option<Heredoc> {
    let (chomps, name) = match name.strip_prefix('-') {
        Some(name) => (true, name),
        None => (false, name),
    };
    let quoted = ['"', '\''].into_iter().find_map(|quote| {
        let name = name.strip_prefix(quote)?;
        name.strip_suffix(quote)
    });
    let end = quoted.unwrap_or(name);
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_valid =
        end.starts_with(is_letter) && end.chars().all(|c| is_letter(c) || c.is_ascii_digit());
    is_valid.then(|| Heredoc {
        end: end.to_owned(),
        chomps,
    })
}

/// Whether a shell is between quotes, word after word.
#[derive(Default)]
struct Quotes {
    open: Option<char>,
    escaped: bool,
}

impl Quotes {
    fn is_open(&self) -> bool {
        self.open.is_some() || self.escaped
    }

    fn read(&mut self, word: &str) {
        self.escaped = false;
        for c in word.chars() {
            if std::mem::take(&mut self.escaped) {
                continue;
            }
            match (c, self.open) {
                ('\\', None | Some('"')) => self.escaped = true,
                ('"' | '\'', None) => self.open = Some(c),
                (c, Some(open)) if c == open => self.open = None,
                _ => {}
            }
        }
    }
}
