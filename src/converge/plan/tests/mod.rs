//! Plans as text, and what holds for every plan.

mod filling;
mod images;
mod mending;
mod overrides;
mod properties;
mod texts;
mod world;
