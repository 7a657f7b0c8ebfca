//! Two sides of a comparison, facet by facet: equal, declared, different or unknown.

use std::collections::BTreeSet;

use super::facet::{Compared, Facet, Source};
use super::table::FACETS;
use super::value::{Facts, Value, Withheld};

/// One side: what was found, and what was to be found there, as far as anybody said.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// What is.
    pub found: &'a Facts,
    /// What is declared: by the reference, and on a workstation by overrides, proposals, the host.
    pub declared: &'a Facts,
}

impl Side<'_> {
    /// Whether it is declared what this is to be. Of what was asked for in several parts, what is not
    /// declared is declared not to be there.
    fn states(&self, facet: &Facet, key: &str) -> bool {
        if let Some(declared) = self.declared.get(key) {
            return !matches!(declared, Value::Unknown(_));
        }
        let is_known = unknown(facet, self.declared).is_none();
        can_be_absent(facet, key) && is_known && is_looked_at(facet, self.declared)
    }

    fn is_as_declared(&self, key: &str) -> bool {
        self.declared.get(key) == self.found.get(key)
    }
}

/// What came of one facet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Looked at on both sides, and the same.
    Equal,
    /// It differs because this says so.
    Declared(String),
    /// It differs; what to do.
    Different(&'static str),
    /// It was not looked at on both sides; why.
    Unknown(String),
}

/// A facet of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `memory`, `environment/PATH`.
    pub key: String,
    /// The table's row.
    pub facet: &'static Facet,
    /// What is here; `None`: not set.
    pub here: Option<Value>,
    /// What is there.
    pub there: Option<Value>,
    /// What that means.
    pub verdict: Verdict,
}

/// What is known besides of a comparison.
pub trait Declarations {
    /// Who says that a facet differs, where both sides are as they are declared to be.
    fn says(&self, facet: &Facet, key: &str) -> Option<String>;

    /// Why nothing is known of what the other side is declared to be; `None`: the reference says it.
    fn unlike(&self) -> Option<&'static str>;

    /// What the other side is, in the words of `… does not say`.
    fn other(&self) -> &'static str;
}

/// Compares the facets of these sources.
pub fn compare(
    sources: &[Source],
    here: Side<'_>,
    there: Side<'_>,
    declarations: &dyn Declarations,
) -> Vec<Row> {
    let facets = FACETS.iter().filter(|it| sources.contains(&it.source));
    let mut rows = Vec::new();
    for facet in facets {
        for key in keys(facet, here.found, there.found) {
            let verdict = verdict(facet, &key, here, there, declarations);
            rows.push(Row {
                here: here.found.get(&key).cloned(),
                there: there.found.get(&key).cloned(),
                key,
                facet,
                verdict,
            });
        }
    }
    rows
}

/// The parts of a facet that both sides have together; the facet itself where it is one thing, there is
/// no part, or a side did not look at any.
fn keys(facet: &Facet, here: &Facts, there: &Facts) -> BTreeSet<String> {
    let has_parts = |facts: &Facts| facts.keys().any(|it| is_part(facet, it));
    let is_none = |facts: &Facts| matches!(facts.get(facet.name), Some(Value::Is(_)));
    let is_known = |facts: &Facts| {
        has_parts(facts)
            || is_none(facts)
            || (facet.source == Source::Inside && unknown(facet, facts).is_none())
    };
    let all = here.keys().chain(there.keys());
    let parts: BTreeSet<String> = all.filter(|it| is_part(facet, it)).cloned().collect();
    if facet.compared.is_several() && !parts.is_empty() && is_known(here) && is_known(there) {
        return parts;
    }
    BTreeSet::from([facet.name.to_owned()])
}

/// What is unknown of the whole, so of each part that is not listed.
fn unknown<'a>(facet: &Facet, facts: &'a Facts) -> Option<&'a Value> {
    let whole = facts.get(facet.name);
    whole.filter(|it| matches!(it, Value::Unknown(_)))
}

