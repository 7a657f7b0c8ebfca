//! Shows a plan being walked: one line per container while it works, or plain or JSON lines.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use super::Ui;
use crate::converge::apply::{Event, Reporter};
use crate::converge::plan::Step;
use crate::definitions::Activity;
use crate::home::reporter::{self, Reporter as _, Work as _};
use crate::model::filling::FilledFrom;
use crate::model::visible::printable;

/// Hears the executor's events and shows them.
pub struct Progress<'a> {
    ui: &'a Ui,
    bars: MultiProgress,
    lines: Mutex<BTreeMap<String, ProgressBar>>,
}

impl<'a> Progress<'a> {
    /// Progress of one plan.
    pub fn new(ui: &'a Ui) -> Self {
        Self {
            ui,
            bars: MultiProgress::new(),
            lines: Mutex::default(),
        }
    }

    fn line(&self, name: &str) -> ProgressBar {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines
            .entry(name.to_owned())
            .or_insert_with(|| {
                let bar = self.bars.add(spinner());
                bar.set_prefix(name.to_owned());
                bar
            })
            .clone()
    }

    fn show(&self, event: &Event<'_>) {
        match event {
            Event::Begin { step, .. } => self.line(&subject(step)).set_message(doing(step)),
            Event::Pulling {
                container,
                progress,
            } => {
                let megabytes = |bytes: u64| bytes / 1_000_000;
                let text = format!(
                    "pulling {} of {} MB",
                    megabytes(progress.current),
                    megabytes(progress.total)
                );
                self.line(container.as_str()).set_message(text);
            }
            Event::Filling {
                container,
                done,
                total,
            } => {
                let text = format!("{} of {} MB read", done / 1_000_000, total / 1_000_000);
                self.line(container.as_str()).set_message(text);
            }
            Event::Busy { .. } | Event::Emulated { .. } => self.bars.suspend(|| self.tell(event)),
            Event::Done { step, .. } => {
                let line = self.line(&subject(step));
                line.set_message(done(step));
                if ends_a_line(step) {
                    line.finish();
                }
            }
            Event::Failed { step, message, .. } => {
                self.line(&subject(step))
                    .abandon_with_message(format!("failed: {message}"));
            }
        }
    }

    fn tell(&self, event: &Event<'_>) {
        match event {
            Event::Done { step, .. } if is_worth_a_line(step) || self.ui.is_verbose() => {
                self.ui.note(&format!("{}: {}", subject(step), done(step)));
            }
            Event::Busy {
                container,
                registry,
            } => self.ui.note(&format!(
                "{container}: {registry} has too much to do: waiting"
            )),
            Event::Emulated {
                container,
                image,
                engine,
            } => self.ui.warn(&format!(
                "{container} is built for {image}, this engine is {engine}: it runs emulated, and slower"
            )),
            Event::Failed { step, message, .. } => {
                self.ui
                    .note(&format!("{}: failed to {step}: {message}", subject(step)));
            }
            _ => {}
        }
    }

    fn json(&self, event: &Event<'_>) {
        let line = match event {
            Event::Begin { step, .. } => json!({ "event": "begin", "step": step.to_string() }),
            Event::Pulling {
                container,
                progress,
            } => {
                json!({ "event": "pulling", "container": container.as_str(), "current": progress.current, "total": progress.total })
            }
            Event::Filling {
                container,
                done,
                total,
            } => {
                json!({ "event": "filling", "container": container.as_str(), "current": done, "total": total })
            }
            Event::Busy {
                container,
                registry,
            } => {
                json!({ "event": "busy", "container": container.as_str(), "registry": registry })
            }
            Event::Emulated {
                container,
                image,
                engine,
            } => {
                json!({ "event": "emulated", "container": container.as_str(), "image": image, "engine": engine })
            }
            Event::Done { step, .. } => json!({ "event": "done", "step": step.to_string() }),
            Event::Failed { step, message, .. } => {
                json!({ "event": "failed", "step": step.to_string(), "message": message })
            }
        };
        self.ui.json(&line);
    }
}

impl Reporter for Progress<'_> {
    fn event(&self, event: Event<'_>) {
        if self.ui.is_json() {
            self.json(&event);
        } else if self.ui.animated {
            self.show(&event);
        } else {
            self.tell(&event);
        }
    }
}

/// A long piece of work with a text that changes: a clone, a build, a push.
#[derive(Debug)]
pub struct Work {
    ui: Ui,
    name: String,
    bar: Option<ProgressBar>,
}

