//! The proxy's own configuration, read from its container.

use std::io::Read as _;

use crate::engine::docker::Docker;
use crate::engine::{Fault, FaultKind};
use crate::error::Result;
use crate::model::requests::apache::{self, Files, LARGEST, Rule};
use crate::model::requests::target::Target;

/// Where Apache has it: the folder, and the file that it begins with. Debian, the image `httpd`, Red Hat.
const PLACES: [(&str, &str); 3] = [
    ("/etc/apache2", "apache2.conf"),
    ("/usr/local/apache2/conf", "httpd.conf"),
    ("/etc/httpd", "conf/httpd.conf"),
];

/// The rules for a request; within: why they are not known.
pub(super) async fn rules(
    engine: &Docker,
    proxy: &str,
    target: &Target,
) -> Result<Result<Vec<Rule>, String>> {
    for (folder, file) in PLACES {
        let archive = match engine.read_small_archive(proxy, folder).await {
            Ok(archive) => archive,
            Err(fault) if fault.kind == FaultKind::NotFound => continue,
            Err(fault) => return Ok(Err(unreadable(&fault.message))),
        };
        let root = format!("{folder}/{file}");
        return Ok(match files(&archive, folder) {
            Ok(files) if files.contains(&root) => {
                Ok(apache::rules(&files.directives(&root), target))
            }
            Ok(_) => Err(unreadable(&format!("there is no {root}"))),
            Err(error) => Err(unreadable(&error.message)),
        });
    }
    let text = "it has no Apache's: its rules are unknown";
    Ok(Err(format!(
        "the configuration of the proxy was not read: {text}"
    )))
}

fn unreadable(why: &str) -> String {
    format!("the configuration of the proxy cannot be read: {why}")
}

/// The texts in the archive of a folder, whose entries begin with the folder's own name.
fn files(archive: &[u8], folder: &str) -> Result<Files, Fault> {
    let failed = |error: std::io::Error| Fault::new(FaultKind::Failed, error.to_string());
    let parent = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
    let mut files = Files::default();
    let mut left = LARGEST as u64;
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?;
        let path = format!("{parent}/{}", path.display());
        if entry.header().entry_type().is_symlink() {
            if let Some(to) = entry.link_name().map_err(failed)? {
                files.link(path, &to.display().to_string());
            }
            continue;
        }
        let size = entry.size();
        if !entry.header().entry_type().is_file() || size > left {
            continue;
        }
        let mut text = Vec::new();
        (&mut entry)
            .take(size)
            .read_to_end(&mut text)
            .map_err(failed)?;
        left -= size;
        files.insert(path, String::from_utf8_lossy(&text).into_owned());
    }
    Ok(files)
}
