//! What is wrong with the files beside one definition. Pure.

use crate::definitions::TreeFile;
use crate::error::{Error, Kind as ErrorKind, Place};
use crate::model::catalogue::Catalogue;
use crate::model::container::{Definition, Kind};
use crate::model::lfs;
use crate::model::name::{ContainerName, FileName};
use crate::model::run_specification::RunSpecification;
use crate::release::build::dockerfile::Dockerfile;
use crate::release::build::template;

/// The Dockerfile of a definition.
pub const DOCKERFILE: &str = "Dockerfile";

/// A container as a commit has it.
#[derive(Debug, Clone, Copy)]
pub struct Folder<'a> {
    /// Beside which others.
    pub catalogue: &'a Catalogue,
    /// Which.
    pub name: &'a ContainerName,
    /// How it is defined.
    pub definition: &'a Definition,
    /// The files beside its definition.
    pub files: &'a [TreeFile],
}

impl Folder<'_> {
    /// The folder's path.
    pub fn path(&self) -> String {
        format!("containers/{}", self.name)
    }

    /// Its Dockerfile; `None` where there is none: its images are imported.
    ///
    /// # Errors
    /// Every fault of the folder.
    pub fn dockerfile(&self) -> Result<Option<Dockerfile>, Vec<Error>> {
        let mut faults: Vec<Error> = self.pointers().chain(self.missing_seed()).collect();
        let definition = self.definition;
        faults.extend(
            template::refuse_outside_proxy(&self.path(), definition.kind, self.files).err(),
        );
        let path = format!("{}/{DOCKERFILE}", self.path());
        let file = self.files.iter().find(|file| file.path == DOCKERFILE);
        let Some(file) = file else {
            if definition.kind == Kind::Proxy {
                let place = Place::file(path);
                let text = "there is no such file";
                faults.push(Error::at(ErrorKind::Definitions, place, text));
            }
            return if faults.is_empty() {
                Ok(None)
            } else {
                Err(faults)
            };
        };
        match Dockerfile::examine(&path, &file.bytes) {
            Ok(dockerfile) => {
                let known = &self.catalogue.definitions;
                let is_base =
                    |name: &ContainerName| known.get(name).is_some_and(|it| it.kind == Kind::Base);
                faults.extend(dockerfile.check(self.name, definition.kind, is_base).err());
                if definition.kind != Kind::Base {
                    let defaults = &self.catalogue.platform.defaults;
                    let run = RunSpecification::resolve(definition, defaults);
                    faults.extend(dockerfile.check_volumes(&self.path(), &run).err());
                }
                // A template's result has its name without the end.
                let files = self.files.iter().map(|it| it.path.as_str());
                let rendered = files
                    .clone()
                    .filter_map(|it| it.strip_suffix(template::SUFFIX));
                let artifacts = definition.artifact.iter().map(FileName::as_str);
                faults.extend(dockerfile.missing(files.chain(rendered).chain(artifacts)));
                if faults.is_empty() {
                    return Ok(Some(dockerfile));
                }
            }
            Err(found) => faults.extend(found),
        }
        Err(faults)
    }

    /// The file that its volumes are filled from.
    fn missing_seed(&self) -> Option<Error> {
        let file = &self.definition.seed.as_ref()?.file;
        let is_there = self.files.iter().any(|it| it.path == file.as_str());
        let place = Place::file(format!("{}/{file}", self.path()));
        let text = "there is no such file, and it is the `seed` of the container";
        (!is_there).then(|| Error::at(ErrorKind::Definitions, place, text))
    }

    fn pointers(&self) -> impl Iterator<Item = Error> {
        let pointers = self.files.iter().filter(|it| lfs::is_pointer(&it.bytes));
        pointers.map(|file| {
            let path = format!("{}/{}", self.path(), file.path);
            let untrack = "or keep it in git itself: `git lfs untrack`, then `git add --renormalize`";
            lfs::refusal(ErrorKind::Definitions, &path)
                .about(Place::file(path))
                .hint("hand the content over as an artifact: `artifact:` in container.yaml, `--artifact FILE` (`git lfs pull` fetches it)")
                .hint(untrack)
        })
    }
}
