//! As much of the file format of `SQLite` as it takes to read the one table of rpm's database.
//! Source: <https://www.sqlite.org/fileformat2.html>. Everything is bounded: the file may be anybody's.

/// How deep the tree may be.
const DEEPEST: usize = 20;
/// Columns of one record.
const MOST_COLUMNS: usize = 16;

struct Database<'a> {
    bytes: &'a [u8],
    page_size: usize,
    usable: usize,
}

/// What is left of a file: nothing in it is part of two records, whatever its pointers say.
struct Left {
    pages: usize,
    bytes: usize,
}

/// Visits the blobs of a table of `(integer primary key, blob)`; `None` where it cannot be read.
pub(super) fn blobs(
    bytes: &[u8],
    table: &str,
    mut visit: impl FnMut(&[u8]) -> Option<()>,
) -> Option<()> {
    if !bytes.starts_with(b"SQLite format 3\0") || bytes.len() < 100 {
        return None;
    }
    let page_size = match u16::from_be_bytes([bytes[16], bytes[17]]) {
        1 => 65536,
        size => usize::from(size),
    };
    let usable = page_size.checked_sub(usize::from(bytes[20]))?;
    if !(480..=65536).contains(&usable) {
        return None;
    }
    let database = Database {
        bytes,
        page_size,
        usable,
    };
    let mut root = None;
    let mut left = Left {
        pages: bytes.len() / page_size,
        bytes: bytes.len(),
    };
    database.walk(1, DEEPEST, &mut left, &mut |record| {
        // type, name, tbl_name, rootpage, sql
        let columns = columns(&record)?;
        let text = |index: usize| columns.get(index).map(|it: &Column<'_>| it.bytes);
        if text(0) == Some(b"table") && text(1) == Some(table.as_bytes()) {
            root = columns.get(3).and_then(Column::integer);
        }
        Some(())
    })?;
    database.walk(root?, DEEPEST, &mut left, &mut |record| {
        visit(columns(&record)?.last()?.bytes)
    })
}

impl Database<'_> {
    fn page(&self, number: usize) -> Option<&[u8]> {
        let start = number.checked_sub(1)?.checked_mul(self.page_size)?;
        self.bytes.get(start..start + self.page_size)
    }

    /// Visits the records of a table's tree, each whole.
    fn walk(
        &self,
        number: usize,
        depth: usize,
        left: &mut Left,
        visit: &mut dyn FnMut(Vec<u8>) -> Option<()>,
    ) -> Option<()> {
        left.pages = left.pages.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        let page = self.page(number)?;
        let header = if number == 1 { 100 } else { 0 };
        let kind = *page.get(header)?;
        let cells = usize::from(short(page, header + 3)?);
        let pointers = header + if kind == 5 { 12 } else { 8 };
        for index in 0..cells {
            let cell = usize::from(short(page, pointers + 2 * index)?);
            match kind {
                5 => self.walk(long(page, cell)?, depth, left, visit)?,
                13 => visit(self.record(page, cell, left)?)?,
                _ => return None,
            }
        }
        if kind == 5 {
            self.walk(long(page, header + 8)?, depth, left, visit)?;
        }
        Some(())
    }

    /// The record in a cell of a leaf, with what overflows.
    fn record(&self, page: &[u8], cell: usize, left: &mut Left) -> Option<Vec<u8>> {
        let (length, size) = varint(page.get(cell..)?)?;
        let (_, key) = varint(page.get(cell + size..)?)?;
        let start = cell + size + key;
        let length = usize::try_from(length)
            .ok()
            .filter(|it| *it <= self.bytes.len())?;
        left.bytes = left.bytes.checked_sub(length + 1)?;
        let most = self.usable - 35;
        if length <= most {
            return page.get(start..start + length).map(<[u8]>::to_vec);
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let here = least + (length - least) % (self.usable - 4);
        let here = if here <= most { here } else { least };
        let mut record = page.get(start..start + here)?.to_vec();
        let mut next = long(page, start + here)?;
        while record.len() < length {
            left.pages = left.pages.checked_sub(1)?;
            let page = self.page(next)?;
            let count = (length - record.len()).min(self.usable - 4);
            record.extend_from_slice(page.get(4..4 + count)?);
            next = long(page, 0)?;
        }
        Some(record)
    }
}

/// One value of a record.
struct Column<'a> {
    bytes: &'a [u8],
    is_integer: bool,
}

impl Column<'_> {
    fn integer(&self) -> Option<usize> {
        let fold = |sum: usize, byte: &u8| sum.checked_mul(256)?.checked_add(usize::from(*byte));
        self.is_integer
            .then(|| self.bytes.iter().try_fold(0, fold))
            .flatten()
    }
}

fn columns(record: &[u8]) -> Option<Vec<Column<'_>>> {
    let (header, mut at) = varint(record)?;
    let header = usize::try_from(header).ok()?;
    let mut values = header;
    let mut columns = Vec::new();
    while at < header {
        let (kind, size) = varint(record.get(at..)?)?;
        at += size;
        if columns.len() == MOST_COLUMNS {
            return None;
        }
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            text_or_blob => usize::try_from((text_or_blob - 12) / 2).ok()?,
        };
        columns.push(Column {
            bytes: record.get(values..values.checked_add(length)?)?,
            is_integer: (1..=6).contains(&kind),
        });
        values += length;
    }
    Some(columns)
}

fn short(page: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(page.get(at..at + 2)?.try_into().ok()?))
}

fn long(page: &[u8], at: usize) -> Option<usize> {
    let value = u32::from_be_bytes(page.get(at..at + 4)?.try_into().ok()?);
    usize::try_from(value).ok()
}

