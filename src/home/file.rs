//! Files of devenv's own: written in one go, in folders that only this user enters, and believed
//! only where nobody else could have changed them.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::paths::Paths;
use crate::error::{Error, Kind, PathContext, Result};
use crate::system::{Here, Stranger, System as _};

/// Reads a JSON file of devenv's own; absent is `None`.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let hint = "it is a file of devenv's own: remove it if you did not change it by hand";
    load_else(path, hint)
}

/// The same; `hint` says what becomes of one that cannot be read.
pub fn load_else<T: DeserializeOwned>(path: &Path, hint: &str) -> Result<Option<T>> {
    let Some(text) = std::fs::read(path).if_there(Kind::Usage, "read", path)? else {
        return Ok(None);
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        Error::usage(format!("{} cannot be read", path.display()))
            .because(error)
            .hint(hint)
    })
}

/// Reads a file that decides what is trusted or run; absent is `None`. Refused with `kind` where
/// another user owns it or may write it, or a folder of devenv's around it.
pub fn read_trusted(kind: Kind, paths: &Paths, path: &Path) -> Result<Option<Vec<u8>>> {
    let text = std::fs::read(path).if_there(kind, "read", path)?;
    if text.is_some() {
        refuse_strangers(kind, paths, path)?;
    }
    Ok(text)
}

fn refuse_strangers(kind: Kind, paths: &Paths, path: &Path) -> Result<()> {
    for it in paths.up_to_own(path) {
        let metadata = std::fs::metadata(it).at(kind, "read", it)?;
        let (what, command) = match Here::stranger(&metadata) {
            None => continue,
            Some(Stranger::Owner(user)) => (
                format!("belongs to another user (number {user})"),
                "chown \"$(id -un)\"",
            ),
            Some(Stranger::Writers(mode)) => (
                format!("can be changed by other users (mode {mode:04o})"),
                "chmod go-w",
            ),
        };
        let mut text = format!("{} {what}", it.display());
        if it != path {
            text = format!("{} is not believed: {text}", path.display());
        }
        let error = Error::new(kind, text);
        return Err(error
            .hint("look whether its content is still yours before you go on")
            .hint(format!("{command} {}", it.display())));
    }
    Ok(())
}

/// Writes a JSON file so that a reader sees the old or the new content, never half.
pub fn save<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    write(path, &json(value)?)
}

/// Like [`save`], by [`write_durably`].
pub fn save_durably<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    write_durably(path, &json(value)?)
}

/// Like [`save`], but never replaces: `false` when there is a file already.
pub(super) fn save_new<T: Serialize>(path: &Path, value: &T) -> Result<bool> {
    let file = temporary(path, &json(value)?)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error).at(Kind::Usage, "write", path),
    }
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(value).map_err(|error| Error::bug("cannot write JSON").because(error))
}

/// Writes a file (mode 0600) in one go, by renaming a complete one over it.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    let file = temporary(path, content)?;
    file.persist(path)
        .map_err(|error| error.error)
        .at(Kind::Usage, "write", path)?;
    Ok(())
}

/// The same, and on the disk before it has its name: what is there later is whole, even where the machine
/// lost its power meanwhile.
pub fn write_durably(path: &Path, content: &[u8]) -> Result<()> {
    let file = temporary(path, content)?;
    file.as_file().sync_data().at(Kind::Usage, "write", path)?;
    file.persist(path)
        .map_err(|error| error.error)
        .at(Kind::Usage, "write", path)?;
    Ok(())
}

fn temporary(path: &Path, content: &[u8]) -> Result<tempfile::NamedTempFile> {
    let folder = create_parent(path)?;
    let mut file =
        tempfile::NamedTempFile::new_in(folder).at(Kind::Usage, "create a file in", folder)?;
    file.write_all(content).at(Kind::Usage, "write", path)?;
    Ok(file)
}

/// Makes the folder that a file is to be in, for this user alone.
pub fn create_parent(path: &Path) -> Result<&Path> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    Here::create_private(folder).at(Kind::Usage, "create", folder)?;
    Ok(folder)
}

/// The names of what is in a folder, in order; none where there is no folder.
pub fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).if_there(Kind::Usage, "read", folder)?;
    let entries = entries.into_iter().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;
    use crate::home::environment::Environment;

    #[test]
    fn what_others_can_change_is_not_believed_and_the_command_is_named() {
        let home = tempfile::tempdir().unwrap();
        let variables = [("DEVENV_HOME".to_owned(), home.path().into())];
        let paths = Paths::locate(&Environment::from_variables(variables)).unwrap();
        let path = paths.settings().with_file_name("trust").join("acme.yaml");
        let read = || read_trusted(Kind::Trust, &paths, &path);
        assert!(read().unwrap().is_none());
        write(&path, b"keys").unwrap();
        assert_eq!(read().unwrap().as_deref(), Some(b"keys".as_slice()));
        let folders = path
            .ancestors()
            .take_while(|it| it.starts_with(home.path()));
        let mut seen = 0;
        for open in folders {
            for mode in [0o777, 0o770, 0o702] {
                let before = Here::mode(&fs::metadata(open).unwrap()).unwrap();
                Here::set_mode(open, mode).unwrap();
                let error = read().unwrap_err();
                Here::set_mode(open, before).unwrap();
                assert_eq!(error.kind(), Kind::Trust);
                let wanted = format!("chmod go-w {}", open.display());
                assert_eq!(error.hints().last(), Some(&wanted), "{error}");
                assert!(error.to_string().contains(&format!("mode {mode:04o}")));
                seen += 1;
            }
        }
        assert_eq!(seen, 4 * 3, "the file, two folders and the home");
        assert!(read().unwrap().is_some());
    }
}
