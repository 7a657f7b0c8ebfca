//! What definitions alone tell about the rules of the policy. Pure.

use jiff::Timestamp;

use super::container::Folder;
use crate::definitions::TreeFile;
use crate::error::Place;
use crate::model::container::Kind;
use crate::model::name::{ContainerName, Version};
use crate::model::norms::{Finding, Rule};
use crate::release::build::suspicious;

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// What a container's folder tells; `definition` is its `container.yaml`.
pub fn of_folder(folder: &Folder<'_>, definition: &[u8]) -> Vec<Finding> {
    let finding = |rule, place, text| Finding {
        rule,
        container: folder.name.clone(),
        place: Some(place),
        text,
        is_all: true,
    };
    let path = folder.path();
    let mut found = Vec::new();
    let user = folder.definition.user.as_ref();
    if let Some(user) = user.filter(|user| is_root(user.as_str(), &[])) {
        let place = Place::file(format!("{path}/container.yaml"));
        let text = format!("`user: {user}` runs as root");
        found.push(finding(Rule::Root, place, text));
    }
    found.extend(missing_configurations(folder).map(|environment| {
        let place = Place::file(format!("{path}/configuration"));
        let text = format!("there is no configuration for {environment}");
        finding(Rule::Configuration, place, text)
    }));
    let definition = TreeFile {
        path: "container.yaml".to_owned(),
        executable: false,
        bytes: definition.to_vec(),
    };
    let scanned = suspicious::scan(folder.files);
    let secrets = scanned.into_iter().chain(suspicious::scan(&[definition]));
    found.extend(secrets.map(|it| {
        let place = Place::line(format!("{path}/{}", it.path), it.line);
        let text = format!(
            "{} is readable by everybody who can pull the image",
            it.what
        );
        finding(Rule::Secrets, place, text)
    }));
    found
}

/// Whether a user is root: by name, by number, or by a line of `passwd`. Source: runc reads a line's
/// number as 0 where it is none.
pub fn is_root(user: &str, passwd: &[u8]) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    let number = |text: &str| text.parse::<i64>().ok();
    let text = String::from_utf8_lossy(passwd);
    let by_line = text.lines().any(|line| {
        let mut fields = line.trim().split(':');
        fields.next() == Some(name) && fields.nth(1).and_then(number).unwrap_or(0) == 0
    });
    name.is_empty() || name == "root" || number(name) == Some(0) || by_line
}

/// Environments for which there is nothing, where there is something for one.
fn missing_configurations<'a>(folder: &'a Folder<'_>) -> impl Iterator<Item = &'a str> {
    let has = |name: &str| {
        let begin = format!("configuration/{name}/");
        folder
            .files
            .iter()
            .any(|file| file.path.starts_with(&begin))
    };
    let any = folder.definition.kind != Kind::Base
        && folder
            .files
            .iter()
            .any(|it| it.path.starts_with("configuration/"));
    let environments = folder.catalogue.platform.environments.iter();
    environments
        .map(AsRef::as_ref)
        .filter(move |name| any && !has(name))
}

/// A released version, or one that is about to be, and the base that it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// Which container.
    pub container: ContainerName,
    /// Its version.
    pub version: Version,
    /// The base.
    pub base: ContainerName,
    /// The base's version beneath it.
    pub base_version: Version,
    /// When that was released, where it is known.
    pub base_built: Option<Timestamp>,
    /// The base's version that is released now.
    pub newest: Option<Version>,
}

impl Stand {
    /// What is old or superseded in it.
    pub fn findings(&self, oldest_days: u32, now: Timestamp) -> Vec<Finding> {
        let (base, version) = (&self.base, &self.base_version);
        let stands = format!("{} stands on {base} {version}", self.version);
        let mut texts = Vec::new();
        if let Some(newest) = self.newest.as_ref().filter(|newest| *newest != version) {
            texts.push(format!("{stands}; {newest} is released"));
        }
        let days = self
            .base_built
            .map(|built| (now.as_second() - built.as_second()) / DAY);
        if let Some(days) = days.filter(|days| *days > i64::from(oldest_days)) {
            texts.push(format!("{stands}, which is {days} days old"));
        }
        let finding = |text| Finding {
            rule: Rule::Base,
            container: self.container.clone(),
            place: None,
            text,
            is_all: true,
        };
        texts.into_iter().map(finding).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_several_names() {
        let passwd = b"root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\ntomcat:x:100:0::/:/bin/sh\n\
            oo:x:00:5::/:/bin/sh\nno:x:y:5::/:/bin/sh\nshort\n";
        for root in [
            "",
            "root",
            "0",
            "0:5",
            "00",
            "+0",
            "-0",
            "root:tomcat",
            "toor",
            "oo",
            "no",
            "short",
        ] {
            assert!(is_root(root, passwd), "{root}");
        }
        for other in ["tomcat", "100", "tomcat:0", "5:0"] {
            assert!(!is_root(other, passwd), "{other}");
        }
    }

    #[test]
    fn a_base_is_old_or_superseded() {
        let version = |text: &str| Version::new(text).unwrap();
        let stand = Stand {
            container: ContainerName::new("billing").unwrap(),
            version: version("1.4"),
            base: ContainerName::new("tomcat").unwrap(),
            base_version: version("10.1"),
            base_built: Some(Timestamp::UNIX_EPOCH),
            newest: Some(version("10.1")),
        };
        let found = |stand: &Stand, day: i64| -> Vec<String> {
            let now = Timestamp::from_second(day * DAY).unwrap();
            let found = stand.findings(90, now).into_iter();
            found.map(|it| it.text).collect()
        };
        assert!(found(&stand, 90).is_empty());
        assert_eq!(
            found(&stand, 91),
            ["1.4 stands on tomcat 10.1, which is 91 days old"]
        );
        let superseded = Stand {
            newest: Some(version("10.2")),
            ..stand
        };
        assert_eq!(
            found(&superseded, 1),
            ["1.4 stands on tomcat 10.1; 10.2 is released"]
        );
    }
}
