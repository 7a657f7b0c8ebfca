//! What a selection declares to need of the engine's machine. Pure.

use crate::model::name::ContainerName;
use crate::model::overrides::Overrides;
use crate::model::quantity::{ByteSize, Cpus};
use crate::model::reference::Reference;

/// The sums of what is declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Budget {
    /// Bytes.
    pub memory: u64,
    /// Billionths of a processor.
    pub nano_cpus: u64,
    /// The same of the one container that declares most.
    pub largest_nano_cpus: u64,
    /// Containers that declare no memory, and may take all.
    pub unlimited: Vec<ContainerName>,
}

impl Budget {
    /// Of these containers, with the user's own changes.
    pub fn of<'a>(
        reference: &Reference,
        names: impl IntoIterator<Item = &'a ContainerName>,
        overrides: &Overrides,
    ) -> Self {
        let mut budget = Self::default();
        for name in names {
            let Some(container) = reference.containers.get(name) else {
                continue;
            };
            match overrides.run(name, &container.run).memory {
                Some(memory) => budget.memory = budget.memory.saturating_add(memory.get()),
                None => budget.unlimited.push(name.clone()),
            }
            let cpus = container.run.cpus.map_or(0, Cpus::nano);
            budget.nano_cpus = budget.nano_cpus.saturating_add(cpus);
            budget.largest_nano_cpus = budget.largest_nano_cpus.max(cpus);
        }
        budget
    }

    /// What is wrong where the machine has so much memory; `None` where it is enough.
    pub fn exceeds(&self, memory: u64) -> Option<String> {
        (memory > 0 && self.memory > memory).then(|| {
            format!(
                "the selected containers declare {} of memory together, the engine has {}",
                rounded(self.memory),
                rounded(memory)
            )
        })
    }
}

/// In whole mebibytes: `1536MiB`, `2GiB`.
pub fn rounded(bytes: u64) -> String {
    ByteSize::bytes(bytes >> 20 << 20).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn sums_with_overrides() {
        let text = include_bytes!("../../../tests/runtime/executor/reference.yaml");
        let mut reference = Reference::parse("reference.yaml", text).unwrap();
        let names: Vec<ContainerName> = reference.containers.keys().take(2).cloned().collect();
        let set = |reference: &mut Reference, name: &ContainerName, memory: Option<u64>| {
            let run = &mut reference.containers.get_mut(name).unwrap().run;
            run.memory = memory.map(ByteSize::bytes);
        };
        set(&mut reference, &names[0], Some(512 << 20));
        set(&mut reference, &names[1], None);
        let budget = Budget::of(&reference, &names, &Overrides::default());
        assert_eq!(budget.memory, 512 << 20);
        assert_eq!(budget.unlimited, [names[1].clone()]);
        let text = format!("containers: {{ {}: {{ memory: 2GiB }} }}", names[1]);
        let overrides = Overrides::parse("overrides", text.as_bytes()).unwrap();
        let budget = Budget::of(&reference, &names, &overrides);
        assert_eq!(budget.memory, (512 << 20) + (2 << 30));
        assert_eq!(budget.exceeds(budget.memory), None);
        // An engine that does not tell is not judged.
        assert_eq!(budget.exceeds(0), None);
        let wrong = budget.exceeds(2 << 30).unwrap();
        assert!(
            wrong.contains("2560MiB") && wrong.contains("2GiB"),
            "{wrong}"
        );
    }
}
