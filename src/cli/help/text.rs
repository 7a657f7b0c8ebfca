//! The few forms that a topic's text has, read from its source and wrapped for a terminal.

use textwrap::{Options, fill};

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// `## Heading`, on a line of its own.
    Heading(String),
    /// Lines that belong together, joined.
    Paragraph(String),
    /// `- item`, its lines joined.
    Item(String),
    /// `| term | meaning |`
    Row(String, String),
    /// Lines indented by four, as they are.
    Verbatim(Vec<String>),
}

/// Reads a source: blocks are separated by empty lines, but items and rows begin anew at each line.
pub(super) fn blocks(source: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in source.lines() {
        if let Some(verbatim) = line.strip_prefix("    ") {
            match blocks.last_mut() {
                Some(Block::Verbatim(lines)) => {
                    if !open {
                        lines.push(String::new());
                    }
                    lines.push(verbatim.to_owned());
                }
                _ => blocks.push(Block::Verbatim(vec![verbatim.to_owned()])),
            }
            open = true;
            continue;
        }
        let line = line.trim();
        if line.is_empty() {
            open = false;
        } else if let Some(heading) = line.strip_prefix("## ") {
            blocks.push(Block::Heading(heading.to_owned()));
            open = false;
        } else if let Some(item) = line.strip_prefix("- ") {
            blocks.push(Block::Item(item.to_owned()));
            open = true;
        } else if let Some(row) = row(line) {
            blocks.push(row);
            open = false;
        } else {
            match blocks.last_mut() {
                Some(Block::Paragraph(text) | Block::Item(text)) if open => {
                    text.push(' ');
                    text.push_str(line);
                }
                _ => blocks.push(Block::Paragraph(line.to_owned())),
            }
            open = true;
        }
    }
    blocks
}

fn row(line: &str) -> Option<Block> {
    let inside = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let (term, meaning) = inside.split_once(" | ")?;
    Some(Block::Row(
        term.trim().to_owned(),
        meaning.trim().to_owned(),
    ))
}

/// Columns of a term; a longer one has its meaning on the next line.
const LONGEST_TERM: usize = 28;

/// Wraps to this many columns; `heading` marks headings.
pub fn terminal(blocks: &[Block], width: usize, heading: fn(&str) -> String) -> String {
    let mut text = String::new();
    for (index, block) in blocks.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| &blocks[before]);
        let continues = matches!(
            (before, block),
            (None, _)
                | (Some(Block::Item(_)), Block::Item(_))
                | (Some(Block::Row(..)), Block::Row(..))
        );
        if !continues {
            text.push('\n');
        }
        let shown = match block {
            Block::Heading(title) => heading(title),
            Block::Paragraph(paragraph) => fill(paragraph, width),
            Block::Item(item) => {
                let options = Options::new(width);
                fill(item, options.initial_indent("- ").subsequent_indent("  "))
            }
            Block::Row(term, meaning) => {
                let options = Options::new(width);
                let column = " ".repeat(term_width(blocks, index) + 4);
                let first = format!("  {term:width$}  ", width = column.len() - 4);
                let begins = first.len() > column.len();
                let options = options.subsequent_indent(&column);
                if begins {
                    let below = fill(meaning, options.initial_indent(&column));
                    format!("  {term}\n{below}")
                } else {
                    fill(meaning, options.initial_indent(&first))
                }
            }
            Block::Verbatim(lines) => {
                let lines = lines.iter().map(|line| format!("    {line}"));
                let lines: Vec<String> = lines.map(|it| it.trim_end().to_owned()).collect();
                lines.join("\n")
            }
        };
        text.push_str(&shown);
        text.push('\n');
    }
    text
}

/// The widest term of the table that this row is in, long ones not counted.
fn term_width(blocks: &[Block], index: usize) -> usize {
    let row = |block: &&Block| matches!(block, Block::Row(..));
    let begin = blocks[..index].iter().rev().take_while(row).count();
    let rows = blocks[index - begin..].iter().take_while(row);
    let widths = rows.map(|block| match block {
        Block::Row(term, _) => term.chars().count(),
        _ => 0,
    });
    widths
        .filter(|it| *it <= LONGEST_TERM)
        .max()
        .unwrap_or(LONGEST_TERM)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
A paragraph that is
written on two lines.

## Heading
| a | first |
| longer | second, and it goes on |

- an item
  of two lines
- another

    $ verbatim

      as it is
";

    #[test]
    fn forms_are_read_and_wrapped() {
        let text = terminal(&blocks(SOURCE), 24, str::to_uppercase);
        assert_eq!(
            text,
            "A paragraph that is\nwritten on two lines.\n\nHEADING\n\n  a       first\n  \
             longer  second, and it\n          goes on\n\n- an item of two lines\n- another\n\n    \
             $ verbatim\n\n      as it is\n"
        );
    }
}
