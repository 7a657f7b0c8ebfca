//! What a capsule says, for people and for machines.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::commands::size;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::home::reporter::Reporter as _;
use crate::instance::capsule::Signer;
use crate::model::capsule::manifest::Manifest;
use crate::model::capsule::part::Part;
use crate::model::capsule::timeline::{Event, Kind};
use crate::model::digest::Digest;
use crate::model::visible::visible;

/// Events before the moment that are shown without being asked for.
pub(super) const EVENTS: usize = 40;

/// What is known of a capsule without starting anything.
pub(super) struct Facts<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) digest: Digest,
    pub(super) signer: &'a Signer,
    /// Bytes.
    pub(super) parts: &'a BTreeMap<Part, u64>,
}

impl Facts<'_> {
    pub(super) fn json(&self) -> Value {
        let parts = self.parts.iter();
        let parts = parts.map(|(part, size)| (part.as_str().to_owned(), json!(size)));
        json!({
            "digest": self.digest, "signed": self.signer, "manifest": self.manifest,
            "parts": parts.collect::<serde_json::Map<_, _>>(),
        })
    }
}

pub(super) fn add_timeline(value: &mut Value, events: &[Event], of: u64) {
    value["timeline"] = json!({ "events": events, "of": of });
}

pub(super) fn manifest(ui: &Ui, facts: &Facts<'_>) {
    let it = facts.manifest;
    let style = ui.style();
    let time = |it: jiff::Timestamp| it.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    ui.data(&format!(
        "{} · instance {} · {} · configuration {} · reference {} ({})",
        style.bold(it.platform.as_str()),
        it.instance,
        it.environment,
        it.configuration,
        it.reference.number,
        it.reference.digest.short()
    ));
    if let Some(reason) = &it.reason {
        ui.data(&format!("about: {}", visible(reason)));
    }
    let sequence = it.sequence.map(|it| format!(", ledger {it}"));
    ui.data(&format!(
        "of {}, logs since {}, made {} by devenv {} on engine {}{}",
        time(it.moment),
        time(it.since),
        time(it.taken),
        visible(&it.devenv),
        visible(&it.engine),
        sequence.unwrap_or_default()
    ));
    match facts.signer {
        Signer::Nobody => ui.data(&style.yellow("signed by nobody")),
        Signer::Key { name } => ui.data(&format!("signed by the key {}", visible(name))),
        Signer::Server { name } => ui.data(&format!("signed by the server {}", visible(name))),
    }
    let parts = facts.parts.iter();
    let parts: Vec<String> = parts
        .map(|(part, bytes)| format!("{part} {}", size::of(*bytes)))
        .collect();
    ui.data(&format!("holds: {}", parts.join(", ")));
    let counted = |all: &BTreeMap<String, u64>| {
        let all = all.iter();
        let all: Vec<String> = all
            .map(|(name, count)| format!("{} {count} ×", visible(name)))
            .collect();
        all.join(", ")
    };
    if !it.removed.is_empty() {
        ui.data(&format!("secrets taken out: {}", counted(&it.removed)));
    }
    if !it.too_short.is_empty() {
        let names: Vec<String> = it.too_short.iter().map(|it| visible(it)).collect();
        ui.warn(&format!(
            "secrets too short to be taken out: {}",
            names.join(", ")
        ));
    }
    if !it.in_data.is_empty() {
        ui.warn(&format!("secrets in its data: {}", counted(&it.in_data)));
    }
    for text in &it.left_out {
        ui.data(&format!("not in it: {}", visible(text)));
    }
    ui.data(&format!("expires {}", time(it.expires)));
}

pub(super) fn timeline(ui: &Ui, events: &[Event], of: u64) {
    let rows: Vec<Vec<Cell>> = events.iter().map(row).collect();
    ui.data("");
    if rows.is_empty() {
        ui.note("no line of a log, no request and no start is in it");
        return;
    }
    let header = ["TIME (UTC)", "WHERE", "WHAT"];
    ui.data(&ui.fitted(&table(ui.style(), &header, &rows)));
    if of > rows.len() as u64 {
        ui.note(&format!(
            "the nearest {} of {of} events; `--events N` shows more",
            rows.len()
        ));
    }
}

fn row(event: &Event) -> Vec<Cell> {
    let time = event.time.strftime("%m-%d %H:%M:%S%.3f").to_string();
    let place = match (&event.container, event.kind) {
        (Some(name), _) => name.to_string(),
        (None, _) => "(request)".to_owned(),
    };
    let text = visible(&event.text);
    let text = match event.kind {
        Kind::Start => Cell::painted(text, |style, text| style.green(text)),
        Kind::Request => Cell::painted(text, |style, text| style.cyan(text)),
        Kind::Line => Cell::from(text),
    };
    vec![Cell::from(time), Cell::from(place), text]
}
