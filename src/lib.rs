//! devenv: any subset of production's own signed containers on the workstation.
//!
//! # The map
//!
//! Rooms, from the ground up; each may name those before it only, and no file is in a circle with
//! another: `tests/pure/layout` holds both.
//!
//! - [`error`]: one error type, one table of exit codes. [`system`]: what differs by operating system.
//! - [`model`]: every file format as types; pure. [`network`]: TLS, certificates, probes.
//! - [`engine`]: the trait, Docker behind it, and the way to an engine. [`registry`]: manifests, blobs,
//!   referrers, logins. [`definitions`]: all of git, behind one runner.
//! - [`converge`]: `select` → `desired` → `observe` → `plan` → `apply` → `ready`; the middle is pure.
//! - [`home`]: paths, settings, state, locks; a [`home::session::Session`] is one command's home with
//!   its connections and its [`home::reporter::Reporter`].
//! - [`verify`]: `trust` (bytes in, verdict out; pure), `evidence`, `choose` (one reference), `examine`.
//! - [`release`]: production's side; what may be released (`check`, `norms`), images as folders
//!   (`layout`). [`proposals`]: a developer's changes, and the forges.
//! - [`instance`]: one running copy, in what it differs (`facets`), who answers a URL (`answered`), and what two
//!   references answer differently (`replay`). [`server`]: an environment's reference on a server.
//!   [`doctor`]: checks and clean-up. [`cli`]: one file a command.
//!
//! # `devenv up billing`
//!
//! 1. `main` → `cli::commands::Cli::run` → `cli::commands::up::run`: flags become an
//!    [`instance::intent::Intent`].
//! 2. [`instance::Instance::up`]: the reference is chosen and verified, proposals are laid over it
//!    ([`proposals::Overlay`]), containers are selected, their evidence is read.
//! 3. `converge::goal::Goal::plan`: what should be there, what is there, the steps between.
//! 4. `converge::goal::Goal::converge` → `converge::apply::apply` → `engine::Engine`: each step is one
//!    call; a step that finds the engine changed ends the round, and 3 begins again.
//! 5. `converge::ready::Waiting`: healthy, and every route answers through the proxy.

pub mod cli;
pub mod converge;
pub mod definitions;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod home;
pub mod instance;
pub mod model;
pub mod network;
pub mod proposals;
pub mod registry;
pub mod release;
pub mod server;
pub mod system;
pub mod verify;
