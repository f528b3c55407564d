//! The loops that a token's time goes into, for cores with `sdot`.
//!
//! A Cortex-A55 issues in the order that it is given, and the compiler neither sees into `asm!` nor knows that a sum
//! is ready four cycles after its `sdot`. So each loop is one block, in an order that keeps the core busy:
//! loads some products ahead of their use, several sums at a time, what is quick (`and`, `shl`) apart from what takes
//! four cycles, and the float part of a round where the next one waits for its loads. Each has a twin in Rust
//! (`octet`, `panel`) that the other instruction sets use, gives the same bits, and says what it computes.
//!
//! `cargo xtask bench --only loops` finds the markers and prints what `llvm-mca` makes of each loop. Its model loads
//! 16 bytes in a cycle, of which the core loads 8; so the loops that are bound by loads (decoding `Q8_0`) are slower
//! than it says, in whatever order. `ldr d`, `ldr x` and `ins` could load the same bytes beside the products, with
//! three instructions for one, which this count of instructions a token has no room for.

mod decode;
mod tile;
mod unpack;

pub use decode::decode;
pub use tile::{plain, scale_and_min, two_scales};
pub use unpack::{q4_k as unpack_q4_k, q5_0 as unpack_q5_0, q6_k as unpack_q6_k};
