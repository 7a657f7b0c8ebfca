//! Nothing runs without evidence: [`trust`] takes bytes and gives verdicts, [`evidence`] fetches what
//! is judged, [`choose`] comes to one verified reference, [`examine`] explains what was verified.

pub mod choose;
pub mod evidence;
pub mod examine;
mod published;
pub mod trust;
