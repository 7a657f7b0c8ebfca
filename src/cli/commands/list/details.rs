//! The rest of one container's definition, line by line.

use crate::model::container::{Definition, Health};
use crate::model::filling::{Dumping, Seed};
use crate::model::platform::Defaults;
use crate::model::run_specification::RunSpecification;

/// A definition with its defaults applied.
pub(super) struct Details<'a> {
    definition: &'a Definition,
    pub(super) run: RunSpecification,
}

pub(super) fn of<'a>(definition: &'a Definition, defaults: &Defaults) -> Details<'a> {
    Details {
        definition,
        run: RunSpecification::resolve(definition, defaults),
    }
}

impl Details<'_> {
    /// Title and text; an empty text is not shown.
    pub(super) fn lines(&self) -> Vec<(String, String)> {
        let run = &self.run;
        let list = |items: Vec<String>| items.join(", ");
        let publish = run
            .publish
            .iter()
            .map(|it| format!("{} → {}", it.host, it.container));
        let volumes = run
            .volumes
            .iter()
            .map(|(name, path)| format!("{name} at {path}"));
        let names = |it: Vec<&str>| it.join(", ");
        let cpus = run
            .cpus
            .and_then(|it| serde_json::to_value(it).ok())
            .map(|it| it.to_string())
            .unwrap_or_default();
        let once = if run.once {
            "a one-shot that must exit 0"
        } else {
            ""
        };
        [
            ("runs", once.to_owned()),
            (
                "port",
                run.port.map(|it| it.to_string()).unwrap_or_default(),
            ),
            ("publishes", list(publish.collect())),
            ("volumes", list(volumes.collect())),
            (
                "health",
                run.health.as_ref().map(health).unwrap_or_default(),
            ),
            (
                "memory",
                run.memory.map(|it| it.to_string()).unwrap_or_default(),
            ),
            ("cpus", cpus),
            (
                "variables",
                names(run.environment.keys().map(AsRef::as_ref).collect()),
            ),
            ("seed", run.seed.as_ref().map(seed).unwrap_or_default()),
            (
                "snapshot",
                run.snapshot.as_ref().map(dumping).unwrap_or_default(),
            ),
            (
                "secrets",
                names(run.secret_names().map(AsRef::as_ref).collect()),
            ),
            (
                "artifact",
                names(self.definition.artifact.iter().map(AsRef::as_ref).collect()),
            ),
        ]
        .map(|(title, text)| (title.to_owned(), text))
        .into()
    }
}

fn seed(seed: &Seed) -> String {
    format!("{}, read by {}", seed.file, seed.command.join(" "))
}

fn dumping(snapshot: &Dumping) -> String {
    let (dump, restore) = (snapshot.dump.join(" "), snapshot.restore.join(" "));
    format!("written by {dump}, read by {restore}")
}

fn health(health: &Health) -> String {
    let how = match (&health.path, &health.command) {
        (Some(path), _) => format!("GET {}", path.as_str()),
        (None, Some(command)) => command.join(" "),
        (None, None) => return String::new(),
    };
    format!("{how}, every {}", health.interval)
}
