//! Where content is fetched from instead of the registry that it is named after. What it is stays
//! decided by digests and signatures, which name no host.

use std::collections::BTreeMap;

use super::image::Repository;
use super::visible::without_login;

/// `registry.acme.example:5000` → `mirror.site.example`; the longest prefix of whole parts counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors(BTreeMap<String, String>);

impl Mirrors {
    /// Both sides are `host[:port]`, or a host with the beginning of a path. The error says what is
    /// neither.
    pub fn new(table: BTreeMap<String, String>) -> Result<Self, String> {
        for side in table.iter().flat_map(|(from, to)| [from, to]) {
            let probe: Result<Repository, String> = format!("{side}/x").parse();
            probe.map_err(|_| {
                let side = without_login(side);
                format!("`{side}` is not host[:port], or that and the beginning of a path")
            })?;
        }
        Ok(Self(table))
    }

    /// Where a repository is fetched from; itself where nothing else is set.
    pub fn of(&self, repository: &Repository) -> Repository {
        let name = repository.as_str();
        let covers = |from: &str| {
            let rest = name.strip_prefix(from)?;
            rest.starts_with('/').then_some(rest)
        };
        let best = self
            .0
            .iter()
            .filter_map(|(from, to)| Some((from.len(), to, covers(from)?)))
            .max_by_key(|(length, ..)| *length);
        best.and_then(|(_, to, rest)| format!("{to}{rest}").parse().ok())
            .unwrap_or_else(|| repository.clone())
    }
}

impl std::fmt::Display for Mirrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs: Vec<_> = self.0.iter().map(|(a, b)| format!("{a} → {b}")).collect();
        f.write_str(&pairs.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirrors(pairs: &[(&str, &str)]) -> Result<Mirrors, String> {
        let pair = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        Mirrors::new(pairs.iter().map(pair).collect())
    }

    #[test]
    fn the_longest_prefix_of_whole_parts_counts() {
        let mirrors = mirrors(&[
            ("r.example:5000", "m.example"),
            ("r.example:5000/acme", "n.example/of/acme"),
        ])
        .unwrap();
        for (from, to) in [
            ("r.example:5000/acme/billing", "n.example/of/acme/billing"),
            ("r.example:5000/acmeology/x", "m.example/acmeology/x"),
            ("other.example/acme/x", "other.example/acme/x"),
        ] {
            assert_eq!(mirrors.of(&from.parse().unwrap()).as_str(), to);
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in ["https://m.example", "m", "m.example/", "m.example/Upper"] {
            let error = mirrors(&[("r.example", bad)]).unwrap_err();
            assert!(error.contains("is not host[:port]"), "{error}");
        }
    }
}
