//! [`Target::Manifest`].
#![no_main]

use libfuzzer_sys::fuzz_target;
use qlens_hostile::Target;

fuzz_target!(|input: &[u8]| {
    Target::Manifest.run(input);
});
