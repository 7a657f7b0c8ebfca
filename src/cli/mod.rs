//! The command line: one file a command; only [`ui`] prints.

pub mod browser;
pub mod commands;
pub mod complete;
pub mod help;
pub mod ui;
mod version;
