//! `policy.yaml`.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::rule::{Level, Rule};
use crate::error::{Error, Kind, Result};
use crate::model::name::ContainerName;
use crate::model::nearest::nearest;
use crate::model::quantity::{ByteSize, Span};
use crate::model::text::Word;
use crate::model::visible::visible;
use crate::model::yaml::{self, Step};

/// The only layout so far.
const SCHEMA: u32 = 1;
/// A name and a reason are a line each.
const LONGEST: usize = 200;

/// A platform's policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Norms {
    /// [`SCHEMA`]
    schema: u32,
    /// What devenv judges itself.
    #[serde(default)]
    rules: Rules,
    /// What programs of others judge.
    #[serde(default)]
    pub scanners: BTreeMap<Word, Scanner>,
    /// What is let pass for a time.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rules {
    root: Option<Level>,
    setuid: Option<Level>,
    interface: Option<Interface>,
    configuration: Option<Level>,
    secrets: Option<Level>,
    base: Option<Base>,
    size: Option<Size>,
    packages: Option<Packages>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Interface {
    level: Level,
    #[serde(default = "a_minute")]
    within: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Base {
    level: Level,
    oldest_days: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    level: Level,
    largest: ByteSize,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packages {
    level: Level,
    forbidden: Vec<String>,
}

/// A program of others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanner {
    /// What comes of its findings.
    pub level: Level,
    /// Program and arguments; `{layout}` and `{sbom}` in them are paths.
    pub command: Vec<String>,
    /// How long it may take.
    #[serde(default = "ten_minutes")]
    pub within: Span,
}

/// Somebody lets findings pass for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The rule whose findings pass.
    pub rule: String,
    /// Of this container; else of every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    /// Only those in which this text occurs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// The last day, by UTC.
    pub until: Date,
    /// Who answers for it.
    pub name: String,
    /// The reason that is shown and signed.
    pub reason: String,
}

fn a_minute() -> Span {
    Span::seconds(60)
}

fn ten_minutes() -> Span {
    Span::seconds(600)
}

impl Norms {
    /// Reads `policy.yaml`; the first fault is the error.
    pub fn parse(source: &str, text: &[u8]) -> Result<Self> {
        let (norms, faults) = Self::examine(source, text);
        match (faults.into_iter().next(), norms) {
            (None, Some(norms)) => Ok(norms),
            (fault, _) => {
                let unread = || Error::bug("a policy without a fault was not read");
                Err(fault.unwrap_or_else(unread))
            }
        }
    }

    /// The same with every fault.
    pub fn examine(source: &str, text: &[u8]) -> (Option<Self>, Vec<Error>) {
        match yaml::read::<Self>(Kind::Definitions, source, text) {
            Ok(norms) => {
                let faults = norms.faults(source, &String::from_utf8_lossy(text));
                (Some(norms), faults)
            }
            Err(fault) => (None, vec![fault]),
        }
    }

    fn faults(&self, source: &str, text: &str) -> Vec<Error> {
        let mut faults = Vec::new();
        let mut refuse = |place: &[Step<'_>], message: &str| {
            faults.push(yaml::at(Kind::Definitions, source, text, place, message));
        };
        if self.schema != SCHEMA {
            let message = format!("schema {} is unknown, it is {SCHEMA}", self.schema);
            refuse(&[Step::Value("schema")], &message);
        }
        let own = Rule::OWN.each_ref().map(Rule::name);
        for (name, scanner) in &self.scanners {
            let place = [Step::Value("scanners"), Step::Key(name.as_str())];
            if own.contains(&name.as_str()) {
                refuse(&place, &format!("`{name}` is one of devenv's own rules"));
            }
            if scanner.command.first().is_none_or(String::is_empty) {
                refuse(&place, "a scanner needs a `command`");
            }
        }
        let scanners = self.scanners.keys().map(Word::as_str);
        let known: Vec<&str> = own.into_iter().chain(scanners).collect();
        for (index, waiver) in self.waivers.iter().enumerate() {
            let place = |key| [Step::Value("waivers"), Step::Item(index), Step::Value(key)];
            if !known.contains(&waiver.rule.as_str()) {
                let near = nearest(&waiver.rule, known.iter().copied());
                let near = near.map_or(String::new(), |it| format!("; did you mean `{it}`?"));
                let message = format!("no rule is called `{}`{near}", waiver.rule);
                refuse(&place("rule"), &message);
            }
            for (key, value) in [("name", &waiver.name), ("reason", &waiver.reason)] {
                if value.trim().is_empty() || value.len() > LONGEST || value.contains('\n') {
                    let message =
                        format!("a waiver has a `{key}`, a line of at most {LONGEST} bytes");
                    refuse(&place(key), &message);
                }
            }
            if waiver
                .finding
                .as_ref()
                .is_some_and(|it| it.trim().is_empty())
            {
                refuse(&place("finding"), "an empty text occurs in every finding");
            }
        }
        faults
    }

