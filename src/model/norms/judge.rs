//! What comes of findings.

use jiff::civil::Date;

use super::file::{Norms, Waiver};
use super::rule::{Level, Rule};
use crate::error::Place;
use crate::model::name::ContainerName;
use crate::model::visible::visible;

/// Something that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// In which container.
    pub container: ContainerName,
    /// Where in the definitions, if it is there.
    pub place: Option<Place>,
    /// What was found; never the value of a secret.
    pub text: String,
    /// Whether the text says all of it: only then it can be waived by its text.
    pub is_all: bool,
}

/// More of one kind are counted, not listed.
const MOST: usize = 100;

/// What comes of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It is not released.
    Refused,
    /// The operator is told.
    Warned,
    /// Somebody lets it pass for a time.
    Waived(Waiver),
}

/// A finding and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What was found.
    pub finding: Finding,
    /// What comes of it.
    pub ruling: Ruling,
}

impl Norms {
    /// Judges on a day: what no rule is about is left out; a waiver counts to the end of its last
    /// day.
    pub fn judge(&self, findings: Vec<Finding>, today: Date) -> Vec<Judgement> {
        let judge = |finding: Finding| {
            let level = self.level(&finding.rule)?;
            let mut waivers = self.waivers.iter().filter(|it| it.is_about(&finding));
            let ruling = match (waivers.find(|it| today <= it.until), level) {
                (Some(waiver), _) => Ruling::Waived(waiver.clone()),
                (None, Level::Refuse) => Ruling::Refused,
                (None, Level::Warn) => Ruling::Warned,
            };
            Some(Judgement { finding, ruling })
        };
        findings.into_iter().filter_map(judge).collect()
    }

    /// Waivers that let nothing pass, and why: they have ended, or are for a container that is not there.
    pub fn idle(&self, today: Date, known: impl Fn(&ContainerName) -> bool) -> Vec<String> {
        let unknown = self.waivers.iter().filter(|it| today <= it.until);
        let unknown = unknown.filter_map(|it| {
            let container = it.container.as_ref().filter(|name| !known(name))?;
            Some(format!("{it} (no container is called `{container}`)"))
        });
        let ended = self.ended(today).map(|it| format!("{it} (it has ended)"));
        ended.chain(unknown).collect()
    }

    /// Waivers that count no longer.
    pub fn ended(&self, today: Date) -> impl Iterator<Item = &Waiver> {
        self.waivers.iter().filter(move |it| today > it.until)
    }
}

/// What is shown and recorded of them: of what is the same but for its text, the first hundred and how
/// many more there are.
pub fn shortened(judged: Vec<Judgement>) -> Vec<Judgement> {
    let mut kinds: Vec<(Judgement, usize)> = Vec::new();
    let mut short = Vec::new();
    for judgement in judged {
        let same = |it: &&mut (Judgement, usize)| {
            let (a, b) = (&it.0.finding, &judgement.finding);
            it.0.ruling == judgement.ruling && a.rule == b.rule && a.container == b.container
        };
        match kinds.iter_mut().find(same) {
            Some((_, count)) if *count >= MOST => {
                *count += 1;
                continue;
            }
            Some((_, count)) => *count += 1,
            None => kinds.push((judgement.clone(), 1)),
        }
        short.push(judgement);
    }
    let more = kinds.into_iter().filter(|(_, count)| *count > MOST);
    short.extend(more.map(|(mut judgement, count)| {
        judgement.finding.text = format!("and {} more", count - MOST);
        judgement.finding.place = None;
        judgement
    }));
    short
}

impl Waiver {
    fn is_about(&self, finding: &Finding) -> bool {
        let container = self.container.as_ref();
        let text = self.finding.as_ref();
        self.rule == finding.rule.name()
            && container.is_none_or(|it| *it == finding.container)
            && text.is_none_or(|it| finding.is_all && finding.text.contains(it))
    }
}

