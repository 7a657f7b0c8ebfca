//! All git work: the bare clone of the definitions, the network behind [`transport::Transport`],
//! reading from tree blobs, commits without a work tree, and reservations by tags.
//!
//! Work on the bare clone is plain blocking code on a [`Definitions`] handle (opening one costs
//! about a millisecond); what touches the network is async and goes through the `git` program or
//! the git library that is built in, as [`GitChoice`] says.

pub mod catalogue;
pub mod commit;
mod git;
pub mod history;
pub mod known;
mod login;
mod moved;
pub mod platform_edit;
pub mod proposed;
mod remote;
pub mod remote_url;
pub mod repository;
pub mod reservation;
mod signature;
pub mod tag;
mod text;
pub mod transport;
pub mod tree;
mod worktree;

pub use catalogue::{Changed, FileChange};
pub use commit::{Author, Change, Pushed};
pub use git::{Git, GitChoice};
pub use history::{Commit, CommitId};
pub use known::Known;
pub use login::Login;
pub use proposed::{Shipment, Shipped, Upon};
pub use remote_url::RemoteUrl;
pub use repository::{Definitions, Fetched, History};
pub use reservation::{RemoteTag, Reserved};
pub use tag::{Held, Holder, Reservation, Tag};
pub use transport::{Activity, Cause, Reporter, SharedReporter};
pub use tree::TreeFile;
pub use worktree::is_editors_own;
