//! Who has to do with a forge, and how they say who they are.

/// Names and passwords.
pub const PEOPLE: [(&str, &str); 3] = [DEVELOPER, OPERATOR, READER];

/// Who may push.
pub const WRITERS: [&str; 2] = [DEVELOPER.0, OPERATOR.0];

/// Who asks the API.
#[derive(Debug, Clone, Copy)]
pub enum Caller {
    /// Without a token.
    Nobody,
    /// With one that is nobody's.
    Stranger,
    Known(&'static str),
}

/// Whose token it is.
pub fn of_token(wanted: &str) -> Option<&'static str> {
    let mut names = PEOPLE.into_iter().map(|(name, _)| name);
    names.find(|name| wanted == token(name))
}

pub const DEVELOPER: (&str, &str) = ("dev", "developer's password");
pub const OPERATOR: (&str, &str) = ("ops", "operator's password");
/// May read, and no more.
pub const READER: (&str, &str) = ("reader", "reader's password");

/// A person's token for the API.
pub fn token(name: &str) -> String {
    format!("glpat-of-{name}-0123456789")
}