impl Work {
    /// Begins to show it.
    pub(super) fn begin(ui: &Ui, name: &str) -> Self {
        let bar = ui.animated.then(|| {
            let bar = ui.bars.add(spinner());
            bar.set_prefix(name.to_owned());
            bar
        });
        Self {
            ui: ui.clone(),
            name: name.to_owned(),
            bar,
        }
    }
}

impl reporter::Work for Work {
    fn update(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(printable(text));
        }
    }

    fn finish(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.finish_with_message(printable(text)),
            None => self.ui.note(&format!("{}: {text}", self.name)),
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let Some(bar) = &self.bar else { return };
        if !bar.is_finished() {
            bar.finish_and_clear();
        }
        self.ui.bars.remove(bar);
    }
}

impl crate::definitions::Reporter for Work {
    fn activity(&self, activity: Activity) {
        match activity {
            Activity::Step {
                name,
                done,
                total: Some(total),
                ..
            } => self.update(&format!("{name}: {done} of {total}")),
            Activity::Step {
                name,
                done,
                total: None,
                ..
            } => self.update(&format!("{name}: {done}")),
            Activity::Server(line) => self.update(&line),
            Activity::Warning(line) => self.ui.warn(&line),
        }
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {prefix:24} {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// Whose line a step is shown on.
fn subject(step: &Step) -> String {
    match step {
        Step::CreateNetwork(_) | Step::RemoveNetwork { .. } => "network".to_owned(),
        Step::CreateVolume(_) | Step::RemoveVolume(_) => "volumes".to_owned(),
        other => other
            .container()
            .map(ToString::to_string)
            .unwrap_or_default(),
    }
}

fn doing(step: &Step) -> String {
    match step {
        Step::Pull(_) => "pulling".to_owned(),
        Step::Bind(_) => "finding its image".to_owned(),
        Step::Rename { .. } => "setting the old one aside".to_owned(),
        Step::CreateNetwork(_) | Step::CreateVolume(_) | Step::Create(_) => "creating".to_owned(),
        Step::Connect(_) => "connecting".to_owned(),
        Step::Disconnect { .. } => "disconnecting".to_owned(),
        Step::Start(_) => "starting".to_owned(),
        Step::Pause { .. } => "pausing".to_owned(),
        Step::CarryOver { path, .. } => format!("copying {path}"),
        Step::Unpause(_) => "resuming".to_owned(),
        Step::Wait(_, until) => format!("waiting until it is {}", until.as_str()),
        Step::Fill { from, .. } => match from {
            FilledFrom::Seed(file) => format!("reading {file}"),
            FilledFrom::Snapshot(name) => format!("reading {name}"),
        },
        Step::Stop { .. } => "stopping".to_owned(),
        Step::Remove { .. } | Step::RemoveVolume(_) | Step::RemoveNetwork { .. } => {
            "removing".to_owned()
        }
    }
}

fn done(step: &Step) -> String {
    match step {
        Step::Pull(_) => "pulled".to_owned(),
        Step::Bind(_) => "image verified".to_owned(),
        Step::Rename { .. } => "old one set aside".to_owned(),
        Step::CreateNetwork(_) | Step::CreateVolume(_) | Step::Create(_) => "created".to_owned(),
        Step::Connect(_) => "connected".to_owned(),
        Step::Disconnect { .. } => "disconnected".to_owned(),
        Step::Start(_) => "started".to_owned(),
        Step::Pause { .. } => "paused".to_owned(),
        Step::CarryOver { path, .. } => format!("{path} copied"),
        Step::Unpause(_) => "resumed".to_owned(),
        Step::Wait(_, until) => until.as_str().to_owned(),
        Step::Fill { from, .. } => match from {
            FilledFrom::Seed(file) => format!("seeded from {file}"),
            FilledFrom::Snapshot(name) => format!("restored from {name}"),
        },
        Step::Stop { .. } => "stopped".to_owned(),
        Step::Remove { .. } | Step::RemoveVolume(_) | Step::RemoveNetwork { .. } => {
            "removed".to_owned()
        }
    }
}

fn ends_a_line(step: &Step) -> bool {
    !matches!(
        step,
        Step::Pull(_)
            | Step::Bind(_)
            | Step::Create(_)
            | Step::Connect(_)
            | Step::Rename { .. }
            | Step::CarryOver { .. }
            | Step::Stop { .. }
    )
}

fn is_worth_a_line(step: &Step) -> bool {
    matches!(
        step,
        Step::Pull(_)
            | Step::Start(_)
            | Step::Pause { .. }
            | Step::Unpause(_)
            | Step::Wait(..)
            | Step::Fill { .. }
            | Step::Remove { .. }
            | Step::RemoveVolume(_)
    )
}
