//! A Dockerfile's instructions, cut as builders cut them.
//! Source: <https://docs.docker.com/reference/dockerfile/>, moby `builder/dockerfile/parser`.

use super::doubt::{self, Doubt, Heredoc};

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

    /// Its here-documents, which the classic builder would take for instructions.
    pub fn heredocs(&self) -> Vec<Heredoc> {
        doubt::heredocs(&self.keyword, &self.rest).0
    }
}

/// Cuts a Dockerfile as builders do: parser directives, comments, blank lines, continuations and
/// here-documents. What builders do not all read alike is a doubt: who hides an instruction behind it
/// could have another image built than the one that is checked.
pub fn instructions(text: &str) -> (Vec<Instruction>, Vec<Doubt>) {
    let text = text.trim_start_matches('\u{feff}');
    let (escape, mut doubts) = doubt::of_text(text);
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let mut heredocs: Vec<(usize, Heredoc)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some((_, heredoc)) = heredocs.first() {
            if heredoc.is_end(line) {
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
            if continued.ends_with(escape) {
                doubts.push(Doubt::new(index + 1, doubt::TWO_ESCAPES));
            }
            so_far.push_str(continued);
            open = Some((begin, so_far));
        } else {
            so_far.push_str(line);
            let ends = finish(begin, &so_far, &mut found, &mut doubts);
            heredocs = ends.into_iter().map(|it| (begin, it)).collect();
        }
    }
    if let Some((begin, text)) = open {
        let ends = finish(begin, &text, &mut found, &mut doubts);
        heredocs.extend(ends.into_iter().map(|it| (begin, it)));
    }
    if let Some((line, _)) = heredocs.first() {
        doubts.push(Doubt::new(*line, doubt::NO_END));
    }
    (found, doubts)
}

