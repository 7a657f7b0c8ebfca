//! Copies of a container: how many there can be, and their names. Pure.

use super::name::ContainerName;
use super::run_specification::RunSpecification;

/// More copies on one machine are a mistake.
pub const MOST: u16 = 32;

/// One of the copies of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Of which container.
    pub of: ContainerName,
    /// Counts from 1.
    pub number: u16,
}

impl Member {
    /// The name that it has where several can run: `billing-2`.
    pub fn name(&self) -> String {
        named(&self.of, self.number)
    }
}

fn named(container: &ContainerName, number: u16) -> String {
    format!("{container}-{number}")
}

impl RunSpecification {
    /// As many copies as any environment runs.
    pub fn most(&self) -> u16 {
        self.replicas.values().copied().max().unwrap_or(1).max(1)
    }
}

/// The names that the proxy knows a container's copies by: its own alone where one is all that ever runs.
pub fn names(container: &ContainerName, most: u16) -> Vec<String> {
    match most {
        0 | 1 => vec![container.to_string()],
        most => (1..=most).map(|number| named(container, number)).collect(),
    }
}

/// What is wrong with this many copies of a container, given which names are taken; `None`: nothing.
pub fn fault(
    container: &ContainerName,
    most: u16,
    is_taken: impl Fn(&str) -> bool,
) -> Option<String> {
    if most > MOST {
        return Some(format!("{most} copies are too many: {MOST} at most"));
    }
    let names = names(container, most);
    let names = names.iter().filter(|_| most > 1);
    for name in names {
        if ContainerName::new(name.as_str()).is_err() {
            return Some(format!(
                "its copy would be called `{name}`, which is too long"
            ));
        }
        if is_taken(name) {
            return Some(format!(
                "its copy would be called `{name}`, which is another container's name"
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_copies_are_nobody_elses() {
        let billing = "billing".parse().unwrap();
        assert_eq!(names(&billing, 1), ["billing"]);
        assert_eq!(names(&billing, 2), ["billing-1", "billing-2"]);
        assert_eq!(fault(&billing, 2, |_| false), None);
        let clash = fault(&billing, 2, |name| name == "billing-2").unwrap();
        assert!(clash.contains("`billing-2`"), "{clash}");
        assert!(fault(&billing, MOST + 1, |_| false).unwrap().contains("32"));
        let longest = (1..).map(|length| ContainerName::new("a".repeat(length)));
        let longest = longest.map_while(Result::ok).last().unwrap();
        assert!(fault(&longest, 2, |_| false).unwrap().contains("too long"));
        assert_eq!(fault(&longest, 1, |_| true), None);
    }
}
