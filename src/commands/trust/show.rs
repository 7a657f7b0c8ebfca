//! `devenv trust show`

use clap::Args;

use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::model::name::EnvironmentName;
use crate::state;
use crate::trust::policy::LedgerSeen;

/// Show whose signatures count, what is revoked, and what was seen of each environment
#[derive(Debug, Args)]
pub struct Arguments {}

/// Prints the pinned trust file.
pub(super) fn run(context: &Context, _: &Arguments) -> Result<Exit> {
    let open = context.open()?;
    let trust = &open.trust;
    let mut seen = Vec::new();
    for environment in &open.platform.environments {
        let path = context.paths.ledger_seen(&open.name, environment);
        if let Some(ledger) = state::load::<LedgerSeen>(&path)? {
            seen.push((environment, ledger));
        }
    }
    context.ui.json(&serde_json::json!({
        "trust": trust,
        "fingerprints": trust.keys.iter().map(|key| (&key.name, key.fingerprint().to_string()))
            .collect::<std::collections::BTreeMap<_, _>>(),
        "seen": seen.iter().map(|(name, ledger)| (name.as_str(), ledger.sequence))
            .collect::<std::collections::BTreeMap<_, _>>(),
        "file": context.paths.trust(&open.name),
    }));
    let mut lines = vec![
        format!("{:<14} {}", "platform", trust.platform),
        format!("{:<14} {}", "root version", trust.root_version),
        format!(
            "{:<14} {}",
            "pinned in",
            context.paths.trust(&open.name).display()
        ),
        trust.in_words(),
    ];
    lines.extend(seen.iter().map(|(name, ledger)| describe(name, ledger)));
    context.ui.data(&lines.join("\n"));
    Ok(Exit::Done)
}

fn describe(environment: &EnvironmentName, ledger: &LedgerSeen) -> String {
    format!(
        "{:<14} {environment}: sequence {}, issued {}",
        "seen", ledger.sequence, ledger.issued
    )
}
