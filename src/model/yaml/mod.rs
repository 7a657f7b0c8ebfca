//! YAML, typed: bounded, no key twice, and errors with file, line and the offending text. The only
//! user of the YAML crate.

mod fault;
mod limits;
mod node;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_yaml::DuplicateKeyPolicy;

pub use fault::{at, snippet};
pub use limits::LARGEST;
use limits::options;
pub use node::{Content, Node, Place, Step, node};

use crate::error::{Error, Kind, Result};

/// Reads one typed document. `source` names the file in errors, which are of `kind`.
pub fn read<T: DeserializeOwned>(kind: Kind, source: &str, text: &[u8]) -> Result<T> {
    let text = bounded(kind, source, text)?;
    let read = parse(text).map_err(|fault| fault::explain(kind, source, text, &fault))?;
    match spelled_twice(text) {
        Some((key, places)) => Err(fault::twice(kind, source, text, &key, &places)),
        None => Ok(read),
    }
}

/// Reads one whose values nobody may see: errors give the place alone.
pub fn read_secret<T: DeserializeOwned>(kind: Kind, source: &str, text: &[u8]) -> Result<T> {
    let text = bounded(kind, source, text)?;
    let read = parse(text).map_err(|fault| fault::explain_secret(kind, source, text, &fault))?;
    match spelled_twice(text) {
        Some((_, places)) => Err(fault::twice_in_secret(kind, source, &places)),
        None => Ok(read),
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, serde_yaml::Error> {
    serde_yaml::from_str_with_options(text, options(DuplicateKeyPolicy::Error))
}

/// A key that is in one map twice, spelled in two ways, which the parser takes for two keys.
fn spelled_twice(text: &str) -> Option<(String, [Place; 2])> {
    node::may_repeat(text).then(|| node::repeated(text))?
}

fn bounded<'a>(kind: Kind, source: &str, text: &'a [u8]) -> Result<&'a str> {
    if text.len() > LARGEST {
        return Err(Error::new(
            kind,
            format!(
                "{source}: {} bytes are more than a file may have ({LARGEST})",
                text.len()
            ),
        ));
    }
    std::str::from_utf8(text)
        .map_err(|error| Error::new(kind, format!("{source}: not UTF-8 text")).because(error))
}

/// Writes a document; for a value that serde can represent this cannot fail.
pub fn write<T: Serialize>(value: &T) -> Result<String> {
    serde_yaml::to_string(value).map_err(|error| Error::bug("cannot write YAML").because(error))
}

#[cfg(test)]
mod tests;
