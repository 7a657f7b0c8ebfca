//! What was found: a line per figure as it is known, and a table for the README at the end.

use std::fmt::Write as _;

/// One target and what came of it.
struct Line {
    what: String,
    target: String,
    figure: String,
    details: String,
    passed: bool,
}

/// Collects the lines.
#[derive(Default)]
pub struct Report {
    lines: Vec<Line>,
}

impl Report {
    /// Something that has no target.
    #[expect(clippy::unused_self, reason = "it reads as the other lines do")]
    pub fn note(&self, text: &str) {
        println!("        {text}");
    }

    /// A figure that must not be above `limit`; `leeway` is what the measuring itself is off by.
    pub fn at_most(&mut self, what: &str, figure: f64, limit: f64, unit: &str, details: &str) {
        self.within(what, figure, limit, 0.0, unit, details);
    }

    /// As [`Self::at_most`], but a miss smaller than `leeway` passes.
    pub fn within(
        &mut self,
        what: &str,
        figure: f64,
        limit: f64,
        leeway: f64,
        unit: &str,
        details: &str,
    ) {
        let passed = figure <= limit + leeway;
        let digits = if figure < 10.0 { 3 } else { 1 };
        let figure = format!("{figure:.digits$}{unit}");
        let target = format!("≤ {limit}{unit}");
        let verdict = if passed { "pass" } else { "MISS" };
        println!("{verdict}    {what}: {figure} ({target})   {details}");
        self.lines.push(Line {
            what: what.to_owned(),
            target,
            figure,
            details: details.to_owned(),
            passed,
        });
    }

    /// Whether every target was reached.
    pub fn passed(&self) -> bool {
        self.lines.iter().all(|line| line.passed)
    }

    /// The table.
    pub fn markdown(&self) -> String {
        let mut text =
            "| what | target | measured | medians (quartiles) |\n|---|---|---|---|\n".to_owned();
        for line in &self.lines {
            let missed = if line.passed { "" } else { " (missed)" };
            let _ = writeln!(
                text,
                "| {} | {} | {}{missed} | {} |",
                line.what, line.target, line.figure, line.details
            );
        }
        text
    }
}
