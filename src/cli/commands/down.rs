//! `devenv down`

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::commands::up;
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::instance::Instance;
use crate::instance::intent::{Intent, Manner, Until};

/// Stop and remove containers; volumes stay unless `--volumes` says otherwise
///
/// Without names the whole instance is removed. With names, those containers are removed, and those
/// that only they needed.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles; without any, the whole instance
    #[arg(add = complete::names())]
    names: Vec<String>,
    /// Remove volumes too, with all data in them (asks first)
    #[arg(long, conflicts_with = "names")]
    volumes: bool,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let instance = Instance::new(session, &open)?;
    let is_whole = arguments.names.is_empty() || instance.ends_without(&arguments.names).await?;
    if !is_whole {
        let manner = Manner {
            until: if arguments.dry_run {
                Until::Planned
            } else {
                Until::Started
            },
            limit: Duration::from_secs(60),
        };
        let intent = Intent::Remove(arguments.names);
        return up::finish::finish(ui, session, &open, &intent, manner).await;
    }
    let removed = if arguments.dry_run {
        instance.plan_down(arguments.volumes).await?
    } else {
        instance.down(arguments.volumes).await?
    };
    if arguments.dry_run {
        let text = removed.plan.to_string();
        ui.data(if removed.plan.is_empty() {
            "nothing to do"
        } else {
            &text
        });
        ui.json(&up::finish::plan_json(&removed.plan, None, None));
    } else {
        ui.json(&json!({ "event": "result", "removed": removed.containers }));
    }
    Ok(Exit::Done)
}
