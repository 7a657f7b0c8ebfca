//! The entries of a tar archive that nobody vouches for: names are bounded, and nothing is expanded
//! that the archive only promises.

use std::borrow::Cow;
use std::io::{self, Read};

use tar::{EntryType, PaxExtensions};

use super::refuse;
use crate::error::Result;

/// Longer names, and the headers that hold them, are refused.
const LONGEST: u64 = 64 << 10;

/// What an archive says of an entry.
#[derive(Debug)]
pub(super) struct Head {
    /// Without a `/` or `./` in front, and none at the end.
    pub(super) path: String,
    pub(super) kind: EntryType,
    pub(super) mode: u32,
    /// What a link leads to.
    pub(super) link: Option<String>,
}

/// Visits at most `most` entries, each with its content.
pub(super) fn each(
    archive: impl Read,
    most: usize,
    mut visit: impl FnMut(&Head, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let wrong = |error: io::Error| refuse("it cannot be read as an archive").because(error);
    let mut archive = tar::Archive::new(archive);
    let (mut long_name, mut long_link) = (None, None);
    for (index, entry) in archive.entries().map_err(wrong)?.raw(true).enumerate() {
        let mut entry = entry.map_err(wrong)?;
        if index >= most {
            return Err(refuse(format!("it has more than {most} entries")));
        }
        let kind = entry.header().entry_type();
        let mode = entry.header().mode().unwrap_or_default();
        match kind {
            EntryType::GNULongName | EntryType::GNULongLink => {
                let name = small(&mut entry)?;
                let end = name.iter().position(|byte| *byte == 0);
                let name = &name[..end.unwrap_or(name.len())];
                let name = Some(String::from_utf8_lossy(name).into_owned());
                match kind {
                    EntryType::GNULongName => long_name = name,
                    _ => long_link = name,
                }
            }
            EntryType::XHeader => {
                let header = small(&mut entry)?;
                for extension in PaxExtensions::new(&header).flatten() {
                    let value = || String::from_utf8_lossy(extension.value_bytes()).into_owned();
                    match extension.key_bytes() {
                        b"path" => long_name = Some(value()),
                        b"linkpath" => long_link = Some(value()),
                        b"size" => return Err(refuse("a file in it has more than 8 GiB")),
                        _ => {}
                    }
                }
            }
            EntryType::XGlobalHeader => {}
            EntryType::GNUSparse => return Err(refuse("it holds a sparse file")),
            _ => {
                let own = || String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                let path = long_name.take().unwrap_or_else(own);
                let path = path.trim_start_matches("./").trim_matches('/').to_owned();
                let own = |name: Cow<'_, [u8]>| String::from_utf8_lossy(&name).into_owned();
                let link = long_link
                    .take()
                    .or_else(|| entry.link_name_bytes().map(own));
                let head = Head {
                    path,
                    kind,
                    mode,
                    link,
                };
                visit(&head, &mut entry)?;
            }
        }
    }
    Ok(())
}

fn small(entry: &mut impl Read) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    entry
        .take(LONGEST + 1)
        .read_to_end(&mut content)
        .map_err(|error| refuse("it ends too early").because(error))?;
    if content.len() as u64 > LONGEST {
        return Err(refuse(format!(
            "a name in it has more than {LONGEST} bytes"
        )));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_s_long_target_is_its_own() {
        let long = "d/".repeat(80) + "su";
        let mut builder = tar::Builder::new(Vec::new());
        for (name, target) in [("gnu", long.as_str()), ("after", "short")] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(EntryType::Link);
            header.set_size(0);
            builder.append_link(&mut header, name, target).unwrap();
        }
        let pax = [("linkpath", long.as_bytes())];
        builder.append_pax_extensions(pax).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(EntryType::Link);
        header.set_size(0);
        builder.append_link(&mut header, "pax", "cut").unwrap();
        let archive = builder.into_inner().unwrap();
        let mut found = Vec::new();
        each(&archive[..], 10, |head, _| {
            found.push((head.path.clone(), head.link.clone().unwrap()));
            Ok(())
        })
        .unwrap();
        let wanted = [("gnu", long.as_str()), ("after", "short"), ("pax", &long)];
        assert_eq!(found, wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
