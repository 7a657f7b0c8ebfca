//! An incident as one file: gathered from an instance, without secrets, signed and encrypted; opened
//! elsewhere as an instance of the very same reference and data.
//!
//! The file is an age file around a tar archive with an OCI layout: an index, the capsule's manifest, its
//! configuration ([`crate::model::capsule::manifest`]), a layer for each part, and where it is signed an
//! artifact with a Sigstore bundle over the bytes of the manifest. What is read is nobody's friend: nothing is
//! written by a name from it, and nothing is made before all of it was checked.

mod chest;
mod cipher;
mod content;
mod files;
mod gather;
mod known;
mod open;
mod pack;
mod save;
mod signature;
mod spool;
mod unpack;

pub use chest::{Chest, read};
pub use cipher::{Keys, Lock, Recipient, needs_passphrase, recipient};
pub use open::{Opened, Opening, open};
pub use save::{Saved, Wish, save};
pub use signature::Signer;
