//! A login for one registry, as docker stores it.

use super::secret::Secret;

/// What proves who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user with a password.
    Password { user: String, password: Secret },
    /// A refresh token for the registry's token server.
    IdentityToken(Secret),
}
