//! devenv: any subset of production's own signed containers on the workstation.
//!
//! # The map
//!
//! What the files say is in [`model`], pure like [`select`] (which containers), [`desired`] (what
//! should be on the engine) and [`plan`] (what to do, as data). [`apply`] walks a plan on an
//! [`engine`], [`converge`] observes, plans and applies until both agree, [`ready`] waits.
//!
//! Nothing runs without [`evidence`]: documents from [`cache`] or [`registry`], judged by [`trust`],
//! which takes bytes and gives verdicts. [`definitions`] is all of git. [`prepare`] goes from what
//! the user asked for to one verified reference, [`instance`] from there to a page; [`examine`]
//! explains what was verified. [`hosts`] knows which kind of host an engine is on.
//!
//! [`proposals`] are a developer's own changes, built and run here and sent to a [`forge`].
//! [`release`] is production's side, on [`build`]. [`forward`] brings ports to this machine,
//! [`doctor`] checks what all of it stands on. [`commands`] is the command line, one file a
//! command; only [`ui`] prints. [`context`] carries [`settings`], [`paths`] and the clock. [`system`] is
//! what differs between Linux, macOS and Windows.
//! `tests/layout.rs` holds the direction of imports.

pub mod apply;
pub mod browser;
pub mod build;
pub mod cache;
pub mod changes;
pub mod clean;
pub mod commands;
pub mod complete;
pub mod context;
pub mod converge;
pub mod definitions;
pub mod desired;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod evidence;
pub mod examine;
pub mod exit;
pub mod forge;
pub mod forward;
pub mod hosts;
pub mod instance;
pub mod lifecycle;
pub mod listing;
pub mod logs;
pub mod model;
pub mod paths;
pub mod plan;
pub mod prepare;
pub mod probe;
pub mod proposals;
pub mod ready;
pub mod registry;
pub mod release;
pub mod running;
pub mod secrets;
pub mod select;
pub mod settings;
pub mod state;
pub mod status;
pub mod system;
pub mod tls;
pub mod trust;
pub mod ui;
