//! The network as every client needs it: TLS, the certificate authorities, and whether somebody answers.

pub mod exchange;
pub mod probe;
pub mod tls;
