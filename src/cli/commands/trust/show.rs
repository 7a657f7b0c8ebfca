//! `devenv trust show`

use clap::Args;

use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::file;
use crate::home::session::Session;
use crate::model::name::EnvironmentName;
use crate::model::norms::Norms;
use crate::release::check::gathered::POLICY;
use crate::verify::trust::policy::LedgerSeen;

/// Show whose signatures count, what is revoked, the newest ledgers seen, and production's policy
///
/// The policy is that of the definitions as last fetched; what it said about a version is signed with
/// it (`devenv trust verify`).
#[derive(Debug, Args)]
pub struct Arguments {}

/// Prints the pinned trust file.
pub(super) fn run(ui: &Ui, session: &Session, _: &Arguments) -> Result<Exit> {
    let open = session.open()?;
    let trust = &open.trust;
    let mut seen = Vec::new();
    for environment in &open.platform.environments {
        let path = session.home.paths.ledger_seen(&open.name, environment);
        if let Some(ledger) = file::load::<LedgerSeen>(&path)? {
            seen.push((environment, ledger));
        }
    }
    let definitions = session.definitions(&open.name)?;
    let text = definitions.read(open.commit, POLICY)?;
    let policy = text.map(|text| Norms::parse(POLICY, &text)).transpose()?;
    ui.json(&serde_json::json!({
        "policy": policy.as_ref().map(|policy| serde_json::json!({
            "commit": open.commit.to_string(), "waivers": policy.waivers,
            "rules": policy.rules().map(|(rule, level)| (rule.to_string(), level))
                .collect::<std::collections::BTreeMap<_, _>>(),
        })),
        "trust": trust,
        "fingerprints": trust.keys.iter().map(|key| (&key.name, key.fingerprint().to_string()))
            .collect::<std::collections::BTreeMap<_, _>>(),
        "seen": seen.iter().map(|(name, ledger)| (name.as_str(), ledger.sequence))
            .collect::<std::collections::BTreeMap<_, _>>(),
        "file": session.home.paths.trust(&open.name),
    }));
    let mut lines = vec![
        format!("{:<14} {}", "platform", trust.platform),
        format!("{:<14} {}", "root version", trust.root_version),
        format!(
            "{:<14} {}",
            "pinned in",
            session.home.paths.trust(&open.name).display()
        ),
        trust.in_words(),
    ];
    lines.extend(seen.iter().map(|(name, ledger)| describe(name, ledger)));
    match &policy {
        None => lines.push(format!("{:<14} none", "policy")),
        Some(policy) => {
            let words = policy.in_words().into_iter();
            lines.extend(words.map(|text| format!("{:<14} {text}", "policy")));
        }
    }
    ui.data(&lines.join("\n"));
    Ok(Exit::Done)
}

fn describe(environment: &EnvironmentName, ledger: &LedgerSeen) -> String {
    format!(
        "{:<14} {environment}: sequence {}, issued {}",
        "seen", ledger.sequence, ledger.issued
    )
}
