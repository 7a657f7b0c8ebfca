//! What a Dockerfile is built from, and whether production may build it. Pure.
//!
//! A platform image is built from a platform base, named by digest through a build argument. A
//! base by tag would be whatever that tag means on the machine that builds.

use std::collections::BTreeSet;

use super::instruction::{Instruction, instructions};
use crate::error::{Error, Result};
use crate::model::container::Kind;
use crate::model::name::ContainerName;
use crate::model::visible::visible;
use crate::model::yaml;

/// Larger ones are refused.
const LARGEST: usize = 256 * 1024;
/// How the argument that holds a base's `repository@digest` begins.
const PREFIX: &str = "BASE_";

/// What a stage is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nothing.
    Scratch,
    /// A base of the platform, through its argument.
    Base(ContainerName),
    /// An image of others, by digest.
    External(String),
    /// An earlier stage, by its index.
    Stage(usize),
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The line of its `FROM`, from 1.
    pub line: usize,
    /// Its name, in lower case.
    pub name: Option<String>,
    /// What it is built from.
    pub origin: Origin,
}

/// A Dockerfile whose images are all pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    source: String,
    text: String,
    /// In order; at least one.
    pub stages: Vec<Stage>,
    /// The names of all its arguments.
    pub arguments: BTreeSet<String>,
}

/// The argument that holds a base: `BASE_LEDGER_DB` for `ledger-db`.
pub fn argument_of(base: &ContainerName) -> String {
    format!(
        "{PREFIX}{}",
        base.as_str().to_ascii_uppercase().replace('-', "_")
    )
}

fn base_of(argument: &str) -> Option<ContainerName> {
    let name = argument.strip_prefix(PREFIX)?;
    let upper = name.chars().all(|c| !c.is_ascii_lowercase());
    let name = name.to_ascii_lowercase().replace('_', "-");
    ContainerName::new(name).ok().filter(|_| upper)
}

impl Dockerfile {
    /// Reads a Dockerfile. Refuses, with file and line, images by tag (in `FROM` and in
    /// `COPY --from`) and what the classic builder does not understand.
    pub fn parse(source: &str, bytes: &[u8]) -> Result<Self> {
        let refuse = |why: &str| Err(Error::definitions(format!("{source}: {why}")));
        if bytes.len() > LARGEST {
            return refuse("too large for a Dockerfile");
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return refuse("not UTF-8 text");
        };
        let mut reader = Reader {
            file: Self {
                source: source.to_owned(),
                text: text.to_owned(),
                stages: Vec::new(),
                arguments: BTreeSet::new(),
            },
            global: BTreeSet::new(),
        };
        for instruction in instructions(text) {
            reader.read(&instruction)?;
        }
        if reader.file.stages.is_empty() {
            return refuse("there is no `FROM` in it");
        }
        Ok(reader.file)
    }

    /// Whether production may build a container `name` of this kind from it. `is_base` says
    /// which containers are bases.
    pub fn check(
        &self,
        name: &ContainerName,
        kind: Kind,
        is_base: impl Fn(&ContainerName) -> bool,
    ) -> Result<()> {
        for stage in &self.stages {
            let Origin::Base(base) = &stage.origin else {
                continue;
            };
            if base == name {
                return Err(self.refuse(stage.line, &format!("`{name}` is built from itself"), ""));
            }
            if !is_base(base) {
                let why = format!("`{base}` is no base of the platform");
                let right = format!("a base has `kind: base` in containers/{base}/container.yaml");
                return Err(self.refuse(stage.line, &why, &right));
            }
        }
        let last = self.stages.len() - 1;
        let line = self.stages[last].line;
        match self.root(last) {
            Origin::Base(_) => Ok(()),
            Origin::Scratch | Origin::External(_) if kind == Kind::Base => Ok(()),
            origin => {
                let what = match origin {
                    Origin::External(image) => format!("the image {image}"),
                    _ => "scratch".to_owned(),
                };
                let why = format!("{} is built from {what}", article(kind));
                Err(self.refuse(line, &why, "make a base of it (`kind: base`), then `ARG BASE_<NAME>` and `FROM ${BASE_<NAME>}`"))
            }
        }
    }

    /// The platform base that the image itself lies on.
    pub fn last_base(&self) -> Option<&ContainerName> {
        match self.root(self.stages.len() - 1) {
            Origin::Base(name) => Some(name),
            _ => None,
        }
    }

    /// Every platform base that a stage is built from.
    pub fn bases(&self) -> BTreeSet<&ContainerName> {
        self.stages
            .iter()
            .filter_map(|stage| match &stage.origin {
                Origin::Base(name) => Some(name),
                _ => None,
            })
            .collect()
    }

    /// What a stage goes back to through other stages.
    fn root(&self, index: usize) -> &Origin {
        match &self.stages[index].origin {
            // Always an earlier one.
            Origin::Stage(earlier) => self.root(*earlier),
            origin => origin,
        }
    }

