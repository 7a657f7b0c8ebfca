//! Differences counted over many requests, beside those of two runs of the same reference. Pure.

use std::collections::BTreeMap;

use super::outcome::{Difference, Masked, Slower};
use super::places::Places;
use super::rank;
use crate::model::requests::target::Target;

/// Among the requests that differ, the share that has to be beyond the noise, where there is noise.
const SHARE: f64 = 0.2;

/// And so many of them at least.
const FEWEST: u32 = 3;

/// Chances below are no chance.
const CHANCE: f64 = 0.01;

/// A median has to differ by so much of the other one, and by so many milliseconds.
const RELATIVE: f64 = 0.2;
const ABSOLUTE: f64 = 5.0;

/// Places that are counted; a comparison of more is none.
const MOST: usize = 200_000;

/// One answer of each instance.
pub struct Answers<'a> {
    /// Of the older reference.
    pub old: &'a Places,
    /// Of the older reference once more.
    pub again: &'a Places,
    /// Of the newer reference.
    pub new: &'a Places,
    /// How long each took, in that order, in milliseconds.
    pub took: [f64; 3],
}

#[derive(Debug, Default)]
struct Count {
    differs: u32,
    noise: u32,
    example: Option<(Option<String>, Option<String>)>,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Tally {
    counts: BTreeMap<(String, String), Count>,
    times: BTreeMap<String, [Vec<f64>; 3]>,
}

/// Requests that are counted together: the same method and path, numbers and Ids aside.
pub fn endpoint(method: &str, target: &Target) -> String {
    let segment = |it: &str| {
        let is_number = !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
        let is_id = it.len() >= 16
            && it.bytes().all(|it| it.is_ascii_hexdigit() || it == b'-')
            && it.bytes().any(|it| it.is_ascii_digit());
        if is_number || is_id {
            "*".to_owned()
        } else {
            it.to_owned()
        }
    };
    let path: Vec<String> = target.path.split('/').map(segment).collect();
    let host = target.host.as_ref().map_or("", |it| it.as_str());
    format!("{method} {host}{}", path.join("/"))
}

impl Tally {
    /// Adds the answers to one request.
    pub fn add(&mut self, endpoint: &str, answers: &Answers<'_>) {
        let times = self.times.entry(endpoint.to_owned()).or_default();
        for (all, one) in times.iter_mut().zip(answers.took) {
            all.push(one);
        }
        for it in answers.old.differences(answers.again) {
            if let Some(count) = self.count(endpoint, it.place) {
                count.noise += 1;
            }
        }
        for it in answers.old.differences(answers.new) {
            if let Some(count) = self.count(endpoint, it.place) {
                count.differs += 1;
                count.example.get_or_insert((it.one, it.other));
            }
        }
    }

    fn count(&mut self, endpoint: &str, place: String) -> Option<&mut Count> {
        let key = (endpoint.to_owned(), place);
        if self.counts.len() >= MOST && !self.counts.contains_key(&key) {
            return None;
        }
        Some(self.counts.entry(key).or_default())
    }

    fn of(&self, endpoint: &str) -> usize {
        self.times.get(endpoint).map_or(0, |it| it[0].len())
    }

    /// What differs beyond the noise.
    pub fn differences(&self) -> Vec<Difference> {
        let beyond = self.counts.iter().filter(|(_, it)| it.is_beyond());
        beyond
            .map(|((endpoint, place), it)| {
                let (old, new) = it.example.clone().unwrap_or_default();
                Difference {
                    endpoint: endpoint.clone(),
                    place: place.clone(),
                    old,
                    new,
                    differs: it.differs,
                    noise: it.noise,
                    of: self.of(endpoint),
                }
            })
            .collect()
    }

    /// What differs between two runs of the older reference, and therefore says nothing unless it differs
    /// much more often.
    pub fn mask(&self) -> Vec<Masked> {
        let noisy = self.counts.iter().filter(|(_, it)| it.noise > 0);
        noisy
            .map(|((endpoint, place), it)| Masked {
                endpoint: endpoint.clone(),
                place: place.clone(),
                noise: it.noise,
                of: self.of(endpoint),
            })
            .collect()
    }

