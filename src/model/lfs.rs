//! git-LFS pointers: small texts that git keeps in place of a large file's content.
//! Source: <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>.

use crate::error::{Error, Kind};

/// The most bytes that a pointer may have.
const LARGEST: usize = 1024;

/// Whether a file's content is a pointer to the real content.
pub fn is_pointer(content: &[u8]) -> bool {
    let text = std::str::from_utf8(content).unwrap_or_default();
    let begins = |word: &str| text.lines().any(|line| line.starts_with(word));
    content.len() < LARGEST
        && [
            "version https://git-lfs.github.com/spec/",
            "version https://hawser.github.com/spec/",
        ]
        .iter()
        .any(|version| text.starts_with(version))
        && begins("oid sha256:")
        && begins("size ")
}

/// The refusal of a pointer where its content is needed.
pub fn refusal(kind: Kind, path: &str) -> Error {
    Error::new(
        kind,
        format!("{path}: a git-LFS pointer, not the content that it stands for"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_told_from_texts_about_them() {
        let pointer = format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n",
            "a".repeat(64)
        );
        assert!(is_pointer(pointer.as_bytes()));
        let extended = pointer.replace("oid", "ext-0-foo sha256:0\noid");
        assert!(is_pointer(extended.as_bytes()));
        let long = format!("{pointer}{}", "#".repeat(LARGEST));
        let quoted = format!("A pointer looks like this:\n{pointer}");
        let cut = &pointer[..50];
        for other in ["", cut, &long, &quoted] {
            assert!(!is_pointer(other.as_bytes()), "{other}");
        }
    }
}
