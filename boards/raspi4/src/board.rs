//! The constants of `board.toml`: addresses, regions, budgets.

include!(concat!(env!("OUT_DIR"), "/board.rs"));
