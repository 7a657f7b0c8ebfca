//! What a proposal's branch on the server is called.

use super::Proposal;
use crate::definitions::Definitions;
use crate::error::Result;
use crate::home::session::Session;
use crate::model::digest::Digest;

/// Characters of a user's name that are taken.
const LONGEST_USER: usize = 40;

/// `devenv/<user>/<container>-h<digits>`: always the same for one proposal. Not from a digit and
/// not to the end of digits only: GitLab takes such for the number of an issue.
pub(super) fn branch(
    session: &Session,
    definitions: &Definitions,
    proposal: &Proposal,
) -> Result<String> {
    let email = definitions.author(session.home.now())?.email;
    let name = &proposal.container;
    let what = format!("{email} {} {name} {}", proposal.base, proposal.begun);
    let digest = Digest::of(what.as_bytes());
    let (user, digits) = (user(&email), &digest.hex()[..7]);
    Ok(format!("devenv/{user}/{name}-h{digits}"))
}

/// Who it is, as a part of a branch's name.
fn user(email: &str) -> String {
    let name = email.split('@').next().unwrap_or_default();
    let plain: String = name
        .to_ascii_lowercase()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(LONGEST_USER)
        .collect();
    match plain.trim_matches('-') {
        "" => "someone".to_owned(),
        user => user.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::user;

    #[test]
    fn every_address_gives_a_part_of_a_name() {
        assert_eq!(user("Anna.Maria+x@acme.example"), "annamariax");
        for nobody in ["", "@acme.example", "-@acme.example", "\u{e9}@acme.example"] {
            assert_eq!(user(nobody), "someone", "{nobody}");
        }
    }
}
