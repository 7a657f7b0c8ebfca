//! Durations, sizes and processor shares as the files write them.

use crate::model::visible::visible;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A span of time: `500ms`, `10s`, `2m`, `1h`. Held in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u64);

impl Span {
    /// From milliseconds.
    pub const fn milliseconds(value: u64) -> Self {
        Self(value)
    }

    /// From seconds.
    pub const fn seconds(value: u64) -> Self {
        Self(value * 1000)
    }

    /// For the clock.
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }

    /// For the engine's API.
    pub fn nanoseconds(self) -> u64 {
        self.0.saturating_mul(1_000_000)
    }

    /// Rounded up.
    pub fn whole_seconds(self) -> u64 {
        self.0.div_ceil(1000)
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
        units
            .iter()
            .find_map(|(unit, factor)| {
                let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
                number
                    .checked_mul(*factor)
                    .filter(|value| *value <= 86_400_000)
                    .map(Self)
            })
            .ok_or_else(|| {
                format!(
                    "`{}` is not a time span (500ms, 10s, 2m, 1h; at most 24h)",
                    visible(text)
                )
            })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value % 1000 != 0 => write!(f, "{value}ms"),
            value if value % 60_000 != 0 || value == 0 => write!(f, "{}s", value / 1000),
            value if value % 3_600_000 != 0 => write!(f, "{}m", value / 60_000),
            value => write!(f, "{}h", value / 3_600_000),
        }
    }
}

/// An amount of memory: `512MiB`, `1GiB`, `64KiB`, `2GB`. Held in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// From bytes.
    pub const fn bytes(value: u64) -> Self {
        Self(value)
    }

    /// In bytes.
    pub fn get(self) -> u64 {
        self.0
    }
}

const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

impl std::str::FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        SIZES
            .iter()
            .find_map(|(unit, factor)| {
                let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
                number
                    .checked_mul(*factor)
                    .filter(|value| *value <= 1 << 50)
                    .map(Self)
            })
            .ok_or_else(|| format!("`{}` is not a size (512MiB, 1GiB)", visible(text)))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = SIZES
            .iter()
            .filter(|(_, factor)| self.0.is_multiple_of(*factor))
            .min_by_key(|(_, factor)| self.0 / factor)
            .unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// A share of processors: `1.5`. Held in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus(u64);

impl Cpus {
    /// In billionths of one processor.
    pub fn nano(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Cpus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if !(0.001..=1024.0).contains(&value) {
            return Err(de::Error::custom(format!(
                "`{value}` is not a number of processors (0.001 to 1024)"
            )));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        Ok(Self((value * 1000.0).round() as u64 * 1_000_000))
    }
}

impl Serialize for Cpus {
    #[expect(clippy::cast_precision_loss, reason = "thousandths fit")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((self.0 / 1_000_000) as f64 / 1000.0)
    }
}

macro_rules! as_text {
    ($type:ident) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(de::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}
as_text!(Span);
as_text!(ByteSize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_a_round_trip() {
        for text in ["500ms", "10s", "2m", "1h", "0s", "90s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["512MiB", "1GiB", "768MB", "1500B"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        assert_eq!(
            serde_json::to_string(&serde_json::from_str::<Cpus>("1.5").unwrap()).unwrap(),
            "1.5"
        );
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "10", "-1s", "1.5s", "99999999999999999999s", "25h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for text in ["", "512", "1TiBB", "-1MiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Cpus>("0").is_err());
    }
}
