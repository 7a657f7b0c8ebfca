//! What a Dockerfile is built from. Pure.
//!
//! A platform image is built from a platform base, named by digest through a build argument. A
//! base by tag would be whatever that tag means on the machine that builds.

use std::collections::{BTreeMap, BTreeSet};

use super::buildkit::{self, Feature};
use super::instruction::{INSTRUCTIONS, Instruction, directive, instructions};
use super::sources::{self, Copied};
use crate::error::{Error, Kind as ErrorKind, Place, Result};
use crate::model::name::{ContainerName, VariableName};
use crate::model::nearest::nearest;
use crate::model::visible::visible;
use crate::model::yaml;

/// Larger ones are refused.
const LARGEST: usize = 256 * 1024;
/// The directive that names what reads a Dockerfile.
pub(super) const SYNTAX: &str = "# syntax=";
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
    /// Names of the secrets that `RUN --mount=type=secret` sees.
    pub secrets: BTreeSet<VariableName>,
    pub(super) volumes: Vec<Volume>,
    pub(super) features: Vec<Feature>,
    copied: Vec<Copied>,
}

/// One path of a `VOLUME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) line: usize,
    pub(super) stage: usize,
    pub(super) path: String,
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
        Self::examine(source, bytes).map_err(|mut faults| faults.swap_remove(0))
    }

    /// The same with every fault, of which there is at least one.
    pub fn examine(source: &str, bytes: &[u8]) -> Result<Self, Vec<Error>> {
        let refuse = |why: &str| {
            let place = Place::file(source);
            Err(vec![Error::at(ErrorKind::Definitions, place, why)])
        };
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
                secrets: BTreeSet::new(),
                volumes: Vec::new(),
                features: Vec::new(),
                copied: Vec::new(),
            },
            global: BTreeSet::new(),
        };
        let mut faults = Vec::new();
        faults.extend(reader.syntax(directive(text, "syntax")).err());
        let (instructions, doubts) = instructions(text);
        let doubts = doubts.into_iter();
        faults.extend(doubts.map(|it| reader.file.refuse(it.line, it.why, it.right)));
        faults.extend(instructions.iter().filter_map(|it| reader.read(it).err()));
        match (faults.is_empty(), reader.file.stages.is_empty()) {
            (false, _) => Err(faults),
            (true, true) => refuse("there is no `FROM` in it"),
            (true, false) => Ok(reader.file),
        }
    }

    /// What it takes from a build context that has only these files: a fault each.
    pub fn missing<'a>(
        &self,
        files: impl Iterator<Item = &'a str> + Clone,
    ) -> impl Iterator<Item = Error> {
        let missing = move |it: &&Copied| !sources::is_there(&it.path, files.clone());
        self.copied.iter().filter(missing).map(|it| {
            let why = format!("there is no `{}` beside it", it.path);
            self.refuse(it.line, &why, "`artifact:` in container.yaml hands it over")
        })
    }

    /// A stage and the earlier ones that it is built from.
    pub(super) fn lineage(&self, index: usize) -> BTreeSet<usize> {
        let earlier = |index: &usize| match self.stages[*index].origin {
            Origin::Stage(earlier) => Some(earlier),
            _ => None,
        };
        std::iter::successors(Some(index), earlier).collect()
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
    pub(super) fn root(&self, index: usize) -> &Origin {
        let first = self.lineage(index).first().copied();
        &self.stages[first.unwrap_or(index)].origin
    }

    pub(super) fn refuse(&self, line: usize, why: &str, right: &str) -> Error {
        let place = Place::line(&self.source, line);
        let error = Error::at(ErrorKind::Definitions, place, &visible(why))
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
        self.file.features.extend(buildkit::features(instruction));
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
            // What `ONBUILD` declares is another image's.
            "VOLUME" if outer.keyword == "VOLUME" => {
                let stage = self.file.stages.len().saturating_sub(1);
                let paths = instruction.paths().into_iter();
                self.file
                    .volumes
                    .extend(paths.map(|path| Volume { line, stage, path }));
                Ok(())
            }
            "COPY" | "ADD" => {
                // What `ONBUILD` copies is in another image's context.
                if outer.keyword != "ONBUILD" {
                    self.file.copied.extend(sources::copied(instruction));
                }
                let mut flags = instruction.flags().filter(|(name, _)| *name == "from");
                flags.try_for_each(|(_, value)| self.copied_from(line, value))
            }
            "RUN" => {
                let mounts = buildkit::mounts(instruction);
                mounts.iter().try_for_each(|mount| self.mount(line, mount))
            }
            // BuildKit takes a first line like these for a directive that names its reader.
            word if word.starts_with("//") || word.starts_with('{') => {
                Err(self.no_instruction(line, word, "a comment begins with `#`"))
            }
            word if INSTRUCTIONS.contains(&word) || self.has_own_reader() => Ok(()),
            word => {
                let near = nearest(word, INSTRUCTIONS.into_iter());
                let right = near.map_or(String::new(), |it| format!("did you mean `{it}`?"));
                Err(self.no_instruction(line, word, &right))
            }
        }
    }

    fn no_instruction(&self, line: usize, word: &str, right: &str) -> Error {
        let why = format!("`{word}` is no instruction");
        self.file.refuse(line, &why, right)
    }

    /// A reader of its own may know more instructions.
    fn has_own_reader(&self) -> bool {
        self.file.features.iter().any(|it| it.what == SYNTAX)
    }

    /// The reader that `# syntax=` names runs as part of the build: it is pinned like any image.
    fn syntax(&mut self, directive: Option<(usize, &str)>) -> Result<()> {
        let Some((line, image)) = directive else {
            return Ok(());
        };
        if !by_digest(image) {
            let why = format!(
                "`{SYNTAX}{image}` is not pinned: it is whatever this tag means where it is built"
            );
            let right = "remove the line, or pin it: `# syntax=docker/dockerfile:1@sha256:…`";
            return Err(self.file.refuse(line, &why, right));
        }
        self.file.features.push(Feature {
            line,
            what: SYNTAX.to_owned(),
            is_new: false,
        });
        Ok(())
    }

    fn mount(&mut self, line: usize, mount: &BTreeMap<String, &str>) -> Result<()> {
        if let Some(from) = mount.get("from") {
            self.copied_from(line, from)?;
        }
        match mount.get("type").copied() {
            Some("secret") => {
                let path = ["target", "dst", "destination"]
                    .iter()
                    .find_map(|it| mount.get(*it));
                let file = path.and_then(|path| path.rsplit('/').next());
                let id = mount.get("id").copied().or(file).unwrap_or_default();
                let name = VariableName::new(id)
                    .map_err(|why| self.file.refuse(line, &why, "--mount=type=secret,id=NAME"))?;
                self.file.secrets.insert(name);
                Ok(())
            }
            Some("ssh") => {
                let why = "a build is given no keys of an ssh agent";
                let right = "a key as a secret: --mount=type=secret,id=NAME";
                Err(self.file.refuse(line, why, right))
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
            Some(stage) => Ok(Origin::Stage(stage)),
            None if image.eq_ignore_ascii_case("scratch") => Ok(Origin::Scratch),
            None => self.image(line, image),
        };
        // A stage that is refused is one all the same to the lines that name it.
        let (origin, refused) = match origin {
            Ok(origin) => (origin, Ok(())),
            Err(refused) => (Origin::External(image.to_owned()), Err(refused)),
        };
        self.file.stages.push(Stage { line, name, origin });
        refused
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
            format!("`{image}` cannot be resolved before the build")
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
            && !name.contains(|c: char| c == '$' || c.is_whitespace())
            && hex.len() == 64
            && hex
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

#[cfg(test)]
#[path = "dockerfile_tests.rs"]
mod tests;
