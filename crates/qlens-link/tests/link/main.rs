//! The two ends of the link on a link that fails, in time that the tests make.

mod driver;
mod outcomes;
mod soak;
mod support;
