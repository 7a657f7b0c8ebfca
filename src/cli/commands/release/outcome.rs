//! What operations on ledgers print.

use serde_json::json;

use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::release::ledger::Outcome;
use crate::release::version::{Order, Recorded, Released};

/// What every ledger operation prints.
pub(super) fn show_ledger(ui: &Ui, outcome: &Outcome) -> Result<Exit> {
    let (ledger, status, missing) = match outcome {
        Outcome::Declined => return Err(Error::usage("nothing was changed")),
        Outcome::Already(ledger) => (ledger, "already", 0),
        Outcome::Published(ledger, missing) => (ledger, "published", *missing),
    };
    let number = ledger.current().map(|entry| entry.number);
    let digest = ledger.current().map(|entry| entry.digest);
    ui.json(&json!({
        "outcome": status, "environment": ledger.environment, "reference": number, "digest": digest,
        "sequence": ledger.sequence, "expires": ledger.expires, "missing_signatures": missing,
    }));
    let verb = if status == "already" {
        "runs reference"
    } else {
        "now runs reference"
    };
    ui.data(&format!(
        "{} {verb} {} (sequence {}, until {})",
        ledger.environment,
        number.unwrap_or_default(),
        ledger.sequence,
        ledger.expires.strftime("%Y-%m-%d")
    ));
    warn_of_missing(ui, missing);
    Ok(Exit::Done)
}

/// What a released version printed.
pub(super) fn show_released(ui: &Ui, order: &Order, released: &Released) {
    let recorded = match &released.recorded {
        Recorded::Already => json!({ "how": "already" }),
        Recorded::Pushed { branch, commit } => {
            json!({ "how": "pushed", "branch": branch, "commit": commit.to_string() })
        }
        Recorded::Proposed { branch, target, .. } => {
            json!({ "how": "proposed", "branch": branch, "target": target })
        }
    };
    ui.json(&json!({
        "container": order.container, "version": order.version, "repository": released.repository,
        "digest": released.digest, "commit": released.commit,
        "missing_signatures": released.missing_signatures, "recorded": recorded,
    }));
    ui.data(&format!(
        "released {} {}: {}",
        order.container,
        order.version,
        released.repository.at(&released.digest)
    ));
    if let Recorded::Proposed {
        branch,
        target,
        said,
    } = &released.recorded
    {
        ui.warn(&format!(
            "`{target}` is protected: the version was recorded on the branch `{branch}`, which must be merged"
        ));
        for line in said {
            ui.note(&format!("  {line}"));
        }
        ui.note(&format!(
            "  git fetch origin && git merge origin/{branch}   or a merge request into {target}"
        ));
    }
    warn_of_missing(ui, released.missing_signatures);
}

/// With a threshold above one, a release counts only once others have signed it too.
pub(super) fn warn_of_missing(ui: &Ui, missing: usize) {
    if missing > 0 {
        let s = if missing == 1 { "" } else { "s" };
        ui.warn(&format!(
            "{missing} more signature{s} by other keys must be added before anybody can use it"
        ));
    }
}
