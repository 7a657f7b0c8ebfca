//! What `COPY` and `ADD` take from the build context, as far as a Dockerfile alone tells it. Pure.

use super::instruction::Instruction;

/// A file or folder of the build context that an instruction names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The instruction's line, from 1.
    pub line: usize,
    /// As it is written.
    pub path: String,
}

/// What an instruction takes from the context; without patterns, variables, addresses,
/// here-documents, and what comes from another stage: those are the builder's to know.
pub fn copied(instruction: &Instruction) -> Vec<Copied> {
    let is_copy = matches!(instruction.keyword.as_str(), "COPY" | "ADD");
    if !is_copy || instruction.flags().any(|(name, _)| name == "from") {
        return Vec::new();
    }
    let mut words = instruction.paths();
    words.pop();
    let open = |word: &String| {
        word.contains(['*', '?', '[', '$', '<', '\\', '"', '\'', '@', ':']) || word.contains("..")
    };
    let line = instruction.line;
    let known = words.into_iter().filter(|it| !open(it));
    known.map(|path| Copied { line, path }).collect()
}

/// Whether these files have it, as a file or as a folder.
pub fn is_there<'a>(path: &str, mut files: impl Iterator<Item = &'a str>) -> bool {
    let parts = path.split('/').filter(|it| !matches!(*it, "" | "."));
    let path = parts.collect::<Vec<_>>().join("/");
    let below = format!("{path}/");
    path.is_empty() || files.any(|file| file == path || file.starts_with(&below))
}

#[cfg(test)]
mod tests {
    use super::super::instruction::instructions;
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let (all, _) = instructions(text);
        let all = all.iter().flat_map(copied);
        all.map(|it| it.path).collect()
    }

    #[test]
    fn only_what_can_be_known() {
        assert_eq!(of("COPY a ./b/ /x\n"), ["a", "./b/"]);
        assert_eq!(of("ADD [\"a b\", \"/x\"]\n"), ["a b"]);
        assert_eq!(of("COPY --chown=1:2 a /x\n"), ["a"]);
        for open in [
            "COPY --from=stage a /x\n",
            "COPY *.war /x\n",
            "COPY $A /x\n",
            "ADD https://example.org/a /x\n",
            "COPY <<END /x\nEND\n",
            "RUN cp a /x\n",
        ] {
            assert!(of(open).is_empty(), "{open}");
        }
    }

    #[test]
    fn files_and_folders() {
        let there = |path| is_there(path, ["a/b", "c"].into_iter());
        for path in ["a", "./a/", "/a/b", "c", ".", "/"] {
            assert!(there(path), "{path}");
        }
        assert!(!there("b") && !there("c/d") && !there("aa"));
    }
}
