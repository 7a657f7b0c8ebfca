//! Cutting a stream of bytes where its content says so: what is inserted or changed moves the cuts
//! around it only, so that two streams that are alike have most pieces in common. Pure.
//!
//! A volume is cut as one stream, not file by file: a database has a thousand small files and a few large
//! ones of which some pages change. Pieces of about 1 MiB keep a store of 10 GB at 10,000 files.

use bytes::{Bytes, BytesMut};
use fastcdc::v2020::{FastCDC, Normalization};

/// No piece but the last is smaller.
const SMALLEST: usize = 256 << 10;

/// The size that most pieces have.
const USUAL: usize = 1 << 20;

/// No piece is larger.
pub const LARGEST: usize = 4 << 20;

/// Takes bytes as they come and gives the pieces.
#[derive(Debug, Default)]
pub struct Cutter {
    rest: BytesMut,
}

impl Cutter {
    /// Adds what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// The next piece, where enough has come to know where it ends.
    pub fn next_piece(&mut self) -> Option<Bytes> {
        (self.rest.len() >= LARGEST).then(|| self.cut())
    }

    /// What is left once everything has come, piece by piece.
    pub fn last_piece(&mut self) -> Option<Bytes> {
        (!self.rest.is_empty()).then(|| self.cut())
    }

    fn cut(&mut self) -> Bytes {
        let rest = &self.rest[..self.rest.len().min(LARGEST)];
        let level = Normalization::Level1;
        let cutter = FastCDC::with_level(rest, SMALLEST, USUAL, LARGEST, level);
        let (_, end) = cutter.cut(0, rest.len());
        self.rest.split_to(end.max(1)).freeze()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::digest::Digest;

    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        next.flatten().take(bytes).collect()
    }

    fn pieces(bytes: &[u8], step: usize) -> Vec<Bytes> {
        let (mut cutter, mut found) = (Cutter::default(), Vec::new());
        for some in bytes.chunks(step) {
            cutter.push(some);
            found.extend(std::iter::from_fn(|| cutter.next_piece()));
        }
        found.extend(std::iter::from_fn(|| cutter.last_piece()));
        found
    }

    #[test]
    fn pieces_are_the_whole_however_it_came() {
        let bytes = noise(20 << 20);
        let found = pieces(&bytes, 70_001);
        assert_eq!(found.concat(), bytes);
        assert_eq!(found, pieces(&bytes, 1 << 20));
        let (last, others) = found.split_last().unwrap();
        assert!(
            others
                .iter()
                .all(|it| (SMALLEST..=LARGEST).contains(&it.len()))
        );
        assert!((1..=LARGEST).contains(&last.len()) && found.len() > 9);
        assert_eq!(pieces(&[], 1), Vec::<Bytes>::new());
    }

    #[test]
    fn what_is_inserted_leaves_most_pieces_as_they_were() {
        let bytes = noise(20 << 20);
        let mut other = bytes.clone();
        other.splice(9_000_000..9_000_000, *b"a row more");
        let digests = |bytes: &[u8]| -> BTreeSet<Digest> {
            let all = pieces(bytes, 1 << 16).into_iter();
            all.map(|it| Digest::of(&it)).collect()
        };
        let (before, after) = (digests(&bytes), digests(&other));
        assert!(after.difference(&before).count() <= 2);
    }
}
