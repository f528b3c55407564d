//! The constants of `board.toml`.

include!(concat!(env!("OUT_DIR"), "/board.rs"));
