//! What an image itself tells about the rules of the policy. Pure.

use crate::model::container::Definition;
use crate::model::container::Kind;
use crate::model::name::ContainerName;
use crate::model::norms::{Finding, Norms, Rule};
use crate::model::text::Word;
use crate::model::visible::visible;
use crate::release::check::findings::is_root;
use crate::release::layout::contents::Contents;

/// What is known of an image.
#[derive(Debug, Clone, Copy)]
pub(in crate::release) struct Facts<'a> {
    pub(in crate::release) container: &'a ContainerName,
    pub(in crate::release) definition: &'a Definition,
    /// The user that its configuration names.
    pub(in crate::release) user: &'a str,
    pub(in crate::release) contents: &'a Contents,
}

/// Everything that a rule may be about.
pub(in crate::release) fn findings(norms: &Norms, facts: &Facts<'_>) -> Vec<Finding> {
    let (definition, contents) = (facts.definition, facts.contents);
    let mut found = Vec::new();
    let mut add = |rule: Rule, texts: Vec<String>| {
        found.extend(texts.into_iter().map(|text| Finding {
            rule: rule.clone(),
            container: facts.container.clone(),
            place: None,
            text,
            is_all: true,
        }));
    };
    // Who is root by the image's own list of users only: what the definition alone tells is found there.
    let named = definition.user.as_ref().map(Word::as_str);
    let told = named.is_some_and(|user| is_root(user, &[]));
    let user = named.unwrap_or(facts.user);
    if definition.kind != Kind::Base && !told && is_root(user, &contents.passwd) {
        let text = match (named, user) {
            (None, "") => "the image names no user: it runs as root".to_owned(),
            (None, user) => format!("the image's user `{}` is root", visible(user)),
            (Some(_), user) => format!("`user: {user}` is root by the image's /etc/passwd"),
        };
        add(Rule::Root, vec![text]);
    }
    let setuid = contents.setuid.iter();
    let setuid = setuid.map(|path| format!("{path} runs as another user than who starts it"));
    add(Rule::Setuid, setuid.collect());
    if let Some(largest) = norms.largest().filter(|it| contents.size > it.get()) {
        let size = contents.size / (1 << 20);
        let text = format!("the image has {size} MiB, more than {largest}");
        add(Rule::Size, vec![text]);
    }
    let forbidden = contents.packages.iter().filter(|package| {
        let mut patterns = norms.forbidden().iter();
        patterns.any(|pattern| package.is_like(pattern))
    });
    let forbidden = forbidden.map(|package| match &package.place {
        Some(place) => format!("the package {package} in {place}"),
        None => format!("the package {package}"),
    });
    add(Rule::Packages, forbidden.collect());
    if !norms.forbidden().is_empty() {
        let unread = contents.unread.iter();
        let unread = unread.map(|path| format!("the packages in {path} cannot be read"));
        add(Rule::Packages, unread.collect());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sbom::{Origin, Package};

    fn texts(definition: &str, user: &str, contents: &Contents) -> Vec<String> {
        let norms = "schema: 1\nrules:\n  size: { level: warn, largest: 1MiB }\n  \
                     packages: { level: refuse, forbidden: ['telnet*'] }\n";
        let norms = Norms::parse("policy.yaml", norms.as_bytes()).unwrap();
        let definition: Definition =
            crate::model::yaml::read(crate::error::Kind::Usage, "x", definition.as_bytes())
                .unwrap();
        let facts = Facts {
            container: &ContainerName::new("billing").unwrap(),
            definition: &definition,
            user,
            contents,
        };
        let found = findings(&norms, &facts).into_iter();
        found
            .map(|it| format!("{}: {}", it.rule, it.text))
            .collect()
    }

    #[test]
    fn each_rule_finds_its_own() {
        let clean = Contents::default();
        assert!(texts("{}", "tomcat", &clean).is_empty());
        assert_eq!(
            texts("{}", "", &clean),
            ["root: the image names no user: it runs as root"]
        );
        assert_eq!(
            texts("{}", "0:0", &clean),
            ["root: the image's user `0:0` is root"]
        );
        // The definition's user counts, and a base does not run.
        assert!(texts("user: tomcat", "", &clean).is_empty());
        assert!(texts("kind: base", "", &clean).is_empty());
        // A name is whom the image says it is; what is root in every image is told by the folder.
        let renamed = Contents {
            passwd: b"tomcat:x:0:0::/:/bin/sh\n".to_vec(),
            ..Contents::default()
        };
        assert_eq!(
            texts("user: tomcat", "nobody", &renamed),
            ["root: `user: tomcat` is root by the image's /etc/passwd"]
        );
        assert!(texts("user: root", "", &renamed).is_empty());
        assert!(texts("{ kind: base, user: tomcat }", "", &renamed).is_empty());
        let package = Package {
            origin: Origin::Deb,
            name: "telnetd".to_owned(),
            version: "1".to_owned(),
            architecture: None,
            place: None,
        };
        let dirty = Contents {
            setuid: vec!["/bin/x".to_owned()],
            size: 3 << 20,
            packages: [package].into(),
            unread: vec!["/var/lib/rpm/Packages".to_owned()],
            ..Contents::default()
        };
        assert_eq!(
            texts("{}", "tomcat", &dirty),
            [
                "setuid: /bin/x runs as another user than who starts it",
                "size: the image has 3 MiB, more than 1MiB",
                "packages: the package telnetd 1",
                "packages: the packages in /var/lib/rpm/Packages cannot be read",
            ]
        );
    }
}
