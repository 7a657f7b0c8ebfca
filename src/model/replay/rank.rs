//! Whether two samples are of one population: the rank test of Mann and Whitney. Pure.
//!
//! Source: H. B. Mann, D. R. Whitney, 1947; the normal approximation with its corrections for ties and continuity.

/// Values that each sample has at least: for fewer the approximation says nothing.
pub(super) const FEWEST: usize = 8;

/// How probable it is that they differ so much by chance, from 0 to 1; `None` where there are too few.
pub(super) fn chance(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.len() < FEWEST || other.len() < FEWEST {
        return None;
    }
    let mut all: Vec<(f64, bool)> = one.iter().map(|it| (*it, true)).collect();
    all.extend(other.iter().map(|it| (*it, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (n, m) = (count(one.len()), count(other.len()));
    let total = n + m;
    let (mut ranks, mut ties, mut begun) = (0.0, 0.0, 0);
    while begun < all.len() {
        let same = all[begun..]
            .iter()
            .take_while(|it| it.0.total_cmp(&all[begun].0).is_eq());
        let length = same.count();
        // Equal values share the middle of their ranks, from 1.
        let middle = count(begun) + f64::midpoint(count(length), 1.0);
        let own = all[begun..begun + length].iter().filter(|it| it.1).count();
        ranks += middle * count(own);
        ties += count(length).powi(3) - count(length);
        begun += length;
    }
    let expected = n * m / 2.0;
    let spread = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    let away = (ranks - n * (n + 1.0) / 2.0 - expected).abs() - 0.5;
    if spread <= 0.0 || away <= 0.0 {
        return Some(1.0);
    }
    Some(outside(away / spread.sqrt()))
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

/// The share of a normal distribution beyond `z` on both sides. Source: Abramowitz and Stegun, 7.1.26.
fn outside(z: f64) -> f64 {
    let x = z / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let terms = [
        1.061_405_429,
        -1.453_152_027,
        1.421_413_741,
        -0.284_496_736,
        0.254_829_592,
    ];
    let sum = terms.iter().fold(0.0, |sum, term| (sum + term) * t);
    (sum * (-x * x).exp()).clamp(0.0, 1.0)
}

/// The middle value; 0 of none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        even if even % 2 == 0 => f64::midpoint(sorted[half - 1], sorted[half]),
        _ => sorted[half],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_those_of_tables() {
        let one: Vec<f64> = (1..=10).map(f64::from).collect();
        let far: Vec<f64> = (11..=20).map(f64::from).collect();
        // scipy.stats.mannwhitneyu(one, far, method="asymptotic"): 0.00018267
        let found = chance(&one, &far).unwrap();
        assert!((found - 0.000_182_67).abs() < 1e-6, "{found}");
        // And of 1..10 with 3..12: 0.184551.
        let near: Vec<f64> = (3..=12).map(f64::from).collect();
        let found = chance(&one, &near).unwrap();
        assert!((found - 0.184_551).abs() < 1e-5, "{found}");
        let same = [7.0; 10];
        assert_eq!(chance(&same, &same), Some(1.0));
        assert_eq!(chance(&one[..7], &far), None);
        assert!((median(&[3.0, 1.0, 2.0, 4.0]) - 2.5).abs() < 1e-9);
    }
}
