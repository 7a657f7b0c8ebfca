mod of_asked;

use super::*;
use crate::model::digest::Digest;

struct Nobody;

impl Declarations for Nobody {
    fn says(&self, _: &Facet, _: &str) -> Option<String> {
        None
    }
    fn unlike(&self) -> Option<&'static str> {
        None
    }
    fn other(&self) -> &'static str {
        "the record"
    }
}

/// Says it of everything.
struct Overrides;

impl Declarations for Overrides {
    fn says(&self, facet: &Facet, _: &str) -> Option<String> {
        Some(format!("override {}", facet.name))
    }
    fn unlike(&self) -> Option<&'static str> {
        None
    }
    fn other(&self) -> &'static str {
        "the record"
    }
}

const ALL: &[Source] = &[Source::Asked, Source::Engine, Source::Inside];

fn key(facet: &Facet) -> String {
    if facet.compared.is_several() {
        format!("{}/ONE", facet.name)
    } else {
        facet.name.to_owned()
    }
}

fn value(facet: &Facet, text: &str) -> Value {
    match facet.compared {
        Compared::Hashed => Value::Hash(Digest::of(text.as_bytes())),
        _ => Value::is(text),
    }
}

/// A value of every facet that is compared.
fn every() -> Facts {
    compared().map(|it| (key(it), value(it, "1000"))).collect()
}

fn compared() -> impl Iterator<Item = &'static Facet> {
    FACETS.iter().filter(|it| it.compared != Compared::OwnClock)
}

fn rows(here: &Facts, there: &Facts) -> Vec<Row> {
    let none = Facts::new();
    let side = |found| Side {
        found,
        declared: &none,
    };
    let rows = compare(ALL, side(here), side(there), &Nobody).into_iter();
    rows.filter(|it| it.key != "clock").collect()
}

fn unequal(rows: Vec<Row>) -> Vec<(String, Verdict)> {
    let rows = rows.into_iter().filter(|it| it.verdict != Verdict::Equal);
    rows.map(|it| (it.key, it.verdict)).collect()
}

#[test]
fn every_facet_that_changes_is_found_and_no_other() {
    let there = every();
    assert_eq!(unequal(rows(&there, &there)), []);
    assert_eq!(rows(&there, &there).len(), compared().count());
    for facet in compared() {
        let different = [(key(facet), Verdict::Different(facet.advice))];
        let mut here = every();
        here.insert(key(facet), value(facet, "2000"));
        assert_eq!(unequal(rows(&here, &there)), different);
        assert_eq!(unequal(rows(&there, &here)), different);
        // What is not there is a difference only where absence is an answer.
        here.remove(&key(facet));
        let missing = unequal(rows(&here, &there));
        let [(_, Verdict::Unknown(why))] = &missing[..] else {
            panic!("{}: {missing:?}", facet.name);
        };
        assert_eq!(why, "what is here does not say");
        if facet.compared.is_several() && facet.source == Source::Asked {
            here.insert(facet.name.to_owned(), Value::is("none"));
            assert_eq!(unequal(rows(&here, &there)), different);
        }
        // And what was not looked at is never equal.
        here.insert(facet.name.to_owned(), Value::Unknown("no shell".to_owned()));
        let unlooked = unequal(rows(&here, &here));
        assert_eq!(
            unlooked,
            [(
                facet.name.to_owned(),
                Verdict::Unknown("no shell (here)".into())
            )]
        );
    }
}

#[test]
fn what_cannot_be_the_same_twice_may_differ_a_little() {
    let there = every();
    for (name, same, other) in [
        ("host-memory", "1009", "1020"),
        ("effective-memory-swap", "1009", "1020"),
    ] {
        let mut here = every();
        here.insert(name.to_owned(), Value::is(same));
        assert_eq!(unequal(rows(&here, &there)), []);
        here.insert(name.to_owned(), Value::is(other));
        assert_eq!(unequal(rows(&here, &there)).len(), 1, "{name}");
    }
}

/// A clock of this machine says nothing about one of another.
#[test]
fn clocks_of_two_machines_are_not_compared() {
    let none = Facts::new();
    let facts = |text: &str| Facts::from([("clock".to_owned(), Value::is(text))]);
    for (here, there) in [("0", "0"), ("0", "300")] {
        let (here, there) = (facts(here), facts(there));
        let side = |found| Side {
            found,
            declared: &none,
        };
        let rows = compare(&[Source::Inside], side(&here), side(&there), &Nobody);
        let row = rows.into_iter().find(|it| it.key == "clock").unwrap();
        let why = "each side was measured by its own clock";
        assert_eq!(row.verdict, Verdict::Unknown(why.to_owned()));
    }
}

