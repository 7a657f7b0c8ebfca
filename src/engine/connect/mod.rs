//! Which engine, and the way to it: the docker client's own rule, its contexts, ssh and TLS, and
//! the places where engines usually are.

pub mod choice;
mod context;
pub mod endpoint;
pub mod find;
pub mod ssh;
