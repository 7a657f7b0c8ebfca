//! `WWW-Authenticate` (RFC 9110 §11.6.1): what a registry asks for.

use http_auth::{ChallengeParser, ChallengeRef};

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

    /// The strongest challenge that is understood: a token before a password. What follows a mistake
    /// in a header is not read.
    pub(super) fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let offers: Vec<ChallengeRef<'_>> = headers
            .flat_map(|header| ChallengeParser::new(header).map_while(Result::ok))
            .collect();
        let bearer = offers.iter().filter(|it| is(it, "bearer")).find_map(bearer);
        bearer.or_else(|| {
            let is_basic = offers.iter().any(|it| is(it, "basic"));
            is_basic.then_some(Self::Basic)
        })
    }
}

fn is(offer: &ChallengeRef<'_>, scheme: &str) -> bool {
    offer.scheme.eq_ignore_ascii_case(scheme)
}

fn bearer(offer: &ChallengeRef<'_>) -> Option<Challenge> {
    let get = |name: &str| {
        let mut all = offer.params.iter();
        let (_, value) = all.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.to_unescaped())
    };
    Some(Challenge::Bearer {
        realm: get("realm")?,
        service: get("service"),
        scope: get("scope"),
        error: get("error"),
    })
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