/// Whether anything is said of a facet or of a part of it.
fn is_looked_at(facet: &Facet, facts: &Facts) -> bool {
    facts.contains_key(facet.name) || facts.keys().any(|it| is_part(facet, it))
}

fn is_part(facet: &Facet, key: &str) -> bool {
    let rest = key.strip_prefix(facet.name);
    rest.is_some_and(|it| it.starts_with('/'))
}

fn verdict(
    facet: &Facet,
    key: &str,
    here: Side<'_>,
    there: Side<'_>,
    declarations: &dyn Declarations,
) -> Verdict {
    let (found, other) = (here.found.get(key), there.found.get(key));
    for (side, whose) in [(here, "here"), (there, "there")] {
        let value = side.found.get(key).or_else(|| unknown(facet, side.found));
        if let Some(Value::Unknown(why)) = value {
            return Verdict::Unknown(format!("{why} ({whose})"));
        }
    }
    if !can_be_absent(facet, key) && (found.is_none() || other.is_none()) {
        let side = if other.is_none() && !(key == facet.name && is_looked_at(facet, there.found)) {
            declarations.other()
        } else {
            "what is here"
        };
        return Verdict::Unknown(format!("{side} does not say"));
    }
    if facet.compared == Compared::OwnClock {
        return Verdict::Unknown("each side was measured by its own clock".to_owned());
    }
    let is_as = |side: Side<'_>| side.states(facet, key) && side.is_as_declared(key);
    let declared = is_as(here) && is_as(there);
    let changed = || {
        Verdict::Different(match declarations.unlike() {
            Some(why) if is_as(here) => why,
            None if is_as(here) && there.states(facet, key) && !is_as(there) => CHANGED_THERE,
            _ => facet.advice,
        })
    };
    match (found, other) {
        (Some(Value::Withheld(_)), Some(Value::Withheld(_))) => {
            let says = declarations.says(facet, key).filter(|_| declared);
            says.map_or_else(|| Verdict::Unknown(WITHHELD.to_owned()), Verdict::Declared)
        }
        (Some(found), Some(Value::Withheld(kind))) => {
            let is_said = there.declared.get(key) == Some(found);
            match kind {
                Withheld::Unsaid if is_said && declarations.unlike().is_none() => {
                    Verdict::Different(CHANGED_THERE)
                }
                _ => Verdict::Unknown(WITHHELD.to_owned()),
            }
        }
        (Some(Value::Withheld(_)), Some(_)) => Verdict::Unknown(WITHHELD.to_owned()),
        (found, other) if same(facet.compared, found, other) => Verdict::Equal,
        _ => {
            let says = declarations.says(facet, key).filter(|_| declared);
            says.map_or_else(changed, Verdict::Declared)
        }
    }
}

/// Of what was asked for in several parts, none is an answer too.
fn can_be_absent(facet: &Facet, key: &str) -> bool {
    facet.source == Source::Asked && facet.compared.is_several() && key != facet.name
}

const CHANGED_THERE: &str = "somebody changed it there: it is not what the reference says";

const WITHHELD: &str = "a record tells no secret, and nothing that was set by hand";

fn same(compared: Compared, here: Option<&Value>, there: Option<&Value>) -> bool {
    let (Some(Value::Is(here)), Some(Value::Is(there))) = (here, there) else {
        return here == there;
    };
    if here == there {
        return true;
    }
    let numbers = || Some((here.parse::<i64>().ok()?, there.parse::<i64>().ok()?));
    let apart = |most: fn(i64, i64) -> u64| {
        numbers().is_some_and(|(here, there)| here.abs_diff(there) <= most(here, there))
    };
    match compared {
        Compared::Exactly | Compared::Each | Compared::Hashed | Compared::OwnClock => false,
        Compared::Nearly => {
            apart(|here, there| here.unsigned_abs().max(there.unsigned_abs()) / 100)
        }
    }
}

#[cfg(test)]
mod tests;
