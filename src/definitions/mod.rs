//! All git work: the bare clone of the definitions, the network behind [`transport::Transport`],
//! reading from tree blobs, commits without a work tree, and reservations by tags.
//!
//! Work on the bare clone is plain blocking code on a [`Definitions`] handle (opening one costs
//! about a millisecond); what touches the network is async and goes through the `git` program or
//! the git library that is built in, as [`GitChoice`] says.

pub mod catalogue;
mod checkout;
pub mod commit;
mod commit_id;

mod elsewhere;
mod environment;
mod git;
pub mod history;
pub mod known;
mod login;
mod made_folders;
mod moved;
pub mod platform_edit;
pub mod proposed;
mod remote;
pub mod remote_url;
pub mod repository;
pub mod reservation;
mod resolved;
mod runner;
mod signature;
mod stored_login;
pub mod tag;
mod text;
pub mod transport;
pub mod tree;
mod worktree;

pub use catalogue::{Changed, FileChange};
pub use checkout::refuse_links;
pub use commit::{Author, Change, Pushed};
pub use commit_id::{Commit, CommitId};
pub use git::{Git, GitChoice, Options};
pub use known::Known;
pub use made_folders::MadeFolders;
pub use proposed::{Shipment, Shipped, Upon};
pub use remote_url::RemoteUrl;
pub use repository::{Definitions, Fetched, History};
pub use reservation::{RemoteTag, Reserved};
pub use stored_login::Login;
pub use tag::{Held, Holder, Reservation, Tag};
pub use transport::{Activity, Cause, Reporter, SharedReporter, Tell};
pub use tree::TreeFile;
pub use worktree::is_editors_own;
