//! Bytes for people.

/// As docker shows sizes.
pub(super) fn of(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    match units.iter().find(|(_, factor)| bytes >= *factor) {
        Some((unit, factor)) => {
            format!("{}.{} {unit}", bytes / factor, bytes % factor * 10 / factor)
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn sizes() {
        assert_eq!(of(999), "999 B");
        assert_eq!(of(1_250), "1.2 kB");
        assert_eq!(of(365_400_000), "365.4 MB");
    }
}
