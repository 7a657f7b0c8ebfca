//! What a proposal changes in how its container runs, and what is risky in that.

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::model::catalogue::Catalogue;
use crate::model::difference::{Difference, differences};
use crate::model::name::ContainerName;
use crate::model::run_specification::RunSpecification;

/// The difference between two catalogues, for one container.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Effect {
    /// Field by field.
    pub run: Vec<Difference>,
    /// What an operator should look at twice.
    pub risks: Vec<String>,
}

impl Effect {
    /// Compares a container's definitions.
    pub fn between(before: &Catalogue, after: &Catalogue, name: &ContainerName) -> Result<Self> {
        let run = differences(&specification(before, name)?, &specification(after, name)?);
        Ok(Self {
            risks: run.iter().filter_map(risk).collect(),
            run,
        })
    }
}

/// How it would run; nothing where it is not defined.
fn specification(catalogue: &Catalogue, name: &ContainerName) -> Result<Value> {
    let Some(definition) = catalogue.definitions.get(name) else {
        return Ok(json!({}));
    };
    let bug = |error| Error::bug("cannot compare run specifications").because(error);
    let run = RunSpecification::resolve(definition, &catalogue.platform.defaults);
    let mut value = serde_json::to_value(&run).map_err(bug)?;
    value["routes"] = serde_json::to_value(&definition.routes).map_err(bug)?;
    let needs: Vec<&ContainerName> = definition.needs.iter().map(|it| &it.container).collect();
    value["needs"] = serde_json::to_value(needs).map_err(bug)?;
    value["uses"] = serde_json::to_value(&definition.uses).map_err(bug)?;
    Ok(value)
}

/// What an operator should look at twice.
pub(super) fn risk(difference: &Difference) -> Option<String> {
    let field = difference.path.split('.').next().unwrap_or_default();
    let gone = difference.after.is_none();
    Some(match field {
        "publish" => "a port is published on the host, or no longer".to_owned(),
        "secrets" => "it wants other secrets: production has to have them first".to_owned(),
        "volumes" if gone => format!("{} goes: what is in it stays behind", difference.path),
        "volumes" => format!("{} moves: what is in it does not", difference.path),
        "user" => "it runs as another user: files in its volumes keep their owner".to_owned(),
        "routes" => "the proxy shows it elsewhere".to_owned(),
        _ => return None,
    })
}
