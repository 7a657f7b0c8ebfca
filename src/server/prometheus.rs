//! What `server check` sees, as Prometheus reads it from a file. Pure.

use std::fmt::Write as _;

use super::verdict::Facts;

/// What is measured, each with what it means.
const GAUGES: [(&str, &str); 11] = [
    ("level", "0 is well, 1 a warning, 2 critical."),
    ("containers_running", "Containers that serve."),
    ("containers_wanted", "Containers that should serve."),
    ("restarts", "How often the engine started containers again."),
    ("reference", "Number of the reference that serves."),
    (
        "ledger_age_seconds",
        "Since the registry confirmed the ledger.",
    ),
    ("ledger_left_seconds", "Until the ledger expires."),
    ("disk_free_bytes", "Free where the engine keeps its data."),
    (
        "certificate_left_seconds",
        "Until the first certificate of a port expires.",
    ),
    ("logs_bytes", "Size of all logs."),
    ("logs_bytes_per_hour", "How fast logs grow."),
];

impl Facts {
    /// The same facts for Prometheus' textfile collector.
    /// Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
    pub fn metrics(&self) -> String {
        let (wanted, running) = (self.containers.len(), self.running());
        let values = [
            Some(i64::from(self.level().code())),
            number(running),
            number(wanted),
            number(self.restarts),
            self.reference.and_then(number),
            self.ledger_age.map(|it| it.max(0)),
            self.ledger_left,
            self.disk.and_then(|it| number(it.0)),
            self.certificates.values().min().copied(),
            self.logs.and_then(|it| number(it.0)),
            self.logs.and_then(|it| number(it.1?)),
        ];
        let mut text = String::new();
        for ((name, help), value) in GAUGES.into_iter().zip(values) {
            if let Some(value) = value {
                // Writing to memory cannot fail.
                let _ = write!(
                    text,
                    "# HELP devenv_{name} {help}\n# TYPE devenv_{name} gauge\ndevenv_{name} {value}\n"
                );
            }
        }
        text
    }
}

fn number(value: impl TryInto<i64>) -> Option<i64> {
    value.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_a_text_with_a_line_each() {
        let facts = Facts {
            reference: Some(42),
            disk: Some((5, 1)),
            ..Facts::default()
        };
        let text = facts.metrics();
        assert!(
            text.ends_with('\n') && text.contains("\ndevenv_reference 42\n"),
            "{text}"
        );
        assert_eq!(text.lines().filter(|it| !it.starts_with('#')).count(), 6);
    }
}
