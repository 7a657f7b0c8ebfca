//! Plans as text, and what holds for every plan.

mod properties;
mod texts;
mod world;
