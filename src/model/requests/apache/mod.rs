//! Which directives of Apache's configuration are about a request: the rules of routing and caching. Pure.

mod configuration;

pub use configuration::{Directive, Files, LARGEST, Section};

use serde::Serialize;

use super::target::Target;

/// A directive that is about a request, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// As it is written, on one line.
    pub text: String,
    /// The file in the proxy's image.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// Whether it surely applies; else a pattern or a condition decides that is not evaluated here.
    pub applies: bool,
}

/// Directives that are about every request in their place.
const CACHING: [&str; 13] = [
    "cachedefaultexpire",
    "cacheignorecachecontrol",
    "cacheignoreheaders",
    "cacheignorenolastmod",
    "cacheignorequerystring",
    "cachelock",
    "cachemaxexpire",
    "cacheminexpire",
    "cachestaleonerror",
    "cachestoreexpired",
    "cachestorenostore",
    "cachestoreprivate",
    "expiresdefault",
];

/// Directives that say for which paths they are.
const BY_PATH: [&str; 3] = ["cachedisable", "cacheenable", "proxypass"];

/// Directives that say so by a pattern.
const BY_PATTERN: [&str; 3] = ["proxypassmatch", "rewriterule", "expiresbytype"];

/// Fields of an answer that a `Header` directive may change so that caches behave otherwise.
const FIELDS: [&str; 5] = ["cache-control", "expires", "pragma", "set-cookie", "vary"];

/// The rules for a request, in the order of the configuration; of the paths that the same directive names,
/// the one that wins.
pub fn rules(directives: &[Directive], target: &Target) -> Vec<Rule> {
    let host = chosen_host(directives, target);
    let here = directives.iter().filter(|it| is_in(it, host));
    let mut found: Vec<(&Directive, bool)> = here
        .filter_map(|it| Some((it, applies(it, target)?)))
        .collect();
    keep_the_winning_route(&mut found);
    found
        .into_iter()
        .map(|(it, applies)| Rule {
            text: without_secrets(it),
            file: it.file.clone(),
            line: it.line,
            applies,
        })
        .collect()
}

/// A backend's password is no rule: `secret=…`.
fn without_secrets(directive: &Directive) -> String {
    let mut shown = directive.clone();
    for word in &mut shown.arguments {
        let name = word.split('=').next().unwrap_or_default();
        if ["secret", "password"].contains(&name.to_ascii_lowercase().as_str()) {
            *word = format!("{name}=…");
        }
    }
    shown.text()
}

/// The first of several `ProxyPass` that fit is the one that counts. Source: `mod_proxy`.
fn keep_the_winning_route(found: &mut Vec<(&Directive, bool)>) {
    let mut seen = false;
    found.retain(|(it, _)| {
        let is_route = it.name == "proxypass";
        let goes = is_route && seen;
        seen |= is_route;
        !goes
    });
}

/// The place of the virtual host that answers: the one with the name, else the first.
fn chosen_host(directives: &[Directive], target: &Target) -> Option<usize> {
    let number = |it: &Directive| {
        it.within.iter().find_map(|section| match section {
            Section::VirtualHost(number) => Some(*number),
            _ => None,
        })
    };
    let named = target.host.as_ref().and_then(|host| {
        let local = format!("{host}.localhost");
        let mut names = directives
            .iter()
            .filter(|it| ["servername", "serveralias"].contains(&it.name.as_str()));
        let says = |word: &String| {
            let word = word.split(':').next().unwrap_or_default();
            word.eq_ignore_ascii_case(host.as_str()) || word.eq_ignore_ascii_case(&local)
        };
        names.find_map(|it| number(it).filter(|_| it.arguments.iter().any(says)))
    });
    named.or_else(|| directives.iter().find_map(number))
}

fn is_in(directive: &Directive, host: Option<usize>) -> bool {
    directive.within.iter().all(|section| match section {
        Section::VirtualHost(number) => Some(*number) == host,
        Section::Elsewhere => false,
        _ => true,
    })
}

