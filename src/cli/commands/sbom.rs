//! `devenv sbom`

use clap::Args;

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::converge::select;
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::digest::Digest;
use crate::model::name::{ContainerName, EnvironmentName, Version};
use crate::model::sbom::Package;
use crate::model::visible::visible;
use crate::verify::choose::{Choice, Preparation};
use crate::verify::evidence::Wanted;
use crate::verify::evidence::packages::VerifiedPackages;

/// Show which packages a container's image has, as production signed the list
///
/// The list (an SPDX document) was made when the image was released, from the databases of dpkg, rpm
/// and apk and from the jars in its layers. `--json` has the whole document.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the container
    #[arg(add = complete::definitions())]
    name: ContainerName,
    /// Version; without it, the one that the environment runs
    #[arg(long)]
    version: Option<Version>,
    /// Name of the environment; without it, the one that workstations follow
    #[arg(long, value_name = "ENVIRONMENT", conflicts_with = "version", add = complete::environments())]
    environment: Option<EnvironmentName>,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let registry = session.registry();
    let preparation = Preparation::new(session, &open, registry.as_ref());
    let container = &arguments.name;
    let (found, version, digest) = if let Some(version) = &arguments.version {
        let (repository, digest) = preparation.published(container, version).await?;
        let wanted = Wanted {
            container,
            version,
            repository: &repository,
            digest,
        };
        let found = preparation.verifier().packages(&wanted).await?;
        (found, version.to_string(), digest)
    } else {
        let default = &open.workstation.environment;
        let environment = arguments.environment.as_ref().unwrap_or(default);
        running(ui, &preparation, container, environment).await?
    };
    let found = found.ok_or_else(|| {
        let text =
            format!("the packages of {container} {version} were not listed when it was released");
        Error::usage(text).hint("later releases have a list")
    })?;
    if ui.is_json() {
        let document: serde_json::Value = serde_json::from_str(&found.sbom.text)
            .map_err(|error| Error::bug("a list that was read is no JSON").because(error))?;
        ui.json(&serde_json::json!({
            "container": container, "version": version, "digest": digest,
            "signers": found.signers, "document": document,
        }));
    }
    show(ui, container, &version, &found);
    Ok(Exit::Done)
}

/// The packages of what an environment runs, its version, and its digest.
async fn running(
    ui: &Ui,
    preparation: &Preparation<'_>,
    container: &ContainerName,
    environment: &EnvironmentName,
) -> Result<(Option<VerifiedPackages>, String, Digest)> {
    let choice = Choice::Environment(environment.clone());
    let chosen = preparation.choose(&choice).await?;
    for warning in &chosen.warnings {
        ui.warn(warning);
    }
    let (verifier, verified) = (preparation.verifier(), &chosen.verified);
    if *container == verified.reference.proxy {
        let found = verifier.proxy_packages(verified).await?;
        let number = verified.reference.number.to_string();
        return Ok((found, number, verified.proxy.image.digest));
    }
    select::expand(&verified.reference, &[container.to_string()])?;
    let entry = verified.reference.containers.get(container);
    let found = entry.and_then(|it| Some((it, it.version.as_ref()?, it.digest?)));
    let (entry, version, digest) = found.ok_or_else(|| {
        let text = format!("{environment} runs no released version of {container}");
        Error::usage(text).hint("--version names one that was released")
    })?;
    let wanted = Wanted {
        container,
        version,
        repository: &entry.repository,
        digest,
    };
    let found = verifier.packages(&wanted).await?;
    Ok((found, version.to_string(), digest))
}

fn show(ui: &Ui, container: &ContainerName, version: &str, found: &VerifiedPackages) {
    let packages = &found.sbom.packages;
    ui.data(&format!(
        "{} {version} · {} packages · signed by {}",
        ui.style().bold(container),
        packages.len(),
        found.signers.join(", ")
    ));
    let row = |package: &Package| {
        vec![
            Cell::from(package.origin.to_string()),
            Cell::from(visible(&package.name)),
            Cell::from(visible(&package.version)),
            Cell::from(package.place.as_deref().map(visible).unwrap_or_default()),
        ]
    };
    let rows: Vec<Vec<Cell>> = packages.iter().map(row).collect();
    if !rows.is_empty() {
        let header = ["KIND", "PACKAGE", "VERSION", "FOUND IN"];
        ui.data(&ui.fitted(&table(ui.style(), &header, &rows)));
    }
}
