//! What a new reference changes. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::definitions::TreeFile;
use crate::error::{Error, Result};
use crate::model::difference::{Difference, differences};
use crate::model::name::{ContainerName, Version};
use crate::model::reference::Reference;

/// Fields that every reference has anew.
const EACH_TIME: [&str; 3] = ["number", "created", "commit"];

/// What differs between two references, field by field: versions and run specifications. A digest
/// is shown only where the version is the same.
pub fn between(before: &Reference, after: &Reference) -> Result<Vec<Difference>> {
    let mut found = differences(&fields(before)?, &fields(after)?);
    let versions: Vec<String> = found
        .iter()
        .filter_map(|difference| difference.path.strip_suffix(".version"))
        .map(|container| format!("{container}.digest"))
        .collect();
    found.retain(|difference| !versions.contains(&difference.path));
    Ok(found)
}

fn fields(reference: &Reference) -> Result<Value> {
    let mut value = serde_json::to_value(reference)
        .map_err(|error| Error::bug("cannot compare references").because(error))?;
    if let Some(fields) = value.as_object_mut() {
        for name in EACH_TIME {
            fields.remove(name);
        }
    }
    Ok(value)
}

/// What a proxy image is made of besides the reference in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProxyInputs {
    /// The files beside its definition.
    pub(super) files: Vec<TreeFile>,
    /// The released versions of the bases.
    pub(super) bases: BTreeMap<ContainerName, Version>,
}

/// What differs in the proxy besides the reference: its files by name, its bases by version.
pub(super) fn of_proxy(
    proxy: &ContainerName,
    before: &ProxyInputs,
    after: &ProxyInputs,
) -> Vec<Difference> {
    let value = |inputs: &ProxyInputs| {
        let files = inputs.files.iter().map(|file| {
            let mode = if file.executable { " (executable)" } else { "" };
            let digest = crate::model::digest::Digest::of(&file.bytes);
            let text = format!("sha256 {}…{mode}", digest.short());
            (
                format!("containers/{proxy}/{}", file.path),
                Value::from(text),
            )
        });
        let bases = inputs
            .bases
            .iter()
            .map(|(name, version)| (format!("base {name}"), Value::from(version.as_str())));
        Value::Object(files.chain(bases).collect())
    };
    differences(&value(before), &value(after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reference::tests::{container, reference};

    #[test]
    fn versions_and_specifications_field_by_field() {
        let before = reference(&[container("billing", &[], &[])]);
        let mut after = before.clone();
        after.number += 1;
        after.commit = "d".repeat(40);
        assert_eq!(between(&before, &after).unwrap(), []);
        let billing = after.containers.get_mut("billing").unwrap();
        billing.version = Some(Version::new("1.1").unwrap());
        billing.digest = Some(crate::model::digest::Digest::of(b"other"));
        billing.run.memory = Some("1GiB".parse().unwrap());
        let lines: Vec<_> = between(&before, &after)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                "containers.billing.run.memory: added 1GiB",
                "containers.billing.version: 1.0 → 1.1",
            ]
        );
    }

    #[test]
    fn another_digest_of_the_same_version_is_shown() {
        let before = reference(&[container("billing", &[], &[])]);
        let mut after = before.clone();
        let billing = after.containers.get_mut("billing").unwrap();
        billing.digest = Some(crate::model::digest::Digest::of(b"other"));
        let found = between(&before, &after).unwrap();
        assert_eq!(found[0].path, "containers.billing.digest");
    }

    #[test]
    fn the_proxy_s_own_files_and_bases_count() {
        let front = ContainerName::new("front").unwrap();
        let inputs = |text: &str, version: &str| ProxyInputs {
            files: vec![TreeFile {
                path: "front.conf".to_owned(),
                executable: false,
                bytes: text.as_bytes().to_vec(),
            }],
            bases: BTreeMap::from([(
                ContainerName::new("httpd").unwrap(),
                Version::new(version).unwrap(),
            )]),
        };
        assert!(of_proxy(&front, &inputs("a", "1"), &inputs("a", "1")).is_empty());
        let found = of_proxy(&front, &inputs("a", "1"), &inputs("b", "2"));
        let paths: Vec<_> = found.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(paths, ["base httpd", "containers/front/front.conf"]);
    }
}
