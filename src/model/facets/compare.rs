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
        match self.declared.get(key) {
            Some(declared) => !matches!(declared, Value::Unknown(_)),
            None => {
                let is_known = !self.declared.is_empty() && !self.declared.contains_key(facet.name);
                can_be_absent(facet) && is_known
            }
        }
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

/// The parts of a facet that both sides have together; the facet itself where it is one thing, or no
/// part of it was looked at.
fn keys(facet: &Facet, here: &Facts, there: &Facts) -> BTreeSet<String> {
    let is_unknown = |facts: &Facts| matches!(facts.get(facet.name), Some(Value::Unknown(_)));
    let whole = BTreeSet::from([facet.name.to_owned()]);
    if !facet.compared.is_several() || is_unknown(here) || is_unknown(there) {
        return whole;
    }
    let all = here.keys().chain(there.keys());
    let parts: BTreeSet<String> = all.filter(|it| is_part(facet, it)).cloned().collect();
    match facet.source {
        Source::Inside if parts.is_empty() => whole,
        _ => parts,
    }
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
    for (value, whose) in [(found, "here"), (other, "there")] {
        if let Some(Value::Unknown(why)) = value {
            return Verdict::Unknown(format!("{why} ({whose})"));
        }
    }
    if !can_be_absent(facet) && (found.is_none() || other.is_none()) {
        let side = if other.is_none() {
            declarations.other()
        } else {
            "what is here"
        };
        return Verdict::Unknown(format!("{side} does not say"));
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
fn can_be_absent(facet: &Facet) -> bool {
    facet.source == Source::Asked && facet.compared.is_several()
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
        Compared::Exactly | Compared::Each | Compared::Hashed => false,
        Compared::Nearly => {
            apart(|here, there| here.unsigned_abs().max(there.unsigned_abs()) / 100)
        }
        Compared::Seconds => apart(|_, _| 2),
    }
}

#[cfg(test)]
mod tests;
