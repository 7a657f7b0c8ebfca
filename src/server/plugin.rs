//! What `server check` prints, in the format of Nagios plugins. Pure.
//! Source: Monitoring Plugins Development Guidelines, "Plugin Output for Nagios".

use super::level::Level;
use super::verdict::{CERTIFICATE_SOON, DAY, Facts, OLD, SOON};

/// The most bytes of the line: NRPE cuts at 1 KB, its end included.
const LONGEST: usize = 1000;

impl Facts {
    /// The lines of the plugin; `told` is the level that supervision gets.
    pub fn lines(&self, told: Level) -> String {
        let findings = self.findings();
        let worse = |(level, _): &&(Level, String)| *level > Level::Ok;
        let mut texts: Vec<String> = findings
            .iter()
            .filter(worse)
            .map(|it| it.1.clone())
            .collect();
        if told == Level::Ok && !texts.is_empty() {
            texts.insert(0, "not often enough to be told yet".to_owned());
        }
        if texts.is_empty() {
            texts.push(match self.reference {
                Some(number) => format!("reference {number} serves"),
                None => "a first reference is being brought up".to_owned(),
            });
        }
        texts.extend(self.notes.iter().cloned());
        // What ends the text in this format, and what it takes for its own.
        let clean = |text: &str| -> String {
            let plain = |c: char| if c == '|' || c.is_control() { ' ' } else { c };
            text.chars().map(plain).collect()
        };
        let (word, numbers) = (told.as_str(), self.numbers());
        let room = LONGEST.saturating_sub(word.len() + numbers.len() + " -  | ".len());
        let text = clean(&texts.join("; "));
        let ends = (0..=room.min(text.len())).rev();
        let end = ends.into_iter().find(|it| text.is_char_boundary(*it));
        let first = &text[..end.unwrap_or(0)];
        format!("{word} - {first} | {numbers}")
    }

    /// How many containers run as they are wanted.
    pub(super) fn running(&self) -> usize {
        let well = self.containers.values().filter(|it| it.wrong.is_none());
        well.count()
    }

    /// Performance data.
    fn numbers(&self) -> String {
        let (wanted, running) = (self.containers.len(), self.running());
        let mut all = vec![
            format!("'running'={running};{wanted}:;{wanted}:;0;{wanted}"),
            format!("'restarts'={}c", self.restarts),
        ];
        all.extend(self.reference.map(|it| format!("'reference'={it}")));
        all.extend(
            self.ledger_age
                .map(|it| format!("'ledger_age'={}s;{OLD}", it.max(0))),
        );
        all.extend(
            self.ledger_left
                .map(|it| format!("'ledger_left'={it}s;{SOON}:")),
        );
        all.extend(
            self.disk
                .map(|(free, wanted)| format!("'disk_free'={free}B;{wanted}:")),
        );
        all.extend(self.certificates.values().min().map(|left| {
            format!(
                "'certificate_days'={};{}:;0:",
                left.div_euclid(DAY),
                CERTIFICATE_SOON / DAY
            )
        }));
        if let Some((bytes, hourly)) = self.logs {
            all.push(format!("'logs'={bytes}B"));
            all.extend(hourly.map(|it| format!("'logs_per_hour'={it}B")));
        }
        all.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::verdict::tests::facts;
    use super::*;

    #[test]
    fn all_is_well_in_one_line() {
        insta::assert_snapshot!(facts(&[]).lines(Level::Ok), @"OK - reference 42 serves | 'running'=4;4:;4:;0;4 'restarts'=0c 'reference'=42 'ledger_age'=30s;3600 'ledger_left'=2592000s;604800: 'disk_free'=5368709120B;1073741824:");
    }

    #[test]
    fn what_is_not_told_yet_is_said() {
        let line = facts(&["front"]).lines(Level::Ok);
        assert!(
            line.starts_with("OK - not often enough to be told yet; front is unhealthy |"),
            "{line}"
        );
    }

    #[test]
    fn a_line_has_a_kilobyte_at_most_and_all_its_numbers() {
        let mut facts = facts(&[]);
        facts.failed = Some("größer ".repeat(300));
        facts.ledger_age = Some(-3600);
        let line = facts.lines(Level::Warning);
        assert!(line.len() > 990 && line.len() <= 1000, "{}", line.len());
        assert!(line.contains("'ledger_age'=0s;3600"), "{line}");
        assert!(
            line.ends_with("'disk_free'=5368709120B;1073741824:"),
            "{line}"
        );
    }
}
