//! Lines of logs: what may be a session or a login by its place in them.

use super::{GONE, LOGINS, Scrub, pairs, tells};

/// Characters of what follows `Bearer` or `Basic`, at least: shorter ones are words.
const SHORTEST_LOGIN: usize = 4;

/// The name that servlet containers give sessions, in a cookie and in a path.
const SESSION: &str = "jsessionid";

/// What stands in a line, and where.
struct Found {
    start: usize,
    end: usize,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Cookies,
    Login,
    Session,
    Parameter,
}

impl Scrub {
    /// A line as it may be kept: without values that are known, and without what may be a login or a session
    /// by its place, in the words of [`Self::request`].
    #[must_use]
    pub fn line(&mut self, line: &str) -> String {
        // Values first: a part of one may look like a parameter.
        let line = self.text(line);
        let low = line.to_ascii_lowercase();
        let mut all: Vec<Found> = cookies(&low).collect();
        all.extend(logins(&low));
        all.extend(sessions(&low));
        all.extend(parameters(&low));
        all.sort_by_key(|it| (it.start, std::cmp::Reverse(it.end)));
        let (mut kept, mut end) = (String::with_capacity(line.len()), 0);
        for it in all {
            if it.start < end {
                continue;
            }
            kept.push_str(&line[end..it.start]);
            let value = &line[it.start..it.end];
            kept.push_str(&match it.kind {
                Kind::Cookies => {
                    let all = pairs(value).into_iter().map(|it| self.cookie(it));
                    all.collect::<Vec<_>>().join("; ")
                }
                Kind::Login => self.login(value),
                Kind::Session => self.word("JSESSIONID", value),
                Kind::Parameter => GONE.to_owned(),
            });
            end = it.end;
        }
        kept.push_str(&line[end..]);
        kept
    }

    fn word(&mut self, name: &str, value: &str) -> String {
        let whole = self.cookie((name.to_owned(), value.to_owned()));
        let word = whole.split_once('=').map(|(_, word)| word.to_owned());
        word.unwrap_or(whole)
    }
}

/// Where each of the words ends in a line of small letters.
fn after<'l>(low: &'l str, word: &'l str) -> impl Iterator<Item = usize> + 'l {
    low.match_indices(word).map(move |(at, _)| at + word.len())
}

/// The value of a field whose name ends here: `: value`, `="value"`; to the quote or the end of the line.
fn field(low: &str, name_ends: usize) -> Option<(usize, usize)> {
    let rest = &low[name_ends..];
    let name = rest.trim_start_matches(['"', '\'']).trim_start();
    let value = name.strip_prefix([':', '='])?;
    let value = value
        .trim_start()
        .trim_start_matches(['"', '\'', '[', '\\']);
    let start = low.len() - value.len();
    let end = value
        .find(['"', '\'', '\\', ']'])
        .map_or(low.len(), |it| start + it);
    (start < end).then_some((start, end))
}

fn cookies(low: &str) -> impl Iterator<Item = Found> {
    let fields = after(low, "cookie").filter_map(move |at| field(low, at));
    fields
        .filter(move |(start, end)| low[*start..*end].contains('='))
        .map(|(start, end)| Found {
            start,
            end,
            kind: Kind::Cookies,
        })
}

fn logins(low: &str) -> impl Iterator<Item = Found> {
    let of_field = move |name: &'static str| after(low, name).filter_map(move |at| field(low, at));
    let fields = LOGINS.into_iter().flat_map(of_field);
    let schemes = ["bearer ", "basic "].into_iter();
    let alone = schemes
        .flat_map(move |it| after(low, it))
        .filter_map(move |start| {
            let is_word = |it: char| it.is_ascii_alphanumeric() || "+/=._~-".contains(it);
            let end = low[start..].find(|it: char| !is_word(it));
            let end = end.map_or(low.len(), |it| start + it);
            let value = &low[start..end];
            let has_digit =
                value.contains(|it: char| it.is_ascii_digit() || it == '=' || it == '.');
            (value.len() >= SHORTEST_LOGIN && (has_digit || value.len() > 10))
                .then_some((start, end))
        });
    fields.chain(alone).map(|(start, end)| Found {
        start,
        end,
        kind: Kind::Login,
    })
}

fn sessions(low: &str) -> impl Iterator<Item = Found> {
    after(low, SESSION).filter_map(move |at| {
        let value = low[at..].strip_prefix('=')?;
        let start = at + 1;
        let is_part = |it: char| it.is_ascii_alphanumeric() || "._-~!:".contains(it);
        let end = value.find(|it: char| !is_part(it));
        let end = end.map_or(low.len(), |it| start + it);
        (start < end).then_some(Found {
            start,
            end,
            kind: Kind::Session,
        })
    })
}

/// `?password=x&…`
fn parameters(low: &str) -> impl Iterator<Item = Found> {
    low.match_indices(['?', '&']).filter_map(move |(at, _)| {
        let whole = &low[at + 1..];
        let (name, value) = whole.split_once('=')?;
        let is_name = name.len() <= 60 && !name.contains([' ', '"', '&', '?']);
        if !is_name || !tells(name) {
            return None;
        }
        let start = low.len() - value.len();
        let end = value.find(|it: char| "&\"' <>".contains(it));
        let end = end.map_or(low.len(), |it| start + it);
        (start < end).then_some(Found {
            start,
            end,
            kind: Kind::Parameter,
        })
    })
}
