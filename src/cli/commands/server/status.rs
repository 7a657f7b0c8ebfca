//! `devenv server status`

use std::fmt::Write as _;

use clap::Args;
use jiff::Timestamp;

use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::server::status::{ContainerStatus, Status, status};

/// Show what serves here, what is kept, and what the ledger says meanwhile
#[derive(Debug, Args)]
pub struct Arguments {}

pub async fn run(ui: &Ui, session: &Session, _: &Arguments) -> Result<Exit> {
    let status = status(session).await?;
    ui.data(&text(ui, &status));
    ui.json(&status);
    Ok(Exit::Done)
}

fn text(ui: &Ui, status: &Status) -> String {
    let mut text = String::new();
    for (what, said) in lines(status) {
        // Writing to memory cannot fail.
        let _ = writeln!(text, "{what:<12} {said}");
    }
    let row = |it: &ContainerStatus| -> Vec<Cell> {
        vec![
            it.name.as_str().into(),
            it.version.as_deref().unwrap_or_default().into(),
            it.state.into(),
            it.health.unwrap_or_default().into(),
            it.generation.to_string().into(),
        ]
    };
    let rows: Vec<Vec<Cell>> = status.containers.iter().map(row).collect();
    if !rows.is_empty() {
        let header = ["CONTAINER", "VERSION", "STATE", "HEALTH", "GENERATION"];
        text.push('\n');
        text.push_str(&table(ui.style(), &header, &rows));
    }
    text
}

fn lines(status: &Status) -> Vec<(&'static str, String)> {
    let time = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let mut lines = vec![
        ("platform", status.platform.to_string()),
        ("environment", status.environment.to_string()),
    ];
    let serving = status.reference.as_ref().map(|it| it.number);
    lines.push(match &status.reference {
        Some(it) => {
            let since = it.since.map(|at| format!(", since {}", time(at)));
            let since = since.unwrap_or_default();
            ("reference", format!("{}{since}", it.number))
        }
        None => (
            "reference",
            "nothing serves yet: `devenv server apply`".to_owned(),
        ),
    });
    if let Some(it) = &status.ledger {
        let (confirmed, expires) = (time(it.confirmed), time(it.expires));
        let mut said = format!(
            "sequence {}, confirmed {confirmed}, expires {expires}",
            it.sequence
        );
        if serving != Some(it.reference) {
            said = format!("reference {}, {said}", it.reference);
        }
        if let Some(why) = &it.failed {
            said = format!("{said} (the last look failed: {why})");
        }
        lines.push(("ledger", said));
    }
    if let Some(it) = &status.held {
        let why = Some(&it.reason).filter(|it| !it.is_empty());
        let why = why.map(|it| format!(": {it}")).unwrap_or_default();
        lines.push(("held", format!("rolled back by {}{why}", it.by)));
    }
    if let Some(it) = &status.failed {
        let said = format!(
            "reference {}, tried {} times: {}",
            it.reference, it.tries, it.why
        );
        lines.push(("failed", said));
    }
    for it in &status.ports {
        let led = if it.led {
            ""
        } else {
            " (the kernel does not lead it there)"
        };
        lines.push(("port", format!("{} → {}{led}", it.port, it.container)));
    }
    let kept = status.generations.iter().filter(|it| it.stage != "serving");
    lines.extend(kept.map(|it| {
        let said = format!(
            "reference {}, {} (generation {})",
            it.reference, it.stage, it.generation
        );
        ("kept", said)
    }));
    lines
}
