//! Times, their medians, and ratios of times that were taken in the same round.

use std::fmt;
use std::time::Duration;

/// One contender's times, one per round.
#[derive(Debug, Clone, Default)]
pub struct Times(pub Vec<Duration>);

impl Times {
    /// The middle one.
    pub fn median(&self) -> Duration {
        Duration::from_secs_f64(quantile(&self.seconds(), 0.5))
    }

    fn seconds(&self) -> Vec<f64> {
        self.0.iter().map(Duration::as_secs_f64).collect()
    }

    /// Round by round against another contender: what slows a whole round down slows both.
    pub fn against(&self, other: &Self) -> Ratio {
        let pairs = self.0.iter().zip(&other.0);
        Ratio(
            pairs
                .map(|(a, b)| a.as_secs_f64() / b.as_secs_f64())
                .collect(),
        )
    }
}

impl fmt::Display for Times {
    /// `12.3 ms (11.9–13.0)`: the median and the quartiles.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds();
        let at = |part| quantile(&seconds, part) * 1000.0;
        let digits = usize::from(at(0.5) < 100.0);
        write!(
            f,
            "{:.digits$} ms ({:.digits$}–{:.digits$})",
            at(0.5),
            at(0.25),
            at(0.75)
        )
    }
}

/// One ratio per round.
#[derive(Debug, Clone)]
pub struct Ratio(Vec<f64>);

impl Ratio {
    /// The middle one.
    pub fn median(&self) -> f64 {
        quantile(&self.0, 0.5)
    }

    /// How far a ratio that should be 1 is from it: half the distance of the quartiles, or more if
    /// the median itself is further away.
    pub fn spread(&self) -> f64 {
        let half = (quantile(&self.0, 0.75) - quantile(&self.0, 0.25)) / 2.0;
        half.max((self.median() - 1.0).abs())
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} ({:.3}–{:.3})",
            self.median(),
            quantile(&self.0, 0.25),
            quantile(&self.0, 0.75)
        )
    }
}

/// Linear between the two nearest values.
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    #[expect(clippy::cast_precision_loss, reason = "a few rounds")]
    let place = part * last as f64;
    let below = place.floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the list"
    )]
    let index = below as usize;
    let next = sorted[(index + 1).min(last)];
    sorted[index] + (next - sorted[index]) * (place - below)
}

/// Lets every contender run once per round, each round beginning with another one.
pub async fn race<const N: usize>(
    rounds: usize,
    mut run: impl AsyncFnMut(usize) -> Duration,
) -> [Times; N] {
    let mut times = [const { Times(Vec::new()) }; N];
    for round in 0..rounds {
        for turn in 0..N {
            let contender = (round + turn) % N;
            times[contender].0.push(run(contender).await);
        }
    }
    times
}
