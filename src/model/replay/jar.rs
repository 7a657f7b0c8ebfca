//! The cookies of one session in one instance: each instance gives its own. Pure.
//!
//! Source: RFC 6265, as far as one site needs it.

use std::collections::BTreeMap;

/// Cookies that are kept.
const MOST: usize = 100;

/// Bytes of one cookie.
const LONGEST: usize = 8192;

/// What a client was given.
#[derive(Debug, Default)]
pub struct Jar(BTreeMap<(String, String), String>);

impl Jar {
    /// Takes a `Set-Cookie` of an answer to a request for this path.
    pub fn take(&mut self, field: &str, path: &str) {
        let mut parts = field.split(';').map(str::trim);
        let pair = parts.next().and_then(|it| it.split_once('='));
        let Some((name, value)) = pair.filter(|_| field.len() <= LONGEST) else {
            return;
        };
        let mut place = folder(path).to_owned();
        let mut is_gone = false;
        for part in parts {
            let (key, said) = part.split_once('=').unwrap_or((part, ""));
            match key.trim().to_ascii_lowercase().as_str() {
                "path" if said.starts_with('/') => said.trim().clone_into(&mut place),
                "max-age" => is_gone = said.trim().parse::<i64>().is_ok_and(|it| it <= 0),
                "expires" => is_gone |= said.contains("1970"),
                _ => {}
            }
        }
        let key = (name.trim().to_owned(), place);
        if is_gone {
            self.0.remove(&key);
        } else if self.0.len() < MOST || self.0.contains_key(&key) {
            self.0.insert(key, value.trim().to_owned());
        }
    }

    /// The `Cookie` field of a request for this path; `None`: there is none.
    pub fn field(&self, path: &str) -> Option<String> {
        let is_for = |place: &str| {
            let rest = path.strip_prefix(place);
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || place.ends_with('/')
            })
        };
        let mut all: Vec<_> = self
            .0
            .iter()
            .filter(|((_, place), _)| is_for(place))
            .collect();
        all.sort_by_key(|((_, place), _)| std::cmp::Reverse(place.len()));
        let pairs: Vec<String> = all
            .iter()
            .map(|((name, _), value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// The folder that a path is in, without its last slash.
fn folder(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(at) => &path[..at],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_go_where_they_belong() {
        let mut jar = Jar::default();
        jar.take("SID=one; Path=/billing; HttpOnly", "/billing/x");
        jar.take("lang=fr", "/shop/pages/a");
        jar.take("all=1; path=/", "/shop");
        jar.take("without", "/");
        for (path, wanted) in [
            ("/billing", Some("SID=one; all=1")),
            ("/billings", Some("all=1")),
            ("/shop/pages", Some("lang=fr; all=1")),
            ("/", Some("all=1")),
        ] {
            assert_eq!(jar.field(path).as_deref(), wanted, "{path}");
        }
        jar.take("SID=two; Path=/billing", "/billing");
        assert_eq!(jar.field("/billing/y").unwrap(), "SID=two; all=1");
        jar.take("SID=; Path=/billing; Max-Age=0", "/billing");
        jar.take("all=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "/");
        assert_eq!(jar.field("/billing"), None);
    }
}
