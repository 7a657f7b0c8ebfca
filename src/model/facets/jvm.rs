//! What a running JVM concluded from its surroundings: the performance data that a JVM keeps in
//! `/tmp/hsperfdata_<user>/<pid>`. Nothing is asked of the JVM, and none is started.
//!
//! Source: `perfMemory.hpp` and `perfData.hpp` of `OpenJDK`, version 2.0 of the format.

use std::collections::BTreeMap;

/// Bytes before the first entry.
const HEADER: usize = 32;
/// Bytes of an entry before its name.
const ENTRY: usize = 20;
/// Milliseconds that the start of a process and that of its JVM may be apart.
const APART: i64 = 60_000;

/// One counter.
enum Counter {
    Number(i64),
    Text(String),
}

/// The counters of a JVM, by name.
pub(super) struct Counters(BTreeMap<String, Counter>);

impl Counters {
    /// The counters in a file; `None`: it is none, or cut off.
    pub(super) fn parse(file: &[u8]) -> Option<Self> {
        if file.get(..4)? != 0xcafe_c0c0_u32.to_be_bytes() || file.get(5) != Some(&2) {
            return None;
        }
        let is_little = *file.get(4)? == 1;
        let number = |at: usize| -> Option<usize> {
            let bytes = file.get(at..at.checked_add(4)?)?.try_into().ok()?;
            let read = if is_little {
                u32::from_le_bytes
            } else {
                u32::from_be_bytes
            };
            usize::try_from(read(bytes)).ok()
        };
        let long = |at: usize| -> Option<i64> {
            let bytes = file.get(at..at.checked_add(8)?)?.try_into().ok()?;
            let read = if is_little {
                i64::from_le_bytes
            } else {
                i64::from_be_bytes
            };
            Some(read(bytes))
        };
        let (mut at, entries) = (number(24)?.max(HEADER), number(28)?);
        let mut counters = BTreeMap::new();
        for _ in 0..entries {
            let length = number(at).filter(|it| *it >= ENTRY)?;
            let entry = file.get(at..at.checked_add(length)?)?;
            let name = text(entry.get(number(at + 4)?..)?);
            let offset = number(at + 16)?;
            let counter = match (entry[12], number(at + 8)?) {
                (b'J', 0) => Counter::Number(long(at.checked_add(offset)?)?),
                (b'B', _) => Counter::Text(text(entry.get(offset..)?)),
                _ => Counter::Text(String::new()),
            };
            counters.insert(name, counter);
            at += length;
        }
        Some(Self(counters))
    }

    /// Whether a process that began then, in milliseconds since 1970, wrote this; else an earlier one
    /// of the same number did.
    pub(super) fn is_of(&self, begun: i64) -> bool {
        let created = self.number("sun.rt.createVmBeginTime");
        created.is_some_and(|it| it.abs_diff(begun) <= APART.unsigned_abs())
    }

    /// The parts of the facet `jvm` that it tells.
    pub(super) fn parts(&self) -> Vec<(String, String)> {
        let version = self.text("java.property.java.vm.version");
        let parts = [
            ("version", version.map(ToOwned::to_owned)),
            ("heap", self.heap().map(|it| format!("{} MiB", it >> 20))),
            ("collector", self.collector()),
            (
                "compiler-threads",
                self.number("sun.ci.threads").map(|it| it.to_string()),
            ),
        ];
        let told = parts.into_iter();
        told.filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }

    /// Bytes that the heap may grow to. Generations share it where the collector moves their border.
    fn heap(&self) -> Option<i64> {
        let most = |it| self.number(&format!("sun.gc.generation.{it}.maxCapacity"));
        let old = most(1)?;
        match self.text("sun.gc.policy.name") {
            Some("GarbageFirst") | None => Some(old),
            Some(_) => Some(old.saturating_add(most(0)?)),
        }
    }

