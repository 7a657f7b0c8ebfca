//! `WWW-Authenticate` (RFC 9110 §11.6.1): what a registry asks for.

use std::collections::BTreeMap;

/// How to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password in every request.
    Basic,
    /// A token from `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
        error: Option<String>,
    },
}

impl Challenge {
    /// What the refused request would have needed.
    pub(super) fn scope(&self) -> Option<&str> {
        match self {
            Self::Basic => None,
            Self::Bearer { scope, .. } => scope.as_deref(),
        }
    }

    /// The strongest challenge that is understood: a token before a password.
    pub(super) fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let offers: Vec<_> = headers.flat_map(parse).collect();
        let bearer = offers.iter().find_map(|(scheme, parameters)| {
            let get = |key: &str| parameters.get(key).cloned();
            scheme
                .eq_ignore_ascii_case("bearer")
                .then(|| get("realm"))
                .flatten()
                .map(|realm| Self::Bearer {
                    realm,
                    service: get("service"),
                    scope: get("scope"),
                    error: get("error"),
                })
        });
        bearer.or_else(|| {
            offers
                .iter()
                .any(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
                .then_some(Self::Basic)
        })
    }
}

/// The challenges of one header: a scheme, then `key=value` or `key="value"` with commas between.
fn parse(header: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut challenges: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        if word.is_empty() {
            return challenges;
        }
        let Some(value) = tail.strip_prefix('=') else {
            challenges.push((word.to_owned(), BTreeMap::new()));
            rest = tail;
            continue;
        };
        let (value, tail) = value_of(value);
        if let Some((_, parameters)) = challenges.last_mut() {
            parameters.entry(word.to_ascii_lowercase()).or_insert(value);
        }
        rest = tail;
    }
}

/// A token or a quoted string, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_with_commas_inside_quotes() {
        let header = r#"Bearer realm="https://a.example/token",service="reg\"x", scope="repository:a/b:pull,push",error=insufficient_scope"#;
        assert_eq!(
            Challenge::choose([header].into_iter()),
            Some(Challenge::Bearer {
                realm: "https://a.example/token".into(),
                service: Some("reg\"x".into()),
                scope: Some("repository:a/b:pull,push".into()),
                error: Some("insufficient_scope".into()),
            })
        );
    }

    #[test]
    fn several_challenges_in_one_header_or_more() {
        let one = r#"Basic realm="x", Bearer realm="https://t""#;
        assert!(matches!(
            Challenge::choose([one].into_iter()),
            Some(Challenge::Bearer { .. })
        ));
        let basic = Challenge::choose(["Negotiate", r#"basic realm="x, y""#].into_iter());
        assert_eq!(basic, Some(Challenge::Basic));
    }

    #[test]
    fn what_is_not_understood_is_no_challenge() {
        for odd in [
            "",
            "=",
            "Negotiate",
            "Bearer",
            "Bearer realm",
            ",,,",
            "\"",
            "a=\"b",
        ] {
            assert_eq!(Challenge::choose([odd].into_iter()), None, "{odd}");
        }
    }
}
