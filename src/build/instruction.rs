//! A Dockerfile's instructions, cut as the engine's classic builder cuts them.
//! Source: <https://docs.docker.com/reference/dockerfile/>, moby `builder/dockerfile/parser`.

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

    /// `ONBUILD COPY …` as `COPY …`; any other as it is.
    #[must_use]
    pub fn inner(&self) -> Self {
        if self.keyword == "ONBUILD" {
            cut(self.line, &self.rest)
        } else {
            self.clone()
        }
    }

    /// A here-document, which the classic builder would take for instructions.
    pub fn has_heredoc(&self) -> bool {
        matches!(self.keyword.as_str(), "RUN" | "COPY" | "ADD")
            && self.rest.split_whitespace().any(|word| {
                let name = word
                    .trim_start_matches(|c: char| c.is_ascii_digit())
                    .strip_prefix("<<")
                    .map(|name| name.trim_start_matches('-').trim_matches(['"', '\'']));
                name.is_some_and(|name| {
                    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                })
            })
    }
}

/// Cuts a Dockerfile: parser directives, comments, blank lines and continuations as the builder.
pub fn instructions(text: &str) -> Vec<Instruction> {
    let escape = escape(text);
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
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
            found.push(cut(begin, &so_far));
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
    text.trim_start_matches('\u{feff}')
        .lines()
        .map_while(|line| {
            let (name, value) = line.trim().strip_prefix('#')?.split_once('=')?;
            Some((name.trim().to_ascii_lowercase(), value.trim()))
        })
        .find(|(name, value)| name == "escape" && *value == "`")
        .map_or('\\', |_| '`')
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
        let heredoc = |text: &str| instructions(text)[0].has_heredoc();
        assert!(heredoc("RUN <<EOF\n"));
        assert!(heredoc("COPY <<-'END' /file\n"));
        assert!(heredoc("RUN cat 3<<X\n"));
        assert!(!heredoc("RUN echo $((1<<2)) && read x <<< y\n"));
    }
}