/// Takes in an instruction that ends here, and gives the here-documents that begin behind it.
fn finish(
    line: usize,
    text: &str,
    found: &mut Vec<Instruction>,
    doubts: &mut Vec<Doubt>,
) -> Vec<Heredoc> {
    let instruction = cut(line, text);
    let inner = instruction.inner();
    let (ends, doubtful) = doubt::heredocs(&inner.keyword, &inner.rest);
    let of_flags = doubt::of_flags(&inner.keyword, inner.flags());
    let both = of_flags.into_iter().chain(doubtful);
    doubts.extend(both.map(|it| Doubt::new(line, it)));
    found.push(instruction);
    ends
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

/// The line and value of a directive (`# name=value`) among the comments at the top, before anything
/// else. Builders stop at the first line that is none.
pub fn directive<'a>(text: &'a str, wanted: &str) -> Option<(usize, &'a str)> {
    doubt::comments_at_top(text.trim_start_matches('\u{feff}'))
        .filter_map(|(line, comment)| {
            let (name, value) = comment.split_once('=')?;
            Some((line, name.trim(), value.trim()))
        })
        .find(|(_, name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(line, _, value)| (line, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_all(text: &str) -> Vec<String> {
        let (found, doubts) = instructions(text);
        assert_eq!(doubts, [], "{text}");
        found
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
        let second = "# syntax=x\n# escape=`\nRUN a `\n b\n";
        assert_eq!(cut_all(second), ["3:RUN a  b"]);
        let late = "FROM scratch\n# escape=`\nRUN a \\\n b\n";
        assert_eq!(cut_all(late), ["1:FROM scratch", "3:RUN a  b"]);
    }

    #[test]
    fn heredocs_are_seen_and_shifts_are_not() {
        let heredoc = |text: &str| !instructions(text).0[0].heredocs().is_empty();
        let text = "COPY <<A <<-B /x/\nFROM a\nA\n\tB\nRUN <<EOF cat\n\tEOF\nEOF\nRUN c\n";
        let all = ["1:COPY <<A <<-B /x/", "5:RUN <<EOF cat", "8:RUN c"];
        assert_eq!(cut_all(text), all);
        assert!(heredoc("RUN <<EOF\n"));
        assert!(heredoc("COPY <<-'END' /file\n"));
        assert!(heredoc("RUN cat 3<<X\n"));
        assert!(!heredoc("RUN echo $((1<<2)) && read x <<< y\n"));
    }

    fn doubts(text: &str) -> Vec<usize> {
        instructions(text).1.iter().map(|it| it.line).collect()
    }

    /// Each hides `COPY --from=alpine` from devenv or from a builder if it is read as it was once.
    #[test]
    fn what_builders_do_not_read_alike_is_a_doubt() {
        let copy = "COPY --from=alpine:latest /a /b\n";
        for (text, line) in [
            (
                format!("# by=anna\n# escape=`\nFROM a\nLABEL a=b`\n{copy}"),
                2,
            ),
            (format!("# a comment\n#escape = `\nFROM a\n{copy}"), 2),
            ("#!/bin/docker\n# syntax=evil\nFROM a\n".to_owned(), 1),
            (format!("FROM a\nLABEL a=b\\\\\n{copy}"), 2),
            (format!("FROM a\nRUN x \\\u{a0}\n{copy}"), 2),
            (format!("FROM a\nRUN x\r\r\n{copy}"), 2),
            (format!("FROM a\nRUN x\u{b}y\n{copy}"), 2),
            (format!("FROM a\nRUN <<EOF\n{copy}"), 2),
            (format!("FROM a\nRUN <<EOF\n EOF\n{copy}"), 2),
            ("FROM a\nRUN <<1\nx\n1\n".to_owned(), 2),
            ("FROM a\nRUN <<\"EOF X\"\nx\nEOF X\n".to_owned(), 2),
            ("FROM a\nRUN <<$X\nx\n$X\n".to_owned(), 2),
            (
                "FROM a\nRUN --mount=type=bind,\"from=alpine\",target=/x ls\n".to_owned(),
                2,
            ),
            ("FROM a\nCOPY --fr\"om\"=alpine:latest a b\n".to_owned(), 2),
            ("FROM a\nCOPY --from\\=alpine a b\n".to_owned(), 2),
            (
                "FROM a\nRUN --mount type=bind,from=alpine ls\n".to_owned(),
                2,
            ),
            ("FROM a\nONBUILD COPY --fr'om'=alpine a b\n".to_owned(), 2),
            ("FROM a\nCOPY --fr\"om\"=alpine a b \\\n".to_owned(), 2),
            (format!("# escape\u{a0}=`\nFROM a\nLABEL a=b`\n{copy}"), 1),
            (format!("#\u{a0}escape=`\nFROM a\nLABEL a=b`\n{copy}"), 1),
            ("# syntax=a@sha256:1\n# syntax=evil\nFROM a\n".to_owned(), 2),
            ("# syntax=evil a@sha256:1\nFROM a\n".to_owned(), 1),
            (format!("FROM a\nRUN true # <<CMD it's\n{copy}CMD\n"), 2),
            (format!("FROM a\nRUN true # ${{ <<CMD\n{copy}CMD\n"), 2),
            (
                format!("FROM a\nRUN true \"${{X:-\"a <<CMD b\"}}\"\n{copy}CMD\n"),
                2,
            ),
            ("FROM a\nRUN cat << EOF\nx\nEOF\n".to_owned(), 2),
            ("FROM a\nRUN cat<<EOF\n".to_owned(), 2),
            (
                "FROM a\nRUN --mount=target=/m\u{e0}--mount=from=evil,target=/x ls\n".to_owned(),
                2,
            ),
            (
                "FROM a\nCOPY --chown=\"a b\" --from=alpine a b\n".to_owned(),
                2,
            ),
        ] {
            assert_eq!(doubts(&text), [line], "{text}");
        }
    }

    /// Quotes around it make it no here-document: the next line is an instruction.
    #[test]
    fn what_is_quoted_is_no_heredoc() {
        for line in [
            "RUN echo \"see <<EOF here\"",
            "RUN echo 'a \" <<EOF '",
            "COPY [\"a <<EOF b\", \"/x\"]",
            "RUN echo $((1<<2)) <<< y",
        ] {
            let (found, doubts) = instructions(&format!("{line}\nCOPY a b\n"));
            assert_eq!((found.len(), doubts.len()), (2, 0), "{line}");
        }
        let (found, doubts) = instructions("RUN cat > \"/a b\" <<'EOF' x\nCOPY a b\nEOF\nUSER 1\n");
        assert_eq!((found.len(), doubts.len()), (2, 0));
    }

    #[test]
    fn ordinary_files_raise_no_doubt() {
        let text = "# syntax=docker/dockerfile:1\n# escape=`\n# a=b\nFROM --platform=linux/amd64 a\r\n\
                    COPY --link --chown=1:1 --from=b x y\nHEALTHCHECK --interval=5s CMD [\"a\"]\n\
                    RUN --mount=type=cache,target=/c --network=none a --b=\"c\" `\n # x\n d\n\
                    COPY --chown=\"app:app\" a b\nRUN echo \"${A}\" $((1<<2)) <<< x\n\
                    RUN --mount=type=bind,source=x,target=/x x\nADD --checksum=sha256:1 a b\n";
        assert_eq!(doubts(text), [] as [usize; 0]);
    }
}