    /// How strict a rule is; `None` where there is none.
    pub fn level(&self, rule: &Rule) -> Option<Level> {
        let rules = &self.rules;
        match rule {
            Rule::Root => rules.root,
            Rule::Setuid => rules.setuid,
            Rule::Interface => rules.interface.map(|it| it.level),
            Rule::Configuration => rules.configuration,
            Rule::Secrets => rules.secrets,
            Rule::Base => rules.base.map(|it| it.level),
            Rule::Size => rules.size.map(|it| it.level),
            Rule::Packages => rules.packages.as_ref().map(|it| it.level),
            Rule::Scanner(name) => self.scanners.get(name).map(|it| it.level),
        }
    }

    /// All rules that there are.
    pub fn rules(&self) -> impl Iterator<Item = (Rule, Level)> {
        let scanners = self.scanners.keys().cloned().map(Rule::Scanner);
        let all = Rule::OWN.into_iter().chain(scanners);
        all.filter_map(|rule| Some((rule.clone(), self.level(&rule)?)))
    }

    /// How long an image may take to answer and to write its log.
    pub fn interface_within(&self) -> Option<Span> {
        self.rules.interface.map(|it| it.within)
    }

    /// How many days old a base may be.
    pub fn oldest_base(&self) -> Option<u32> {
        self.rules.base.map(|it| it.oldest_days)
    }

    /// How large an image may be, its base included.
    pub fn largest(&self) -> Option<ByteSize> {
        self.rules.size.map(|it| it.largest)
    }

    /// Patterns of packages that no image may have.
    pub fn forbidden(&self) -> &[String] {
        let packages = self.rules.packages.as_ref();
        packages.map_or(&[], |it| &it.forbidden)
    }

    /// For people, a line each.
    pub fn in_words(&self) -> Vec<String> {
        let rule = |(rule, level): (Rule, Level)| {
            let more = match &rule {
                Rule::Base => self
                    .oldest_base()
                    .map(|days| format!(" (older than {days} days, or superseded)")),
                Rule::Size => self.largest().map(|it| format!(" (above {it})")),
                Rule::Packages => Some(format!(" ({})", visible(&self.forbidden().join(", ")))),
                Rule::Scanner(name) => {
                    let command = self.scanners.get(name).map(|it| it.command.join(" "));
                    command.map(|it| format!(" (`{}`)", visible(&it)))
                }
                _ => None,
            };
            format!("{rule}: {}{}", level.as_str(), more.unwrap_or_default())
        };
        let waivers = self.waivers.iter().map(ToString::to_string);
        self.rules().map(rule).chain(waivers).collect()
    }
}

impl std::fmt::Display for Waiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: waived", visible(&self.rule))?;
        if let Some(container) = &self.container {
            write!(f, " for {container}")?;
        }
        if let Some(finding) = &self.finding {
            write!(f, " where it says `{}`", visible(finding))?;
        }
        let (name, reason) = (visible(&self.name), visible(&self.reason));
        write!(f, " until {} by {name}: {reason}", self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examine(text: &str) -> Vec<String> {
        let (_, faults) = Norms::examine("policy.yaml", text.as_bytes());
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_documented_policy_is_read() {
        let text = "schema: 1\nrules:\n  root: refuse\n  interface: { level: warn, within: 20s }\n  \
            base: { level: warn, oldest_days: 90 }\n  size: { level: refuse, largest: 800MiB }\n  \
            packages: { level: refuse, forbidden: [telnetd] }\nscanners:\n  \
            trivy: { level: refuse, command: [trivy, image, --input, '{layout}'] }\nwaivers:\n  \
            - { rule: root, container: ledger-db, until: 2026-12-31, name: Anna, reason: bought }\n";
        let norms = Norms::parse("policy.yaml", text.as_bytes()).unwrap();
        assert_eq!(norms.level(&Rule::Setuid), None);
        assert_eq!(norms.level(&Rule::Interface), Some(Level::Warn));
        assert_eq!(norms.interface_within(), Some(Span::seconds(20)));
        assert_eq!(
            norms.in_words(),
            [
                "root: refuse",
                "interface: warn",
                "base: warn (older than 90 days, or superseded)",
                "size: refuse (above 800MiB)",
                "packages: refuse (telnetd)",
                "trivy: refuse (`trivy image --input {layout}`)",
                "root: waived for ledger-db until 2026-12-31 by Anna: bought",
            ]
        );
    }

    #[test]
    fn every_fault_is_found_with_its_place() {
        let text = "schema: 2\nscanners: { root: { level: warn, command: [] } }\nwaivers:\n\
            - { rule: rot, until: 2026-12-31, name: '', reason: x }\n";
        assert_eq!(
            examine(text),
            [
                "policy.yaml:1:9: schema 2 is unknown, it is 1",
                "policy.yaml:2:13: `root` is one of devenv's own rules",
                "policy.yaml:2:13: a scanner needs a `command`",
                "policy.yaml:4:11: no rule is called `rot`; did you mean `root`?",
                "policy.yaml:4:41: a waiver has a `name`, a line of at most 200 bytes",
            ]
        );
        let unknown = examine("schema: 1\nrules: { rooot: refuse }\n");
        assert!(
            unknown[0].starts_with("policy.yaml:2:10: unknown field"),
            "{unknown:?}"
        );
        let no_date =
            examine("schema: 1\nwaivers: [{ rule: root, until: soon, name: a, reason: b }]\n");
        assert_eq!(no_date.len(), 1, "{no_date:?}");
    }
}
