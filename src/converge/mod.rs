//! From names to running containers: [`select`] (which), [`desired`] (what should be on the engine)
//! and [`plan`] (what to do, as data) are pure; [`observe`] looks, [`goal`] plans and applies until
//! both agree, [`apply`] walks a plan, [`ready`] waits.

pub mod apply;
pub mod desired;
pub mod goal;
pub mod holders;
pub mod observe;
pub mod plan;
pub mod ready;
pub mod select;
