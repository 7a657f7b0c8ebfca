//! Apache's configuration as directives in their order, includes followed. Pure.
//!
//! Source: Apache HTTP Server 2.4, "Configuration Files".

use std::collections::BTreeMap;

/// Bytes of all files together; what is larger is no configuration.
pub const LARGEST: usize = 8 << 20;

/// Files within files.
const DEEPEST: usize = 16;

/// Directives of one configuration.
const MOST: usize = 50_000;

/// Where a directive stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Section {
    /// A virtual host, counted in their order.
    VirtualHost(usize),
    /// A path and what is below it.
    Location(String),
    /// Something that is not evaluated here: a pattern, an expression.
    Condition,
    /// What is surely there: `IfModule` of modules that are loaded in such images, `IfDefine`.
    Open,
    /// Folders and files of the proxy itself: nothing that a container answers.
    Elsewhere,
}

/// One directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// In lower case.
    pub name: String,
    /// Its words, without their quotes.
    pub arguments: Vec<String>,
    /// The file that it stands in.
    pub file: String,
    /// Its first line there, from 1.
    pub line: usize,
    /// The sections around it, outermost first.
    pub within: Vec<Section>,
    /// Its name as it is written.
    written: String,
}

impl Directive {
    /// On one line; words with spaces in quotes.
    pub fn text(&self) -> String {
        let mut text = self.written.clone();
        for word in &self.arguments {
            let quoted = word.is_empty() || word.contains(char::is_whitespace);
            let mark = if quoted { "\"" } else { "" };
            text.extend([" ", mark, word, mark]);
        }
        text
    }
}

/// The files of a configuration, by their absolute paths.
#[derive(Debug, Clone, Default)]
pub struct Files {
    texts: BTreeMap<String, String>,
    links: BTreeMap<String, String>,
}

/// What is carried along while files are read.
struct Reading {
    found: Vec<Directive>,
    within: Vec<Section>,
    hosts: usize,
    root: String,
}

impl Files {
    /// From paths and texts.
    pub fn new<'t>(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let owned = |(path, text): (&str, &str)| (path.to_owned(), text.to_owned());
        Self {
            texts: texts.into_iter().map(owned).collect(),
            links: BTreeMap::new(),
        }
    }

    /// Adds a file.
    pub fn insert(&mut self, path: String, text: String) {
        self.texts.insert(path, text);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: String, to: &str) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let to = absolute(folder, to);
        self.links.insert(path, to);
    }

    /// Whether a file is there.
    pub fn contains(&self, path: &str) -> bool {
        self.texts.contains_key(path)
    }

    /// The directives of this file and of those that it includes, in their order.
    pub fn directives(&self, path: &str) -> Vec<Directive> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut reading = Reading {
            found: Vec::new(),
            within: Vec::new(),
            hosts: 0,
            root: folder.to_owned(),
        };
        self.read(path, 0, &mut reading);
        reading.found
    }

    fn read(&self, path: &str, depth: usize, reading: &mut Reading) {
        let text = self.texts.get(path).or_else(|| {
            let to = self.links.get(path)?;
            self.texts.get(to)
        });
        let Some(text) = text.filter(|_| depth < DEEPEST) else {
            return;
        };
        let outside = reading.within.len();
        for (line, text) in joined(text) {
            if reading.found.len() >= MOST {
                return;
            }
            if text.starts_with("</") {
                if reading.within.len() > outside {
                    reading.within.pop();
                }
            } else if let Some(inner) = text.strip_prefix('<') {
                let words = words(inner.trim_end().trim_end_matches('>'));
                let section = section(&words, &mut reading.hosts);
                reading.within.push(section);
            } else {
                self.one(&words(&text), (path, line), depth, reading);
            }
        }
        reading.within.truncate(outside);
    }

    fn one(
        &self,
        words: &[String],
        (file, line): (&str, usize),
        depth: usize,
        reading: &mut Reading,
    ) {
        let Some((written, arguments)) = words.split_first() else {
            return;
        };
        let name = written.to_ascii_lowercase();
        let first = arguments.first().map_or("", String::as_str);
        match name.as_str() {
            "serverroot" => first.clone_into(&mut reading.root),
            "include" | "includeoptional" => {
                let pattern = absolute(&reading.root, first);
                for path in self.matching(&pattern) {
                    self.read(&path, depth + 1, reading);
                }
            }
            _ => reading.found.push(Directive {
                name,
                arguments: arguments.to_vec(),
                file: file.to_owned(),
                line,
                within: reading.within.clone(),
                written: written.clone(),
            }),
        }
    }

    /// Files and links that a pattern names, or that are below a folder, by name.
    fn matching(&self, pattern: &str) -> Vec<String> {
        let below = format!("{}/", pattern.trim_end_matches('/'));
        let fits =
            |path: &&String| fits(pattern.as_bytes(), path.as_bytes()) || path.starts_with(&below);
        let mut found: Vec<String> = self
            .texts
            .keys()
            .chain(self.links.keys())
            .filter(fits)
            .cloned()
            .collect();
        found.sort();
        found
    }
}

