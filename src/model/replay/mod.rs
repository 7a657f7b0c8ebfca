//! Answers of two references compared: what differs beyond what differs between two runs of the same. Pure.

pub mod evidence;
pub mod jar;
pub mod lines;
pub mod outcome;
mod page;
pub mod places;
mod rank;
pub mod tally;