impl std::fmt::Display for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Finding {
            rule,
            container,
            place,
            text,
            ..
        } = &self.finding;
        match place {
            Some(place) => write!(f, "{place}: {text} ({rule})")?,
            None => write!(f, "{container}: {text} ({rule})")?,
        }
        match &self.ruling {
            Ruling::Waived(waiver) => write!(
                f,
                ", waived until {} by {}: {}",
                waiver.until,
                visible(&waiver.name),
                visible(&waiver.reason)
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(container: &str, text: &str) -> Finding {
        Finding {
            rule: Rule::Root,
            container: ContainerName::new(container).unwrap(),
            place: None,
            text: text.to_owned(),
            is_all: true,
        }
    }

    fn norms(rules: &str, waivers: &str) -> Norms {
        let text = format!("schema: 1\nrules: {{ {rules} }}\nwaivers: [{waivers}]\n");
        Norms::parse("policy.yaml", text.as_bytes()).unwrap()
    }

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_rule_refuses_warns_or_is_not_there() {
        let judged = |rules: &str| {
            let judged = norms(rules, "").judge(vec![finding("a", "x")], day("2026-12-01"));
            judged.into_iter().map(|it| it.ruling).collect::<Vec<_>>()
        };
        assert_eq!(judged("root: refuse"), [Ruling::Refused]);
        assert_eq!(judged("root: warn"), [Ruling::Warned]);
        assert_eq!(judged("setuid: refuse"), []);
    }

    #[test]
    fn a_waiver_ends_with_its_day_and_is_for_what_it_names() {
        let waiver = "{ rule: root, container: a, finding: runs, until: 2026-12-01, name: Anna, reason: bought }";
        let norms = norms("root: refuse", waiver);
        let waived = |container: &str, text: &str, today: &str| {
            let judged = norms.judge(vec![finding(container, text)], day(today));
            matches!(judged[0].ruling, Ruling::Waived(_))
        };
        assert!(waived("a", "it runs as root", "2026-12-01"));
        assert!(!waived("a", "it runs as root", "2026-12-02"));
        assert!(!waived("b", "it runs as root", "2026-12-01"));
        assert!(!waived("a", "another text", "2026-12-01"));
        let known = |name: &ContainerName| name.as_str() != "audti";
        let idle = |at: &str| norms.idle(day(at), known);
        assert!(idle("2026-12-01").is_empty());
        assert!(idle("2026-12-02")[0].ends_with("(it has ended)"));
        let unknown = norms.idle(day("2026-12-01"), |_| false);
        assert!(unknown[0].ends_with("(no container is called `a`)"));
        assert_eq!(norms.ended(day("2026-12-01")).count(), 0);
        assert_eq!(norms.ended(day("2026-12-02")).count(), 1);
        let unknown = Finding {
            is_all: false,
            ..finding("a", "it runs as root, and more")
        };
        let judged = norms.judge(vec![unknown], day("2026-12-01"));
        assert_eq!(judged[0].ruling, Ruling::Refused);
        let shown = norms.judge(vec![finding("a", "it runs as root")], day("2026-12-01"));
        assert_eq!(
            shown[0].to_string(),
            "a: it runs as root (root), waived until 2026-12-01 by Anna: bought"
        );
    }
    #[test]
    fn each_is_judged_and_few_are_shown() {
        let waiver =
            "{ rule: root, finding: known, until: 2026-12-01, name: Anna, reason: bought }";
        let norms = norms("root: refuse", waiver);
        let known = (0..MOST + 3).map(|it| finding("a", &format!("known {it}")));
        let findings = known.chain([finding("a", "another")]).collect();
        let judged = shortened(norms.judge(findings, day("2026-12-01")));
        let texts: Vec<&str> = judged.iter().map(|it| it.finding.text.as_str()).collect();
        assert_eq!(texts.len(), MOST + 2);
        assert_eq!(texts[MOST..], ["another", "and 3 more"]);
        assert_eq!(judged[MOST].ruling, Ruling::Refused);
        assert!(matches!(judged[MOST + 1].ruling, Ruling::Waived(_)));
    }

    #[test]
    fn a_terminal_does_not_obey_a_waiver() {
        let waiver = r#"{ rule: root, until: 2026-12-01, name: "An\e[2Ana", reason: "x\u202Ey" }"#;
        let judged =
            norms("root: refuse", waiver).judge(vec![finding("a", "x")], day("2026-12-01"));
        let shown = judged[0].to_string();
        assert!(shown.is_ascii() && !shown.contains('\u{1b}'), "{shown}");
    }
}