    fn refuse(&self, line: usize, why: &str, right: &str) -> Error {
        let error = Error::definitions(format!("{}:{line}: {}", self.source, visible(why)))
            .detail(yaml::snippet(&self.text, line, 1));
        if right.is_empty() {
            error
        } else {
            error.hint(right)
        }
    }
}

struct Reader {
    file: Dockerfile,
    /// Arguments in front of the first `FROM`: the only ones that a `FROM` sees.
    global: BTreeSet<String>,
}

impl Reader {
    fn read(&mut self, outer: &Instruction) -> Result<()> {
        let instruction = &outer.inner();
        let line = instruction.line;
        if instruction.has_heredoc() {
            let right = "put the lines into a file beside the Dockerfile";
            let why = "here-documents need another builder than the engine's own";
            return Err(self.file.refuse(line, why, right));
        }
        match instruction.keyword.as_str() {
            "ARG" => {
                for word in instruction.words() {
                    let name = word.split('=').next().unwrap_or_default().to_owned();
                    if self.file.stages.is_empty() {
                        self.global.insert(name.clone());
                    }
                    self.file.arguments.insert(name);
                }
                Ok(())
            }
            "FROM" => self.from(instruction),
            "COPY" | "ADD" => instruction
                .flags()
                .filter(|(name, _)| *name == "from")
                .try_for_each(|(_, value)| self.copied_from(line, value)),
            "RUN" if instruction.flags().any(|(name, _)| name == "mount") => {
                let why = "`--mount` needs another builder than the engine's own";
                Err(self.file.refuse(line, why, "use COPY"))
            }
            _ => Ok(()),
        }
    }

    fn from(&mut self, instruction: &Instruction) -> Result<()> {
        let line = instruction.line;
        let words: Vec<&str> = instruction.words().collect();
        let (image, name) = match words[..] {
            [image] => (image, None),
            [image, word, name] if word.eq_ignore_ascii_case("as") => {
                (image, Some(name.to_ascii_lowercase()))
            }
            _ => {
                let why = "this `FROM` cannot be read";
                return Err(self.file.refuse(line, why, "FROM IMAGE [AS NAME]"));
            }
        };
        let origin = match self.stage(image) {
            Some(stage) => Origin::Stage(stage),
            None if image.eq_ignore_ascii_case("scratch") => Origin::Scratch,
            None => self.image(line, image)?,
        };
        self.file.stages.push(Stage { line, name, origin });
        Ok(())
    }

    fn stage(&self, name: &str) -> Option<usize> {
        let name = Some(name.to_ascii_lowercase());
        self.file
            .stages
            .iter()
            .rposition(|stage| stage.name == name)
    }

    /// An image that is no stage: a base by its argument, or another's by digest.
    fn image(&self, line: usize, image: &str) -> Result<Origin> {
        let right = "`ARG BASE_<NAME>` in front of the first FROM, then `FROM ${BASE_<NAME>}`; \
                     an image of others by digest: `FROM name@sha256:…`";
        if let Some(argument) = variable(image) {
            let Some(base) = base_of(argument) else {
                let why = format!("`{argument}` is no argument that names a base of the platform");
                return Err(self.file.refuse(line, &why, right));
            };
            if self.global.contains(argument) {
                return Ok(Origin::Base(base));
            }
            let why = format!("`{argument}` is not declared in front of the first FROM");
            return Err(self.file.refuse(line, &why, &format!("ARG {argument}")));
        }
        if by_digest(image) {
            return Ok(Origin::External(image.to_owned()));
        }
        let why = if image.contains('$') {
            format!("what `{image}` stands for is open")
        } else {
            format!("`{image}` is not pinned: it is whatever this tag means where it is built")
        };
        Err(self.file.refuse(line, &why, right))
    }

    fn copied_from(&self, line: usize, from: &str) -> Result<()> {
        let index = from.parse::<usize>();
        if self.stage(from).is_some()
            || index.is_ok_and(|index| index < self.file.stages.len())
            || by_digest(from)
        {
            return Ok(());
        }
        let why = format!("`--from={from}` is neither a stage nor an image by digest");
        let right = "name a stage: FROM ${BASE_<NAME>} AS stage, then COPY --from=stage";
        Err(self.file.refuse(line, &why, right))
    }
}

/// The name in `$NAME` or `${NAME}`, and nothing around it.
fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let name = name
        .strip_prefix('{')
        .map_or(Some(name), |name| name.strip_suffix('}'))?;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(word)).then_some(name)
}

fn by_digest(image: &str) -> bool {
    image.rsplit_once("@sha256:").is_some_and(|(name, hex)| {
        !name.is_empty()
            && !name.contains('$')
            && hex.len() == 64
            && hex
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::App => "an app",
        Kind::Proxy => "the proxy",
        Kind::Service => "a service",
        Kind::Base => "a base",
    }
}

#[cfg(test)]
#[path = "dockerfile_tests.rs"]
mod tests;
