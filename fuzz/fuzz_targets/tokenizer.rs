//! [`Target::Tokenizer`], mutated where a file has its numbers.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use qlens_hostile::{Target, mutate};

fuzz_mutator!(|data: &mut [u8], len: usize, _most: usize, seed: u32| {
    mutate::raw(data, len, seed)
});

fuzz_target!(|input: &[u8]| {
    Target::Tokenizer.run(input);
});
