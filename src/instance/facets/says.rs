//! Who declares that a facet differs: an override, a proposal, the configuration, a secret, the ports, the
//! choice of what runs.

use super::declared::Declared;
use crate::model::facets::compare::Declarations;
use crate::model::facets::facet::Facet;
use crate::model::facets::record::Runs;
use crate::model::name::ContainerName;
use crate::model::overrides::Override;

/// Who says what of one container.
pub(super) struct Says<'a> {
    /// What both sides are declared to be.
    pub declared: &'a Declared,
    /// Whose facets; `None`: the engine's.
    pub name: Option<&'a ContainerName>,
    /// What the container on the other side was made from.
    pub there: Runs,
}

impl Says<'_> {
    fn variable(&self, name: &ContainerName, variable: &str) -> Option<String> {
        let Declared {
            overlay,
            overrides,
            configuration,
            own,
            ..
        } = self.declared;
        let run = &overlay.reference.containers.get(name)?.run;
        let of_user = overrides.of(name);
        if of_user.is_some_and(|it| it.environment.contains_key(variable)) {
            return Some("your override `environment`".to_owned());
        }
        let differs = configuration != own;
        if run.secret_names().any(|it| it.as_str() == variable) {
            let of_side = differs || !self.declared.is_record;
            return of_side.then(|| format!("the secret {variable} of the configuration {own}"));
        }
        let layer = |name| run.configurations.get(name).map(|it| &it.environment);
        let mut layers = [layer(own), layer(configuration)].into_iter().flatten();
        let is_of = variable == overlay.reference.configuration_variable.as_str()
            || layers.any(|it| it.contains_key(variable));
        (differs && is_of).then(|| format!("the configuration {own}, not {configuration}"))
    }
}

impl Declarations for Says<'_> {
    fn says(&self, facet: &Facet, key: &str) -> Option<String> {
        let Declared {
            overlay,
            overrides,
            host,
            ..
        } = self.declared;
        let name = self.name?;
        if let Some(variable) = key.strip_prefix("environment/")
            && let Some(said) = self.variable(name, variable)
        {
            return Some(said);
        }
        let keys: &[&str] = match facet.name {
            "memory" | "effective-memory" | "memory-swap" | "effective-memory-swap" => &["memory"],
            "command" => &["command", "entrypoint"],
            "entry-point" => &["entrypoint"],
            "health" => &["health"],
            "mounts" => &["mounts"],
            "published" => &["publish"],
            _ => &[],
        };
        let own = overrides.of(name).map(Override::keys).unwrap_or_default();
        if let Some(key) = keys.iter().find(|it| own.contains(it)) {
            return Some(format!("your override `{key}`"));
        }
        let origin = overlay.reference.origin(name);
        match facet.name {
            _ if overlay.locals.contains_key(origin) => {
                Some(format!("your proposal about {origin}"))
            }
            _ if self.declared.versions.contains(origin) => {
                Some(format!("the version of {origin} that you chose"))
            }
            "published" => Some(format!(
                "the ports of this instance, on a host of kind {}",
                host.profile.name
            )),
            "mounts" if overrides.logs_to.is_some() => Some("`--logs-to`".to_owned()),
            "aliases" | "extra-hosts" => Some("the choice of what runs here".to_owned()),
            _ => None,
        }
    }

    fn unlike(&self) -> Option<&'static str> {
        match self.there {
            Runs::Pinned => Some("there it runs a version of its own, not the reference's"),
            Runs::Local => Some("there it runs a proposal, not what the reference says"),
            Runs::Reference if self.declared.reference.is_none() => {
                Some("there another reference runs")
            }
            Runs::Reference => None,
        }
    }

    fn other(&self) -> &'static str {
        if self.declared.is_record {
            "the record"
        } else {
            "the reference"
        }
    }
}
