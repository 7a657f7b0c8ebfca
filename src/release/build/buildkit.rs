//! What of a Dockerfile only BuildKit builds: the engine's own builder refuses it, or leaves a
//! variable empty. Pure.
//! Source: <https://docs.docker.com/reference/dockerfile/>.

use std::collections::BTreeMap;

use super::instruction::Instruction;

/// Variables that BuildKit fills in: `TARGETARCH`, `BUILDPLATFORM`, ….
const SIDES: [&str; 2] = ["TARGET", "BUILD"];
const PARTS: [&str; 4] = ["PLATFORM", "OS", "ARCH", "VARIANT"];

/// One thing that needs BuildKit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Its line in the Dockerfile, from 1.
    pub line: usize,
    /// As it is written: `COPY --link`.
    pub what: String,
    /// Whether engines before 23.0 do not know it either.
    pub is_new: bool,
}

/// Which BuildKit there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildKit {
    /// `docker buildx` is not on this machine.
    Absent,
    /// That of an engine before 23.0.
    Old,
    /// That of a later one.
    New,
}

/// What one instruction needs BuildKit for.
pub fn features(instruction: &Instruction) -> Vec<Feature> {
    let keyword = instruction.keyword.as_str();
    let feature = |what: String, is_new| Feature {
        line: instruction.line,
        what,
        is_new,
    };
    let mut found = Vec::new();
    for (name, value) in instruction.flags() {
        let (is_ours, is_new) = match (keyword, name) {
            ("COPY" | "ADD", "from" | "chown")
            | ("HEALTHCHECK", "interval" | "timeout" | "start-period" | "retries") => {
                (false, false)
            }
            ("COPY" | "ADD", "chmod") | ("RUN", "mount" | "network") => (true, false),
            ("COPY" | "ADD" | "RUN" | "HEALTHCHECK", _) => (true, true),
            ("FROM", "platform") => (value.contains('$'), false),
            _ => (false, false),
        };
        if is_ours {
            found.push(feature(format!("{keyword} --{name}"), is_new));
        }
    }
    if !instruction.heredocs().is_empty() {
        found.push(feature("a here-document".to_owned(), true));
    }
    if keyword == "ARG" {
        let names = instruction
            .words()
            .map(|it| it.split('=').next().unwrap_or(it));
        let filled = names.filter(|name| is_filled_in(name));
        found.extend(filled.map(|name| feature(format!("ARG {name}"), false)));
    }
    found
}

fn is_filled_in(name: &str) -> bool {
    let parts = SIDES.iter().filter_map(|side| name.strip_prefix(side));
    parts.into_iter().any(|part| PARTS.contains(&part))
}

/// The options of each `RUN --mount`: `type=secret,id=TOKEN` as a map, keys in lower case as builders
/// read them; a bare word is `true`.
pub fn mounts(instruction: &Instruction) -> Vec<BTreeMap<String, &str>> {
    let runs = instruction.keyword == "RUN";
    let flags = instruction
        .flags()
        .filter(|(name, _)| runs && *name == "mount");
    let option = |word| -> (String, &str) {
        let (name, value) = str::split_once(word, '=').unwrap_or((word, "true"));
        (name.to_lowercase(), value)
    };
    flags
        .map(|(_, text)| text.split(',').map(option).collect())
        .collect()
}