/// A number of up to nine bytes, and how many they were.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value: u64 = 0;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            return Some(((value << 8) | u64::from(*byte), 9));
        }
        value = (value << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use base64::Engine as _;

    use super::*;

    /// Made by `SQLite`: pages of 512 bytes, two tables, 40 rows of 20 or 2000 bytes in `Packages`.
    const DATABASE: &str = "H4sIAAAAAAACA+2YvU9TURiH37e3tEBbSj/g5atw+GwJ6AKJi4PFXE1jKVhvh07kQq6itkWgJK7GwbFxN9HJwd3Byc\
        HdQRf/A2cdXFx8b00VyJtAAiaSc570fj7tOc3vl5ubnDu3i/ebnrq7s1d3m2oJAoAI15QCAIs3gr8EeAseukY4GQsu\
        b2HMP8E44Gd0+fA/s26FaGEBq013s+bt79Y4m419b/fAa2wdvwxeL9t5x1ZOfqVoq2My13Dr3iJfzT8KhCmTwSdL7S\
        HX3a2H7j1vv3O0jgyS7dzOqtx246CuCiXHvmmX1Xq5sJovV9Utu6ryFWetUOLfrdolZ3GztrOpVoprK6q05qhSpVic\
        X8AQEeGV9oQ7zW1vr70LHJmqfSvnzsc6zRq0pMuvH3/4p4Q/f58YNKBvinexhP/8I34H/hi0IIpWBjsvmhzfCJlMtC\
        ZsItCabhOBwaAtvQZ94f4jJgWt+4+aFLTu37wALnJ5Z8Rf/0nAJcBP+A5f4TNsYAWv4jT2wjf4AG/gOTyGDbjBXwGg\
        hAXL/QLUzyIuQHEWfQLUxyImQDEWUQGKsogItJxIEF4uni6vHurlYXoEqIdFtwB1swgLUJhFSIBCLLoEqItFUICCLC\
        wBslgEBCjAAgVaDvpxnHL590//X/Ejvj3W/xd4D68P9z/Fc04K0CQLJUCKxYRAy5nw/+X4yfC8KRrnYTIClGExJkBj\
        LEYFaJTFiACNsBgWoGEWQwI0xIJEWAwK0CCLAYGWM+DHkT4ZjiNOaR4mJUApFkkBSrJICPBw/WmDtviPv0lB6/6TJg\
        Wt+weTwgUu7+ykxw3awv0PmBS07n/QpKB1/2BSuMDlncP6XwgfdNZ/XuBTvjD8AyhnwXJWgLIs5gRojsWsAM2ymBGg\
        GRbTAjTNYkrgF6eI+9gALgAA";

    fn database() -> Vec<u8> {
        let packed = base64::engine::general_purpose::STANDARD.decode(DATABASE);
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&packed.unwrap()[..])
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    }

    fn rows(bytes: &[u8], table: &str) -> Option<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        blobs(bytes, table, |blob| {
            found.push(blob.to_vec());
            Some(())
        })?;
        Some(found)
    }

    #[test]
    fn every_row_is_read_whole() {
        let found = rows(&database(), "Packages").unwrap();
        assert_eq!(found.len(), 40);
        for (index, row) in found.iter().enumerate() {
            let length = if index % 10 == 0 { 2000 } else { 20 };
            assert_eq!(*row, vec![u8::try_from(index).unwrap(); length]);
        }
        assert_eq!(rows(&database(), "Nothing"), None);
    }

    #[test]
    fn no_bytes_crash_it_or_keep_it() {
        let whole = database();
        for end in (0..whole.len()).step_by(37) {
            let _ = rows(&whole[..end], "Packages");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            let _ = rows(&damaged, "Packages");
        }
    }

    /// A table of one leaf whose `cells` pointers all lead to one record of `length` bytes.
    fn crowded(cells: u16, length: u16) -> Vec<u8> {
        let mut page = vec![0; 65536];
        page[0] = 13;
        page[3..5].copy_from_slice(&cells.to_be_bytes());
        for index in 0..usize::from(cells) {
            page[8 + 2 * index..10 + 2 * index].copy_from_slice(&30000_u16.to_be_bytes());
        }
        // The record's length and key; its header: one blob of `length` less the header.
        let varint = |value: u16| {
            let part = |shift: u32| u8::try_from((value >> shift) & 0x7f).unwrap();
            [part(14) | 0x80, part(7) | 0x80, part(0)]
        };
        page[30000..30003].copy_from_slice(&varint(length));
        page[30003] = 1;
        page[30004] = 4;
        page[30005..30008].copy_from_slice(&varint((length - 4) * 2 + 12));
        page
    }

    fn walked(page: Vec<u8>) -> (usize, Option<()>) {
        let database = Database {
            bytes: &[vec![0; 65536], page].concat(),
            page_size: 65536,
            usable: 65536,
        };
        let mut left = Left {
            pages: 2,
            bytes: database.bytes.len(),
        };
        let mut read = 0;
        let walked = database.walk(2, DEEPEST, &mut left, &mut |record| {
            read += columns(&record)?.last()?.bytes.len();
            Some(())
        });
        (read, walked)
    }

    #[test]
    fn many_pointers_to_one_record_are_not_many_records() {
        assert_eq!(walked(crowded(3, 20000)), (3 * 19996, Some(())));
        let (read, walked) = walked(crowded(10000, 20000));
        assert_eq!((read, walked), (6 * 19996, None));
    }

    #[test]
    fn a_record_of_any_number_of_columns_is_none() {
        let record = |columns: u8| [vec![columns + 1], vec![0; usize::from(columns)]].concat();
        assert_eq!(columns(&record(16)).map(|it| it.len()), Some(16));
        assert!(columns(&record(17)).is_none());
    }
}
