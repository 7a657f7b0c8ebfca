//! Pages for `man`: one for each command by `clap_mangen`, one for each topic from its text.

use std::fs;
use std::path::{Path, PathBuf};

use roff::{Roff, bold, roman};

use super::{Block, TOPICS, Topic};
use crate::error::{Kind, PathContext, Result};
use crate::system::{Here, System as _};

/// Writes `devenv.1`, `devenv-up.1`, …, `devenv-hosts.7`, … into a folder, and gives their paths in
/// order.
pub fn write(command: clap::Command, folder: &Path) -> Result<Vec<PathBuf>> {
    Here::create_private(folder).at(Kind::Usage, "create", folder)?;
    clap_mangen::generate_to(command, folder).at(Kind::Usage, "write the pages to", folder)?;
    for topic in TOPICS {
        let path = folder.join(format!("devenv-{}.7", topic.name));
        fs::write(&path, page(topic)).at(Kind::Usage, "write", &path)?;
    }
    let entries = fs::read_dir(folder).at(Kind::Usage, "read", folder)?;
    let mut pages: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    pages.retain(|path| path.extension().is_some_and(|it| it == "1" || it == "7"));
    pages.sort();
    Ok(pages)
}

fn page(topic: &Topic) -> String {
    let (name, version) = (format!("devenv-{}", topic.name), env!("CARGO_PKG_VERSION"));
    let mut page = Roff::new();
    page.control("TH", [&*name, "7", "", &*format!("devenv {version}")]);
    page.control("SH", ["NAME"]);
    page.text([roman(format!("{name} - {}", topic.about()))]);
    page.control("SH", ["DESCRIPTION"]);
    for block in topic.blocks() {
        match block {
            Block::Heading(title) => page.control("SH", [&*title]),
            Block::Paragraph(text) => page.control("PP", []).text([roman(text)]),
            Block::Item(text) => page.control("IP", ["\\(bu", "2"]).text([roman(text)]),
            Block::Row(term, text) => {
                let tagged = page.control("TP", []);
                tagged.text([bold(term)]).text([roman(text)])
            }
            Block::Verbatim(lines) => {
                page.control("PP", [])
                    .control("RS", ["4"])
                    .control("nf", []);
                for line in lines {
                    page.text([roman(line)]);
                }
                page.control("fi", []).control("RE", [])
            }
        };
    }
    page.render()
}
