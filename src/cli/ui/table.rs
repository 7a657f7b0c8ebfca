//! Columns of text, as wide as their widest cell.

use super::style::Style;

/// One cell: its text, and how it is coloured.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    paint: fn(Style, &str) -> String,
}

impl Cell {
    /// A cell in a colour: `Cell::painted("healthy", |style, text| style.green(text))`.
    pub fn painted(text: impl Into<String>, paint: fn(Style, &str) -> String) -> Self {
        Self {
            text: crate::model::visible::printable(&text.into()),
            paint,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::painted(text, |_, text| text.to_owned())
    }
}

/// Aligns rows under a header; the last column is not padded.
pub fn table(style: Style, header: &[&str], rows: &[Vec<Cell>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|title| title.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.text.chars().count());
        }
    }
    let mut text = String::new();
    let header: Vec<Cell> = header
        .iter()
        .map(|title| Cell::painted(*title, |style, text| style.dim(text)))
        .collect();
    for row in std::iter::once(&header).chain(rows) {
        let last = row.len().saturating_sub(1);
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text.push_str(&(cell.paint)(style, &cell.text));
            if column < last {
                let padding = width - cell.text.chars().count() + 2;
                text.extend(std::iter::repeat_n(' ', padding));
            }
        }
        while text.ends_with(' ') {
            text.pop();
        }
        text.push('\n');
    }
    text
}

/// The beginning of a line that fits into `width` columns; colours take none.
pub fn cut(line: &str, width: usize) -> String {
    let whole = visible(line) <= width;
    let (mut text, mut columns, mut escape) = (String::new(), 0, false);
    for c in line.chars() {
        escape = escape || c == '\u{1b}';
        if escape {
            escape = c != 'm';
            text.push(c);
            continue;
        }
        columns += 1;
        if columns < width || (columns == width && whole) {
            text.push(c);
        } else if columns == width {
            text.push('…');
        }
    }
    text
}

fn visible(line: &str) -> usize {
    let mut escape = false;
    line.chars()
        .filter(|c| {
            let inside = escape || *c == '\u{1b}';
            escape = inside && *c != 'm';
            !inside
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_but_its_colours_end() {
        let green = Style::new(true).green("running");
        assert_eq!(cut(&green, 7), green);
        assert_eq!(cut(&green, 4), "\u{1b}[32mrun…\u{1b}[0m");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = vec![
            vec![Cell::from("billing"), Cell::from("1.4.2")],
            vec![Cell::from("a"), Cell::from("2")],
        ];
        assert_eq!(
            table(Style::new(false), &["NAME", "VERSION"], &rows),
            "NAME     VERSION\nbilling  1.4.2\na        2\n"
        );
    }
}
