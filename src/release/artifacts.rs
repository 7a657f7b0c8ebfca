//! What production receives: matched to the definition, and archived by content.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Desk;
use crate::error::{Error, Result};
use crate::model::name::{ContainerName, FileName};
use crate::model::platform::Platform;
use crate::registry::{self, Tag};
use crate::release::build::context::Artifact;

/// The type of an archived artifact.
const TYPE: &str = "application/vnd.devenv.artifact.v1";
/// The type of its only layer.
const LAYER: &str = "application/octet-stream";
/// Shown and used as file name by registry tools. Source: OCI annotations.
const TITLE: &str = "org.opencontainers.image.title";

/// Reads the files that a definition asks for. A file is known by its name; where there is only
/// one artifact and one file, it may have another. Fails with [`crate::error::Kind::Usage`] on
/// missing and surplus files.
pub(super) async fn open(
    container: &ContainerName,
    wanted: &[FileName],
    files: &[PathBuf],
) -> Result<Vec<Artifact>> {
    let mut artifacts = Vec::new();
    for (name, path) in assign(container, wanted, files)? {
        artifacts.push(Artifact::open(name.clone(), path).await?);
    }
    Ok(artifacts)
}

fn assign<'a>(
    container: &ContainerName,
    wanted: &'a [FileName],
    files: &'a [PathBuf],
) -> Result<BTreeMap<&'a FileName, &'a Path>> {
    if let ([name], [path]) = (wanted, files) {
        return Ok(BTreeMap::from([(name, path.as_path())]));
    }
    let mut assigned = BTreeMap::new();
    for path in files {
        let file_name = path.file_name().and_then(|name| name.to_str());
        let name = wanted.iter().find(|name| Some(name.as_str()) == file_name);
        let error = match name {
            Some(name) if assigned.insert(name, path.as_path()).is_none() => continue,
            Some(name) => format!("`{name}` is given twice"),
            None if wanted.is_empty() => format!("{container} takes no artifact"),
            None => format!("{container} takes no artifact called {}", path.display()),
        };
        return Err(Error::usage(error).hint(list(container, wanted)));
    }
    match wanted.iter().find(|name| !assigned.contains_key(name)) {
        None => Ok(assigned),
        Some(missing) => Err(
            Error::usage(format!("{container} needs the artifact `{missing}`"))
                .hint(format!("--artifact PATH/{missing}")),
        ),
    }
}

fn list(container: &ContainerName, wanted: &[FileName]) -> String {
    let names: Vec<_> = wanted.iter().map(FileName::as_str).collect();
    format!(
        "`artifact` in containers/{container}/container.yaml lists: [{}]",
        names.join(", ")
    )
}

impl Desk<'_> {
    /// Stores each artifact in `<registry>/artifacts`, tagged by the SHA-256 of its content.
    pub(super) async fn archive(&self, platform: &Platform, artifacts: &[Artifact]) -> Result<()> {
        let repository = platform.repository("artifacts")?;
        for artifact in artifacts {
            self.reporter.note(&format!(
                "archiving {} ({})",
                artifact.name, artifact.digest
            ));
            let layer = self
                .online()?
                .put_blob_from_file(&repository, LAYER, &artifact.path, Arc::new(|_| ()))
                .await?;
            if layer.digest != artifact.digest {
                let text = format!("{} changed meanwhile", artifact.path.display());
                return Err(Error::usage(text));
            }
            let title = artifact.name.to_string();
            let stored = registry::Artifact {
                artifact_type: TYPE.to_owned(),
                layers: vec![layer.annotate(TITLE, &title)],
                subject: None,
                annotations: BTreeMap::from([(TITLE.to_owned(), title)]),
            };
            let tag = Tag::new(artifact.digest.hex()).map_err(Error::bug)?;
            self.online()?
                .put_artifact(&repository, Some(&tag), &stored)
                .await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(wanted: &[&str], files: &[&str]) -> Result<Vec<(String, String)>> {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|name| FileName::new(*name).unwrap())
            .collect();
        let files: Vec<_> = files.iter().map(PathBuf::from).collect();
        let billing = ContainerName::new("billing").unwrap();
        let assigned = assign(&billing, &wanted, &files)?;
        let text =
            |(name, path): (&FileName, &Path)| (name.to_string(), path.display().to_string());
        Ok(assigned.into_iter().map(text).collect())
    }

    #[test]
    fn files_are_known_by_name_and_a_single_one_by_place() {
        let one = assigned(&["billing.war"], &["/tmp/billing-1.4.2.war"]).unwrap();
        assert_eq!(one[0].1, "/tmp/billing-1.4.2.war");
        let two = assigned(&["a.war", "b.zip"], &["x/b.zip", "y/a.war"]).unwrap();
        assert_eq!(two[0], ("a.war".to_owned(), "y/a.war".to_owned()));
        assert!(assigned(&[], &[]).unwrap().is_empty());
    }

    #[test]
    fn missing_and_surplus_files_are_refused() {
        for (wanted, files, text) in [
            (&["a.war"][..], &[][..], "needs the artifact `a.war`"),
            (&[], &["a.war"], "takes no artifact"),
            (&["a.war", "b.war"], &["a.war", "c.war"], "called c.war"),
            (&["a.war", "b.war"], &["a.war", "x/a.war"], "given twice"),
        ] {
            let error = assigned(wanted, files).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
