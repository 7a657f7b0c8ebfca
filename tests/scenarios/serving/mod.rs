//! A server: it configures itself from the reference, and nobody who sends requests notices.

mod booting;
mod changing;
mod comparing;
mod hurrying;
mod initialising;
mod ipv6;
mod json;
mod kernels;
mod load;
mod logging;
mod refusing;
mod replicas;
mod supervising;
