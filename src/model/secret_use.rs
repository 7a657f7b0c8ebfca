//! How a secret's value reaches a container: as an environment variable, or as a file.

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::name::VariableName;
use super::text::AbsolutePath;

/// One entry of `secrets`: a name, or `{ name: NAME, file: PATH }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// The name that the value is kept under.
    pub name: VariableName,
    /// The file that holds it; `None`: the environment variable of its name does.
    pub file: Option<AbsolutePath>,
}

impl<'de> Deserialize<'de> for SecretUse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            name: VariableName,
            #[serde(default)]
            file: Option<AbsolutePath>,
        }
        struct NameOrMap;
        impl<'de> Visitor<'de> for NameOrMap {
            type Value = SecretUse;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a variable name or { name: NAME, file: PATH }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretUse, E> {
                let name = VariableName::new(text).map_err(E::custom)?;
                Ok(SecretUse { name, file: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SecretUse, A::Error> {
                let full = Full::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(SecretUse {
                    name: full.name,
                    file: full.file,
                })
            }
        }
        deserializer.deserialize_any(NameOrMap)
    }
}

/// The folder of a secret's file and its name there. The folder is in memory and holds nothing else:
/// one at the root is none.
pub fn place(file: &AbsolutePath) -> Option<(&str, &str)> {
    let (folder, name) = file.as_str().rsplit_once('/')?;
    let is_one = !name.is_empty() && folder.trim_start_matches('/').len() + 1 == folder.len();
    (is_one && folder.len() > 1).then_some((folder, name))
}
