//! Whether production said so: keys, bundles and the one policy. Bytes in, verdict out:
//! no file system, network or clock.

pub mod bundle;
mod key_file;
pub mod keys;
pub mod policy;
#[cfg(test)]
pub(crate) mod testing;
