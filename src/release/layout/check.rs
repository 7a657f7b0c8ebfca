//! Whether a layout is an image that can run here.

use super::{LAYER, LAYER_GZIP, Layout, refuse};
use crate::error::Result;
use crate::model::image_configuration::ImageConfiguration;
use crate::model::visible::visible;

/// Checks that this is an image, not something else that registries keep, for this architecture, with
/// layers that are read here. Fails with [`crate::error::Kind::Usage`].
pub fn check(layout: &Layout, architecture: &str) -> Result<()> {
    let configuration = ImageConfiguration::parse(&layout.configuration)
        .map_err(|why| refuse(format!("it is no image: {why}")))?;
    if configuration.layers().len() != layout.manifest.layers.len() {
        return Err(refuse(
            "its configuration and its manifest name other layers",
        ));
    }
    let mut types = layout.manifest.layers.iter().map(|it| &it.media_type);
    let is_read = |it: &str| [LAYER, LAYER_GZIP].contains(&it) || it.ends_with(".tar.gzip");
    if let Some(unknown) = types.find(|it| !is_read(it)) {
        let unknown = visible(unknown);
        return Err(refuse(format!(
            "a layer is a `{unknown}`, which is not read here"
        )));
    }
    match configuration.architecture() {
        Some(other) if other != architecture => {
            let other = visible(other);
            Err(refuse(format!("it is for {other}, not {architecture}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{CONFIGURATION, Incoming};
    use super::*;
    use crate::registry::{Descriptor, ImageManifest};

    fn checked(configuration: &str, layers: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let layers = layers.iter().map(|it| Descriptor::of(*it, b"layer"));
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: None,
            artifact_type: None,
            config: Descriptor::of(CONFIGURATION, configuration.as_bytes()),
            layers: layers.collect(),
            subject: None,
            annotations: BTreeMap::new(),
        };
        let bytes = serde_json::to_vec(&manifest).unwrap();
        let incoming = Incoming::new(folder.path()).unwrap();
        let layout = incoming.finish(manifest, bytes, configuration.into());
        let checked = check(&layout.unwrap(), "amd64");
        checked.map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn only_an_image_for_this_machine_is_taken() {
        let layer = format!("sha256:{}", "a".repeat(64));
        let of = |architecture: &str| {
            format!(
                r#"{{"architecture":"{architecture}","rootfs":{{"type":"layers","diff_ids":["{layer}"]}}}}"#
            )
        };
        assert_eq!(checked(&of("amd64"), &[LAYER_GZIP]), "");
        let docker = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        assert_eq!(checked(&of("amd64"), &[docker]), "");
        assert!(checked(&of("arm64"), &[LAYER]).contains("it is for arm64, not amd64"));
        assert!(checked(&of("amd64"), &[LAYER, LAYER]).contains("name other layers"));
        let chart = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
        assert!(checked(&of("amd64"), &[chart]).contains("is not read here"));
        let of_chart = r#"{"name":"wordpress","apiVersion":"v2"}"#;
        assert!(checked(of_chart, &[chart]).contains("it is no image"));
    }
}
