//! What a server says in its own words after a push: addresses, boxes of warnings.

use super::place::Place;

/// The sense of a server's lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// The request's address, on the forge's host.
    pub request: Option<String>,
    /// Where one could be made by hand: the push made none.
    pub offered: Option<String>,
    /// Why the request is not as asked.
    pub failures: Vec<String>,
    /// Addresses of other hosts, which are not shown.
    pub foreign: usize,
}

/// The longest address that is taken.
const LONGEST: usize = 2000;

/// Reads lines where an address follows, on the same line or the next one, a line in which
/// `request` or `offer` is found. Addresses of other hosts are counted and left out.
pub fn hear(
    said: &[String],
    place: &Place,
    request: impl Fn(&str) -> bool,
    offer: impl Fn(&str) -> bool,
) -> Heard {
    enum Next {
        Nothing,
        Request,
        Offer,
    }
    let mut heard = Heard::default();
    let mut next = Next::Nothing;
    for line in said {
        if request(line) {
            next = Next::Request;
        } else if offer(line) {
            next = Next::Offer;
        }
        let mut words = line.split_whitespace();
        let Some(url) = words.find(|it| it.starts_with("http://") || it.starts_with("https://"))
        else {
            continue;
        };
        if url.len() > LONGEST || !place.holds(url) {
            heard.foreign += 1;
            continue;
        }
        match next {
            Next::Request => heard.request = Some(url.to_owned()),
            Next::Offer => heard.offered = Some(url.to_owned()),
            Next::Nothing => {}
        }
        next = Next::Nothing;
    }
    heard
}