/// Whether it is about the request: surely, perhaps, or (`None`) not at all.
fn applies(directive: &Directive, target: &Target) -> Option<bool> {
    let mut surely = true;
    for section in &directive.within {
        match section {
            Section::Location(path) if !target.is_below(path) => return None,
            Section::Condition => surely = false,
            _ => {}
        }
    }
    let name = directive.name.as_str();
    let located = directive
        .within
        .iter()
        .any(|it| matches!(it, Section::Location(_)));
    let is_about = if CACHING.contains(&name) {
        true
    } else if BY_PATTERN.contains(&name) {
        surely = false;
        true
    } else if BY_PATH.contains(&name) {
        // In a section the section's own path counts, and `on` may stand for it.
        let path = directive.arguments.iter().find(|it| it.starts_with('/'));
        path.map_or(located, |path| target.is_below(path))
    } else if name == "header" {
        let mut words = directive.arguments.iter();
        words.any(|it| FIELDS.contains(&it.to_ascii_lowercase().as_str()))
    } else {
        false
    };
    is_about.then_some(surely)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "/etc/apache2/apache2.conf";

    fn told(target: &str) -> Vec<String> {
        let files = Files::new([
            (
                ROOT,
                "ServerRoot \"/etc/apache2\"\nIncludeOptional conf-enabled/*.conf\n\
                 IncludeOptional sites-enabled/*.conf\n",
            ),
            (
                "/etc/apache2/conf-enabled/front.conf",
                "CacheEnable disk \"/\"\n# Header set Cache-Control x\n<IfModule mod_headers.c>\n\
                 Header setifempty Cache-Control \\\n  no-store\nHeader set X-Other y\n</IfModule>\n\
                 <LocationMatch ^/.*\\.css$>\nCacheDefaultExpire 60\n</LocationMatch>\n\
                 <Directory /srv>\nCacheStoreNoStore On\n</Directory>\n",
            ),
            (
                "/etc/apache2/sites-enabled/routes.conf",
                "<VirtualHost *:80>\nProxyPass /.health !\nCacheDisable /.health\n\
                 ProxyPass /billing/old http://old/\nProxyPass /billing http://billing:8080/billing\n\
                 <Location /billing>\nHeader add Set-Cookie \"ROUTE=.1; Path=/\"\n</Location>\n\
                 </VirtualHost>\n<VirtualHost *:80>\nServerName shop.example\n\
                 ProxyPass / http://shop:8080/ secret=hunter2\n</VirtualHost>\n",
            ),
        ]);
        let rules = rules(&files.directives(ROOT), &Target::parse(target).unwrap());
        let line = |it: &Rule| {
            let file = it.file.rsplit('/').next().unwrap();
            let maybe = if it.applies { "" } else { "? " };
            format!("{maybe}{}:{} {}", file, it.line, it.text)
        };
        rules.iter().map(line).collect()
    }

    const ALWAYS: [&str; 3] = [
        "front.conf:1 CacheEnable disk /",
        "front.conf:4 Header setifempty Cache-Control no-store",
        "? front.conf:9 CacheDefaultExpire 60",
    ];

    #[test]
    fn rules_are_those_of_the_path_and_the_host() {
        let with = |rest: &[&'static str]| [&ALWAYS[..], rest].concat();
        assert_eq!(
            told("/billing/x"),
            with(&[
                "routes.conf:5 ProxyPass /billing http://billing:8080/billing",
                "routes.conf:7 Header add Set-Cookie \"ROUTE=.1; Path=/\"",
            ])
        );
        assert_eq!(
            told("/.health"),
            with(&[
                "routes.conf:2 ProxyPass /.health !",
                "routes.conf:3 CacheDisable /.health"
            ])
        );
        assert_eq!(
            told("http://shop.example.localhost/billing"),
            with(&["routes.conf:12 ProxyPass / http://shop:8080/ secret=…"])
        );
        assert_eq!(told("/"), with(&[]));
    }
}