    /// Endpoints that became slower or faster, by a rank test.
    pub fn times(&self) -> Vec<Slower> {
        let all = self.times.iter();
        all.filter_map(|(endpoint, [old, again, new])| {
            let both = [&old[..], &again[..]].concat();
            let chance = rank::chance(&both, new)?;
            let is_noisy = rank::chance(old, again)? < CHANCE;
            let (before, after) = (rank::median(&both), rank::median(new));
            let apart = (after - before).abs();
            let is_much = apart >= ABSOLUTE && apart >= RELATIVE * before.min(after);
            (chance < CHANCE && is_much && !is_noisy).then(|| Slower {
                endpoint: endpoint.clone(),
                old: before,
                new: after,
                chance,
                of: new.len(),
            })
        })
        .collect()
    }
}

impl Count {
    /// Where two runs of the same never differ, one difference counts; else it has to be many more.
    fn is_beyond(&self) -> bool {
        if self.noise == 0 {
            return self.differs > 0;
        }
        let more = self.differs.saturating_sub(self.noise);
        more >= FEWEST && f64::from(more) > SHARE * f64::from(self.differs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Places {
        Places::of(200, &[], text.as_bytes())
    }

    /// So many requests; bodies of the three instances by the request's number.
    fn tally(count: usize, bodies: impl Fn(usize) -> [String; 3]) -> Tally {
        let mut tally = Tally::default();
        for number in 0..count {
            let [old, again, new] = bodies(number).map(|it| places(&it));
            let times = [10.0, 10.0, 50.0];
            let took = times.map(|it| it + f64::from(u32::try_from(number % 7).unwrap()));
            tally.add(
                "GET /a",
                &Answers {
                    old: &old,
                    again: &again,
                    new: &new,
                    took,
                },
            );
        }
        tally
    }

    fn found(tally: &Tally) -> Vec<String> {
        let all = tally.differences().into_iter();
        all.map(|it| format!("{} {}/{}/{}", it.place, it.differs, it.noise, it.of))
            .collect()
    }

    #[test]
    fn what_is_noise_is_masked_and_the_rest_is_told() {
        let body = |time: usize, price: usize| format!("{{\"time\":{time},\"price\":{price}}}");
        let tally = tally(2, |it| [body(it, 1), body(it + 10, 1), body(it + 20, 2)]);
        assert_eq!(found(&tally), ["json /price 2/0/2"]);
        let mask: Vec<String> = tally.mask().into_iter().map(|it| it.place).collect();
        assert_eq!(mask, ["json /time"]);
        assert!(tally.times().is_empty(), "two are too few");
    }

    #[test]
    fn a_place_with_little_noise_can_differ_beyond_it() {
        let body = |it: usize| format!("[{it}]");
        let rare = tally(10, |it| [body(0), body(usize::from(it == 0)), body(2)]);
        assert_eq!(found(&rare), ["json /0 10/1/10"]);
        let alike = tally(10, |it| [body(0), body(it % 2), body(1 - it % 2)]);
        assert_eq!(found(&alike), [""; 0]);
    }

    #[test]
    fn slower_is_told_where_it_is_no_chance() {
        let slower = tally(10, |_| [(); 3].map(|()| String::new()));
        let [one] = &slower.times()[..] else {
            panic!("{:?}", slower.times());
        };
        assert!(
            (one.old - 13.0).abs() < 1.1 && (one.new - 53.0).abs() < 1.1,
            "{one:?}"
        );
    }

    #[test]
    fn numbers_and_ids_are_one_endpoint() {
        let of = |path: &str| endpoint("GET", &Target::parse(path).unwrap());
        assert_eq!(of("/invoices/17/lines?x=1"), "GET /invoices/*/lines");
        assert_eq!(of("/x/0b8f3c1e-5a55-4c7e-9d4e-000000000000"), "GET /x/*");
        assert_eq!(of("/facade/v2"), "GET /facade/v2");
        assert_eq!(of("http://shop.example/1"), "GET shop.example/*");
    }

    proptest::proptest! {
        /// The same reference three times, without noise: nothing differs, whatever it answers.
        #[test]
        fn the_same_never_differs(bodies in proptest::collection::vec("[<{\\[a-c1\"}]{0,20}", 0..12)) {
            let same = |it: usize| [(); 3].map(|()| bodies[it].clone());
            let tally = tally(bodies.len(), same);
            proptest::prop_assert!(tally.differences().is_empty() && tally.mask().is_empty());
        }
    }
}
