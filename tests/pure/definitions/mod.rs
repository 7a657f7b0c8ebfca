//! The definitions against a real git server: every test of the network runs over the `git`
//! program and over the git that is built in.

mod absence;
mod local;
mod network;
mod reservations;
mod server;
mod set_ups;
#[cfg(unix)]
mod signing;
mod world;

/// Makes a test of each function, once per transport.
macro_rules! over_both {
    ($($name:ident),* $(,)?) => {
        mod program {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::World::new(devenv::definitions::GitChoice::Program)).await;
            })*
        }
        mod built_in {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::World::new(devenv::definitions::GitChoice::BuiltIn)).await;
            })*
        }
    };
}
use over_both;
