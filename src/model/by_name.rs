//! Maps by names of one verified reference: nobody hostile chooses them, so hashing may be quick.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose order means nothing.
pub type ByName<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;

/// FNV-1a. Source: <https://datatracker.ietf.org/doc/html/rfc9923>.
#[derive(Debug)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_rfc() {
        let of = |text: &[u8]| {
            let mut hasher = Fnv::default();
            hasher.write(text);
            hasher.finish()
        };
        assert_eq!(of(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(of(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(of(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