fn section(words: &[String], hosts: &mut usize) -> Section {
    let name = words
        .first()
        .map_or("", String::as_str)
        .to_ascii_lowercase();
    let argument = words.get(1).map_or("", String::as_str);
    match name.as_str() {
        "virtualhost" => {
            *hosts += 1;
            Section::VirtualHost(*hosts)
        }
        "location" if argument.starts_with('/') => Section::Location(argument.to_owned()),
        "ifmodule" | "ifdefine" | "ifversion" | "requireall" => {
            if argument.starts_with('!') {
                Section::Condition
            } else {
                Section::Open
            }
        }
        "directory" | "directorymatch" | "files" | "filesmatch" | "proxy" | "proxymatch" => {
            Section::Elsewhere
        }
        _ => Section::Condition,
    }
}

/// A path below a folder, unless it is absolute; `..` goes up.
fn absolute(folder: &str, path: &str) -> String {
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether a shell's pattern names a path: `*` and `?` are not for slashes.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while here < path.len() {
        match pattern.get(at) {
            Some(b'*') => {
                again = Some((at + 1, here));
                at += 1;
            }
            Some(b'?') if path[here] != b'/' => (at, here) = (at + 1, here + 1),
            Some(it) if *it == path[here] => (at, here) = (at + 1, here + 1),
            _ => match again {
                Some((after, from)) if path[from] != b'/' => {
                    again = Some((after, from + 1));
                    (at, here) = (after, from + 1);
                }
                _ => return false,
            },
        }
    }
    pattern[at..].iter().all(|it| *it == b'*')
}

/// Lines with what continues them, each with its number; without comments and empty ones.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let (continued, line) = match line.strip_suffix('\\') {
            Some(line) => (true, line),
            None => (false, line),
        };
        let (number, mut whole) = open.take().unwrap_or((index + 1, String::new()));
        whole.push_str(line);
        if continued {
            open = Some((number, whole));
            continue;
        }
        let whole = whole.trim();
        if !whole.is_empty() && !whole.starts_with('#') {
            found.push((number, whole.to_owned()));
        }
    }
    found
}

/// Words as Apache divides them: quotes keep spaces, a backslash keeps a quote.
fn words(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut characters = line.chars().peekable();
    loop {
        while characters.next_if(|it| it.is_whitespace()).is_some() {}
        let Some(first) = characters.peek().copied() else {
            return found;
        };
        let quote = ['"', '\''].contains(&first).then_some(first);
        if quote.is_some() {
            characters.next();
        }
        let mut word = String::new();
        while let Some(next) = characters.next() {
            match quote {
                Some(quote) if next == quote => break,
                Some(quote) if next == '\\' && characters.peek() == Some(&quote) => {
                    word.extend(characters.next());
                }
                None if next.is_whitespace() => break,
                _ => word.push(next),
            }
        }
        found.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_patterns() {
        assert_eq!(
            words(r#"Header add Set-Cookie "a=\"b\"; c" 'd e' f"g"#),
            ["Header", "add", "Set-Cookie", "a=\"b\"; c", "d e", "f\"g"]
        );
        for (pattern, path, wanted) in [
            ("/a/*.conf", "/a/b.conf", true),
            ("/a/*.conf", "/a/b/c.conf", false),
            ("/a/*/x.conf", "/a/b/x.conf", true),
            ("/a/?.conf", "/a/b.conf", true),
            ("/a/*", "/a/", true),
            ("/a/b", "/a/bc", false),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), path.as_bytes()),
                wanted,
                "{pattern} {path}"
            );
        }
        assert_eq!(absolute("/etc/x/y", "../z/./a"), "/etc/x/z/a");
    }

    #[test]
    fn links_are_followed_and_circles_end() {
        let mut files = Files::new([
            ("/e/a.conf", "Include on/*.conf\nInclude a.conf\n"),
            ("/e/there/b.conf", "One 1\n"),
        ]);
        files.link("/e/on/b.conf".to_owned(), "../there/b.conf");
        let found = files.directives("/e/a.conf");
        assert_eq!(found.len(), DEEPEST - 1);
        assert_eq!(found[0].text(), "One 1");
        assert_eq!(found[0].file, "/e/on/b.conf");
    }

    proptest::proptest! {
        /// Whatever stands in a file: it ends, and never panics.
        #[test]
        fn any_text_is_read(text in "(<?/?[A-Za-z*\"\\\\ \n#>]{0,12}){0,40}") {
            let files = Files::new([("/e/a.conf", text.as_str())]);
            let _ = files.directives("/e/a.conf");
        }
    }
}