    /// ZGC and Shenandoah name no policy; their pauses begin with their names.
    fn collector(&self) -> Option<String> {
        let name = match self.text("sun.gc.policy.name") {
            Some("Copy:MSC") => "Serial",
            Some("ParScav:MSC") => "Parallel",
            Some("GarbageFirst") => "G1",
            Some("ParNew:CMS") => "CMS",
            Some(other) => other,
            None => {
                let pauses = (0..3).map(|it| format!("sun.gc.collector.{it}.name"));
                let first = pauses.into_iter().find_map(|it| self.text(&it))?;
                first.split(' ').next()?
            }
        };
        Some(name.to_owned())
    }

    fn number(&self, name: &str) -> Option<i64> {
        match self.0.get(name)? {
            Counter::Number(it) => Some(*it),
            Counter::Text(_) => None,
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            Counter::Text(it) if !it.is_empty() => Some(it),
            _ => None,
        }
    }
}

/// Up to the first zero byte.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|it| *it == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file as a JVM writes it.
    pub(in super::super) fn file(counters: &[(&str, Result<i64, &str>)]) -> Vec<u8> {
        let mut file = 0xcafe_c0c0_u32.to_be_bytes().to_vec();
        file.extend([1, 2, 0, 1]);
        let count = u32::try_from(counters.len()).unwrap();
        for word in [0, 0, 0, 0, 32, count] {
            file.extend(word.to_le_bytes());
        }
        for (name, value) in counters {
            let offset = (ENTRY + name.len() + 1).next_multiple_of(8);
            let (kind, vector, data) = match value {
                Ok(number) => (b'J', 0, number.to_le_bytes().to_vec()),
                Err(text) => (b'B', text.len() + 1, [text.as_bytes(), &[0]].concat()),
            };
            let length = (offset + data.len()).next_multiple_of(8);
            let begin = file.len();
            for word in [length, ENTRY, vector] {
                file.extend(u32::try_from(word).unwrap().to_le_bytes());
            }
            file.extend([kind, 0, 0, 0]);
            file.extend(u32::try_from(offset).unwrap().to_le_bytes());
            file.extend(name.as_bytes());
            file.resize(begin + offset, 0);
            file.extend(data);
            file.resize(begin + length, 0);
        }
        file
    }

    fn parts(counters: &[(&str, Result<i64, &str>)]) -> Vec<(String, String)> {
        Counters::parse(&file(counters)).unwrap().parts()
    }

    #[test]
    fn generations_of_serial_are_added_and_those_of_g1_are_one() {
        let most = |policy| {
            parts(&[
                ("sun.gc.policy.name", Err(policy)),
                ("sun.gc.generation.0.maxCapacity", Ok(64 << 20)),
                ("sun.gc.generation.1.maxCapacity", Ok(192 << 20)),
            ])
        };
        let is = |heap: &str, collector: &str| {
            [("heap", heap), ("collector", collector)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec()
        };
        assert_eq!(most("Copy:MSC"), is("256 MiB", "Serial"));
        assert_eq!(most("GarbageFirst"), is("192 MiB", "G1"));
    }

    #[test]
    fn a_collector_without_a_policy_is_named_by_its_pauses() {
        let found = parts(&[
            ("sun.gc.collector.2.name", Err("Z concurrent cycle pauses")),
            ("sun.ci.threads", Ok(3)),
        ]);
        let found: Vec<&str> = found.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(found, ["Z", "3"]);
    }

    #[test]
    fn what_an_earlier_process_of_the_same_number_left_is_not_this_ones() {
        let file = file(&[("sun.rt.createVmBeginTime", Ok(1_000_000))]);
        let counters = Counters::parse(&file).unwrap();
        assert!(counters.is_of(1_000_900) && !counters.is_of(1_090_000));
    }

    #[test]
    fn what_is_cut_or_hostile_is_no_file() {
        let whole = file(&[
            ("sun.ci.threads", Ok(3)),
            ("sun.gc.policy.name", Err("Copy:MSC")),
        ]);
        for end in 0..whole.len() - 8 {
            assert!(Counters::parse(&whole[..end]).is_none(), "{end}");
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut other = whole.clone();
                other[at] = byte;
                Counters::parse(&other);
            }
        }
    }
}
