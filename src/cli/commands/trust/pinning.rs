//! Shows and pins another trust file.

use crate::cli::ui::Ui;
use crate::error::Result;
use crate::home::file;
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::trust_file::TrustFile;

/// Shows what another trust file would change, field by field, and the keys that would count.
pub(super) fn show_change(ui: &Ui, before: &TrustFile, after: &TrustFile) -> Result<()> {
    ui.note(&format!(
        "root version {} to {}:",
        before.root_version, after.root_version
    ));
    for line in before.changes(after)? {
        ui.note(&format!("  {line}"));
    }
    ui.note(&after.in_words());
    Ok(())
}

/// Pins another trust file in place of the one before.
pub(super) fn pin(ui: &Ui, session: &Session, trust: &TrustFile) -> Result<()> {
    let path = session.home.paths.trust(&trust.platform);
    file::write(&path, trust.to_yaml()?.as_bytes())?;
    json(ui, trust, true);
    let text = format!("pinned root version {}", trust.root_version);
    ui.data(&text);
    Ok(())
}

/// What is pinned now, and whether this command changed it.
pub(super) fn json(ui: &Ui, trust: &TrustFile, changed: bool) {
    ui.json(&serde_json::json!({
        "platform": trust.platform, "root_version": trust.root_version,
        "threshold": trust.threshold, "changed": changed,
    }));
}
