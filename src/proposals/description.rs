//! The text of a request: what the developer wrote, then what the machine knows.

use std::fmt::Write as _;

use super::effect::Effect;
use super::sent::{Ran, Typed};
use crate::definitions::{Changed, FileChange};
use crate::model::name::ContainerName;
use crate::model::visible::printable;

/// Lines of a list that are written out.
const MOST: usize = 200;

/// How it ran.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried<'a> {
    pub(super) ran: &'a Ran,
    /// Whether all that is sent ran.
    pub(super) whole: bool,
}

/// Markdown.
pub(super) fn description(
    typed: &Typed,
    name: &ContainerName,
    files: &[FileChange],
    effect: &Effect,
    (tried, evidence): (Option<Tried<'_>>, Option<&str>),
) -> String {
    let mut text = String::new();
    if !typed.description.trim().is_empty() {
        let _ = write!(text, "{}\n\n---\n\n", typed.description.trim());
    }
    let _ = write!(text, "### How `{name}` runs\n\n");
    let fields = effect.run.iter().map(|it| code(&it.to_string()));
    list(&mut text, fields, "as before: only its image changes");
    if !effect.risks.is_empty() {
        let _ = write!(text, "\n### Look twice\n\n");
        list(
            &mut text,
            effect.risks.iter().map(|it| printable(&it.to_string())),
            "",
        );
    }
    let _ = write!(text, "\n### Files\n\n");
    let paths = files.iter().map(|it| {
        let sign = match it.change {
            Changed::Added => "new",
            Changed::Removed => "gone",
            Changed::Modified => "changed",
        };
        format!("{} ({sign})", code(&it.path))
    });
    list(&mut text, paths, "none");
    let _ = write!(text, "\n### Tried on a workstation\n\n{}\n", words(tried));
    if let Some(evidence) = evidence {
        let _ = write!(text, "\n### Replayed\n\n{}\n", code(evidence));
    }
    text
}

fn words(tried: Option<Tried<'_>>) -> String {
    match tried {
        None => "No: it was not run with `devenv up --local`.".to_owned(),
        Some(Tried { ran, whole }) => format!(
            "{}: `{}` among the containers of reference {} ({}), {} after {}.{} s, on {}.",
            if whole {
                "Yes"
            } else {
                "Not as it is now; before its last changes"
            },
            ran.version,
            ran.reference,
            ran.environment,
            ran.ready,
            ran.milliseconds / 1000,
            ran.milliseconds % 1000 / 100,
            ran.at.strftime("%Y-%m-%d"),
        ),
    }
}

fn list(text: &mut String, lines: impl Iterator<Item = String>, none: &str) {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        let _ = writeln!(text, "{none}");
    }
    for line in lines.iter().take(MOST) {
        let _ = writeln!(text, "- {line}");
    }
    if lines.len() > MOST {
        let _ = writeln!(text, "- … and {} more", lines.len() - MOST);
    }
}

/// As code, whatever backticks are in it.
fn code(text: &str) -> String {
    let text = printable(text).replace('\n', " ");
    let mut run = 0;
    let longest = text.chars().fold(0, |most, c| {
        run = if c == '`' { run + 1 } else { 0 };
        most.max(run)
    });
    let fence = "`".repeat(longest + 1);
    if longest == 0 {
        format!("{fence}{text}{fence}")
    } else {
        format!("{fence} {text} {fence}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(description: &str) -> Typed {
        Typed {
            title: "t".to_owned(),
            description: description.to_owned(),
            draft: false,
        }
    }

    #[test]
    fn the_developers_words_come_first_and_the_machine_s_follow() {
        let name = ContainerName::new("billing").unwrap();
        let difference = crate::model::difference::differences(
            &serde_json::json!({ "health": "/old" }),
            &serde_json::json!({ "health": "/n`ew" }),
        );
        let effect = Effect {
            run: difference,
            risks: vec![crate::model::risk::Risk {
                path: "health".to_owned(),
                why: "twice".to_owned(),
            }],
        };
        let files = [FileChange {
            path: "containers/billing/container.yaml".to_owned(),
            change: Changed::Modified,
        }];
        let ran = Ran {
            reference: 42,
            environment: crate::model::name::EnvironmentName::new("production").unwrap(),
            version: "local-abc".to_owned(),
            ready: "healthy".to_owned(),
            milliseconds: 12_345,
            at: jiff::Timestamp::UNIX_EPOCH,
            commit: None,
        };
        let tried = |whole| Some(Tried { ran: &ran, whole });
        let text = description(
            &typed("Because.\n"),
            &name,
            &files,
            &effect,
            (tried(true), Some("40 requests")),
        );
        let expected = "Because.\n\n---\n\n\
            ### How `billing` runs\n\n- `` health: /old → /n`ew ``\n\n\
            ### Look twice\n\n- health: twice\n\n\
            ### Files\n\n- `containers/billing/container.yaml` (changed)\n\n\
            ### Tried on a workstation\n\nYes: `local-abc` among the containers of reference 42 \
            (production), healthy after 12.3 s, on 1970-01-01.\n\n### Replayed\n\n`40 requests`\n";
        assert_eq!(text, expected);
        let earlier = description(
            &typed(""),
            &name,
            &[],
            &Effect::default(),
            (tried(false), None),
        );
        assert!(earlier.contains("Not as it is now"), "{earlier}");
        let never = description(&typed(""), &name, &[], &Effect::default(), (None, None));
        assert!(
            never.starts_with("### How `billing` runs\n\nas before"),
            "{never}"
        );
        assert!(never.contains("No: it was not run"), "{never}");
    }
}
