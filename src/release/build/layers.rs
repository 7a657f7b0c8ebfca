//! What must hold between an image and the base that it was built from. Pure.

use crate::error::{Error, Result};
use crate::model::digest::Digest;

/// Checks that the base's layers lie under the image's: it was really built from that base.
pub fn check_prefix(
    image: &str,
    layers: &[Digest],
    base: &str,
    base_layers: &[Digest],
) -> Result<()> {
    if !base_layers.is_empty() && layers.starts_with(base_layers) {
        return Ok(());
    }
    let under = layers
        .iter()
        .zip(base_layers)
        .take_while(|(one, other)| one == other)
        .count();
    Err(Error::trust(format!(
        "{image} was not built from {base}: of the base's {} layers, {under} lie under its own",
        base_layers.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(names: &[&str]) -> Vec<Digest> {
        names
            .iter()
            .map(|name| Digest::of(name.as_bytes()))
            .collect()
    }

    #[test]
    fn the_base_lies_at_the_bottom_or_it_is_another_image() {
        let check = |image: &[&str], base: &[&str]| {
            check_prefix("billing", &layers(image), "tomcat", &layers(base))
        };
        assert!(check(&["a", "b", "c"], &["a", "b"]).is_ok());
        assert!(check(&["a", "b"], &["a", "b"]).is_ok());
        assert!(check(&["a", "x", "b"], &["a", "b"]).is_err());
        assert!(check(&["a"], &["a", "b"]).is_err());
        assert!(check(&["a"], &[]).is_err());
        let error = check(&["a", "x"], &["a", "b"]).unwrap_err();
        assert!(error.to_string().contains("2 layers, 1 lie"), "{error}");
    }
}