#[test]
fn a_difference_is_declared_only_where_both_sides_are_as_declared() {
    let fact = |text: &str| Facts::from([("memory".to_owned(), Value::is(text))]);
    let of = |here: &str, own: &str, there: &str, theirs: &str| {
        let (here, own, there, theirs) = (fact(here), fact(own), fact(there), fact(theirs));
        let rows = compare(
            &[Source::Asked],
            Side {
                found: &here,
                declared: &own,
            },
            Side {
                found: &there,
                declared: &theirs,
            },
            &Overrides,
        );
        rows.into_iter()
            .find(|it| it.key == "memory")
            .unwrap()
            .verdict
    };
    assert_eq!(
        of("1GiB", "1GiB", "none", "none"),
        Verdict::Declared("override memory".into())
    );
    for (here, own, there, theirs) in [
        ("2GiB", "1GiB", "none", "none"),
        ("1GiB", "1GiB", "2GiB", "none"),
        ("1GiB", "none", "none", "none"),
    ] {
        assert!(matches!(
            of(here, own, there, theirs),
            Verdict::Different(_)
        ));
    }
    assert_eq!(of("2GiB", "1GiB", "2GiB", "none"), Verdict::Equal);
}

#[test]
fn what_is_withheld_is_never_equal() {
    let name = "environment/A";
    let facts = |value: Value| Facts::from([(name.to_owned(), value)]);
    let hash = |text: &str| Value::Hash(Digest::of(text.as_bytes()));
    let (secret, unsaid) = (
        Value::Withheld(Withheld::Secret),
        Value::Withheld(Withheld::Unsaid),
    );
    let of = |here: &Value, there: &Value, said: Option<&Value>| {
        let declared = said.map_or_else(Facts::new, |it| facts(it.clone()));
        let rows = compare(
            &[Source::Asked],
            Side {
                found: &facts(here.clone()),
                declared: &declared,
            },
            Side {
                found: &facts(there.clone()),
                declared: &declared,
            },
            &Nobody,
        );
        rows.into_iter().find(|it| it.key == name).unwrap().verdict
    };
    assert!(matches!(
        of(&secret, &secret, Some(&secret)),
        Verdict::Unknown(_)
    ));
    assert!(matches!(of(&hash("1"), &secret, None), Verdict::Unknown(_)));
    assert!(matches!(
        of(&hash("1"), &unsaid, Some(&hash("2"))),
        Verdict::Unknown(_)
    ));
    // Here it is what the reference says, and there it is not.
    assert_eq!(
        of(&hash("1"), &unsaid, Some(&hash("1"))),
        Verdict::Different(CHANGED_THERE)
    );
}

struct Proposal;

impl Declarations for Proposal {
    fn says(&self, _: &Facet, _: &str) -> Option<String> {
        None
    }
    fn unlike(&self) -> Option<&'static str> {
        Some("there it runs a proposal")
    }
    fn other(&self) -> &'static str {
        "the record"
    }
}

/// What to do is said of the side that is not as it is declared.
#[test]
fn advice_is_about_the_side_that_was_changed() {
    let fact = |key: &str, text: &str| match text {
        "" => Facts::from([("mounts".to_owned(), Value::is("none"))]),
        text => Facts::from([(key.to_owned(), Value::is(text))]),
    };
    let of = |key: &str, [here, own, there, theirs]: [&str; 4], by: &dyn Declarations| {
        let side = |(found, declared)| Side { found, declared };
        let (here, own) = (fact(key, here), fact(key, own));
        let (there, theirs) = (fact(key, there), fact(key, theirs));
        let rows = compare(
            &[Source::Asked],
            side((&here, &own)),
            side((&there, &theirs)),
            by,
        );
        rows.into_iter().find(|it| it.key == key).unwrap().verdict
    };
    for key in ["user", "mounts/x"] {
        let advice = Facet::of(key).unwrap().advice;
        for (values, expected) in [
            (["a", "a", "b", "a"], CHANGED_THERE),
            (["b", "a", "a", "a"], advice),
            (["b", "a", "c", "a"], advice),
        ] {
            let found = of(key, values, &Nobody);
            assert_eq!(found, Verdict::Different(expected), "{key} {values:?}");
        }
        let proposal = of(key, ["a", "a", "b", "a"], &Proposal);
        assert_eq!(proposal, Verdict::Different("there it runs a proposal"));
        let by_hand = of(key, ["b", "a", "c", "a"], &Proposal);
        assert_eq!(by_hand, Verdict::Different(advice));
    }
    let absent = of("mounts/x", ["", "", "b", ""], &Nobody);
    assert_eq!(absent, Verdict::Different(CHANGED_THERE));
    let proposal = of("mounts/x", ["", "", "b", ""], &Proposal);
    assert_eq!(proposal, Verdict::Different("there it runs a proposal"));
}
