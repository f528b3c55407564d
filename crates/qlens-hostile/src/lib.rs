//! Hostile input: mutated model files, vocabularies, schemas, chat templates, answers and manifests through
//! everything that reads them.
//!
//! A [`Target`] has seeds, a way to mutate them, and a body that runs one input. Two things drive them: the
//! program of this crate, on any Rust, with seeded mutations that can be run again one by one, and the `cargo fuzz`
//! targets in `fuzz/`, which need a nightly compiler and look for new ways through the code. The program also sees
//! to it that no case panics, takes more than 64 MB or takes a processor longer than a second.
//!
//! ```text
//! cargo run -p qlens-hostile -- schema --count 100000      # mutations 0 to 99,999 of seed 1
//! cargo run -p qlens-hostile -- schema --seed 7 --case 42  # one of them again, alone
//! ```

pub mod aligned;
pub mod mutate;
pub mod random;
pub mod seeds;
pub mod targets;

pub use aligned::Aligned;
pub use random::Random;
pub use seeds::Seeds;
pub use targets::{Outcome, Target};

/// Bytes that a case may take at once, of which the input is none.
pub const MOST_BYTES: usize = 64_000_000;
