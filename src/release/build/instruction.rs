//! A Dockerfile's instructions, cut as the engine's classic builder cuts them.
//! Source: <https://docs.docker.com/reference/dockerfile/>, moby `builder/dockerfile/parser`.

/// All that there are.
pub const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// One instruction with its continuation lines joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Where it begins, from 1.
    pub line: usize,
    /// `FROM`, `ARG`, …, in upper case.
    pub keyword: String,
    /// What follows it.
    pub rest: String,
}

impl Instruction {
    /// The flags (`--from=x`) in front, name and value.
    pub fn flags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rest
            .split_whitespace()
            .map_while(|word| word.strip_prefix("--"))
            .map(|flag| flag.split_once('=').unwrap_or((flag, "")))
    }

    /// The words behind the flags.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.rest
            .split_whitespace()
            .skip_while(|word| word.starts_with("--"))
    }

    /// The paths of a `VOLUME`: words, or a JSON array of them.
    pub fn paths(&self) -> Vec<String> {
        let list = serde_json::from_str(&self.rest);
        list.unwrap_or_else(|_| self.words().map(str::to_owned).collect())
    }

    /// `ONBUILD COPY …` as `COPY …`; any other as it is.
    #[must_use]
    pub fn inner(&self) -> Self {
        if self.keyword == "ONBUILD" {
            cut(self.line, &self.rest)
        } else {
            self.clone()
        }
    }

    /// The words that end its here-documents, which the classic builder would take for
    /// instructions.
    pub fn heredocs(&self) -> Vec<String> {
        if !matches!(self.keyword.as_str(), "RUN" | "COPY" | "ADD") {
            return Vec::new();
        }
        let end = |word: &str| {
            let word = word.trim_start_matches(|c: char| c.is_ascii_digit());
            let name = word.strip_prefix("<<")?.trim_start_matches('-');
            let name = name.trim_matches(['"', '\'']);
            let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            valid.then(|| name.to_owned())
        };
        self.rest.split_whitespace().filter_map(end).collect()
    }
}

/// Cuts a Dockerfile: parser directives, comments, blank lines and continuations as the builder.
pub fn instructions(text: &str) -> Vec<Instruction> {
    let escape = escape(text);
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let mut heredocs: Vec<String> = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if let Some(end) = heredocs.first() {
            if line.trim_start_matches('\t').trim_end() == end {
                heredocs.remove(0);
            }
            continue;
        }
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let (begin, mut so_far) = open.take().unwrap_or((index + 1, String::new()));
        if let Some(continued) = line.trim_end().strip_suffix(escape) {
            so_far.push_str(continued);
            open = Some((begin, so_far));
        } else {
            so_far.push_str(line);
            let instruction = cut(begin, &so_far);
            heredocs = instruction.inner().heredocs();
            found.push(instruction);
        }
    }
    found.extend(open.map(|(begin, text)| cut(begin, &text)));
    found
}

fn cut(line: usize, text: &str) -> Instruction {
    let text = text.trim();
    let (keyword, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    Instruction {
        line,
        keyword: keyword.to_ascii_uppercase(),
        rest: rest.trim().to_owned(),
    }
}

/// What ends a line that goes on: a backslash unless the directive `# escape=` says otherwise.
fn escape(text: &str) -> char {
    let value = directive(text, "escape").map(|(_, value)| value);
    value.filter(|it| *it == "`").map_or('\\', |_| '`')
}

/// The line and value of a directive (`# name=value`): only at the top, before anything else.
pub fn directive<'a>(text: &'a str, wanted: &str) -> Option<(usize, &'a str)> {
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    lines
        .map_while(|(index, line)| {
            let (name, value) = line.trim().strip_prefix('#')?.split_once('=')?;
            Some((index + 1, name.trim(), value.trim()))
        })
        .find(|(_, name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(line, _, value)| (line, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_all(text: &str) -> Vec<String> {
        instructions(text)
            .iter()
            .map(|it| format!("{}:{} {}", it.line, it.keyword, it.rest))
            .collect()
    }

    #[test]
    fn continuations_comments_and_case() {
        let text = "\u{feff}# a comment\n\nfrom scratch\nRUN a \\  \n  # in between\n\n && b\nCopy x \\\n /y\n";
        assert_eq!(
            cut_all(text),
            ["3:FROM scratch", "4:RUN a  && b", "8:COPY x  /y"]
        );
    }

    #[test]
    fn the_escape_directive_counts_at_the_top_only() {
        let text = "# escape=`\nFROM scratch\nRUN a `\n b\nRUN c\\\n";
        assert_eq!(cut_all(text), ["2:FROM scratch", "3:RUN a  b", "5:RUN c\\"]);
        let late = "FROM scratch\n# escape=`\nRUN a \\\n b\n";
        assert_eq!(cut_all(late), ["1:FROM scratch", "3:RUN a  b"]);
    }

    #[test]
    fn heredocs_are_seen_and_shifts_are_not() {
        let heredoc = |text: &str| !instructions(text)[0].heredocs().is_empty();
        let text = "COPY <<A <<-B /x/\nFROM a\nA\n\tB\nRUN <<EOF cat\n\tEOF\nRUN c\n";
        let all = ["1:COPY <<A <<-B /x/", "5:RUN <<EOF cat", "7:RUN c"];
        assert_eq!(cut_all(text), all);
        assert!(heredoc("RUN <<EOF\n"));
        assert!(heredoc("COPY <<-'END' /file\n"));
        assert!(heredoc("RUN cat 3<<X\n"));
        assert!(!heredoc("RUN echo $((1<<2)) && read x <<< y\n"));
    }
}
