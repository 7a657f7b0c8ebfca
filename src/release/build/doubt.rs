//! What the builders do not all read alike in a Dockerfile, by age and kind: it is refused, for an
//! instruction that only the builder sees is one that nobody checked. Pure.
//! Source: moby/buildkit `frontend/dockerfile/parser` and `instructions`, 0.8 to 0.29.

/// A line, and why nobody can say what it means to every builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub why: &'static str,
    /// What to write.
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
    "name it by letters, digits and `_`: `<<EOF`, `<<-EOF` or `<<'EOF'`",
);
const FLAG: (&str, &str) = (
    "this flag cannot be read for certain",
    "write it as `--name=value`, without quotes and backslashes",
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
    let mut before = "";
    for (line, comment) in comments_at_top(text) {
        let (name, value) = comment.split_once('=').unwrap_or((comment, ""));
        let name = name.trim();
        if name.eq_ignore_ascii_case("escape") {
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

/// Builders take quotes and backslashes out of flags, older ones do not.
pub(super) fn of_flags<'a>(
    keyword: &str,
    mut flags: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<(&'static str, &'static str)> {
    let is_plain = |(name, value): (&str, &str)| {
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let has_value = !value.is_empty() || BARE.contains(&name);
        is_name && has_value && !value.contains(['"', '\'', '\\', '`'])
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
    for word in rest.split_whitespace() {
        let is_quoted = quotes.is_open();
        quotes.read(word);
        let behind = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(name) = behind.strip_prefix("<<").filter(|_| !is_quoted) else {
            continue;
        };
        // `<<<` is a shell's own, and a lone `<<` nobody's.
        if name.is_empty() || name.contains('<') {
            continue;
        }
        match heredoc(name) {
            Some(heredoc) => found.push(heredoc),
            None => doubt = Some(HEREDOC),
        }
    }
    (found, doubt)
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
