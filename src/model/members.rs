//! Copies of a container: how many there can be, and their names. Pure.

use super::container::{Kind, Publish};
use super::name::{ContainerName, LOGS};
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

/// Why a container cannot have the copies that it is to have, given the ports of the proxy and which names are taken;
/// `None`: it can. Copies share nothing: what has data, or is reached from outside, is one.
pub fn fault(
    container: &ContainerName,
    run: &RunSpecification,
    published: &[Publish],
    is_taken: impl Fn(&str) -> bool,
) -> Option<String> {
    let most = run.most();
    if most == 1 {
        return None;
    }
    if run.kind != Kind::App || run.once || !run.publish.is_empty() {
        return Some("only an app that goes on running can have copies".to_owned());
    }
    if most > MOST {
        return Some(format!("{most} copies are too many: {MOST} at most"));
    }
    if let Some(data) = run.volumes.keys().find(|it| it.as_str() != LOGS) {
        return Some(format!(
            "each copy would have a volume `{data}` of its own: data belongs into a service"
        ));
    }
    if let Some(port) = run
        .port
        .filter(|port| published.iter().any(|it| it.container == *port))
    {
        return Some(format!(
            "copies that do not run somewhere are names of the proxy, which answers at port {port} itself"
        ));
    }
    let names = names(container, most);
    let wrong = |name: &String| {
        if ContainerName::new(name.as_str()).is_err() {
            return Some(format!(
                "a copy would be called `{name}`, which is too long"
            ));
        }
        let taken = format!("a copy would be called `{name}`, which is another container's name");
        is_taken(name).then_some(taken)
    };
    names.iter().find_map(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind as ErrorKind;
    use crate::model::container::Definition;
    use crate::model::platform::Defaults;
    use crate::model::yaml;

    /// What is wrong with this definition's copies, beside a proxy that publishes its port 80.
    fn wrong(name: &str, text: &str) -> String {
        let definition: Definition =
            yaml::read(ErrorKind::Definitions, "container.yaml", text.as_bytes()).unwrap();
        let run = RunSpecification::resolve(&definition, &Defaults::default());
        let proxy = [Publish {
            host: 8000,
            container: 80,
        }];
        fault(&name.parse().unwrap(), &run, &proxy, |it| it == "audit-2").unwrap_or_default()
    }

    #[test]
    fn copies_share_nothing_and_have_names_of_their_own() {
        let billing = "billing".parse().unwrap();
        assert_eq!(names(&billing, 1), ["billing"]);
        assert_eq!(names(&billing, 2), ["billing-1", "billing-2"]);
        let longest = "a".repeat(40);
        for (name, text, wanted) in [
            ("billing", "{ replicas: { production: 2 }, port: 8080 }", ""),
            ("audit", "{ replicas: { production: 1 } }", ""),
            (&longest, "{ port: 80, volumes: { data: /d } }", ""),
            ("billing", "{ replicas: { production: 33 } }", "too many"),
            (
                "audit",
                "{ replicas: { production: 2 } }",
                "`audit-2`, which is another",
            ),
            (&longest, "{ replicas: { production: 2 } }", "too long"),
            (
                "billing",
                "{ replicas: { production: 2 }, port: 80 }",
                "answers at port 80",
            ),
            (
                "billing",
                "{ replicas: { production: 2 }, once: true }",
                "only an app",
            ),
            (
                "billing",
                "{ replicas: { production: 2 }, kind: service }",
                "only an app",
            ),
            (
                "billing",
                "{ replicas: { production: 2 }, volumes: { data: /d } }",
                "volume `data`",
            ),
            (
                "billing",
                "{ replicas: { production: 2 }, volumes: { logs: /l } }",
                "",
            ),
        ] {
            let said = wrong(name, text);
            assert!(
                said.contains(wanted) && said.is_empty() == wanted.is_empty(),
                "{text}: {said}"
            );
        }
    }
}
