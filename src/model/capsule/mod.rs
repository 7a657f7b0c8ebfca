//! A capsule: one file that holds an incident, without secrets. What it says, in which parts, and when what
//! happened. Pure.

pub mod manifest;
pub mod part;
pub mod timeline;
