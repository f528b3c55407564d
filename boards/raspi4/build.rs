//! Makes the linker script and the constants from `board.toml`, so that no address is written twice.

use std::process::ExitCode;
use std::{env, fs};

/// The first bytes of the image are where the boot loader jumps to, and what starts there is ours: aarch64-rt's
/// entry, which comes next, is for EL1.
const START: &str = "SECTIONS { .start : ALIGN(4096) { KEEP(*(.start)) } >image }\n";

fn main() -> ExitCode {
    if let Some(out) = env::var_os("OUT_DIR") {
        let written = fs::write(std::path::Path::new(&out).join("start.ld"), START);
        if let Err(error) = written {
            println!("cargo::error=start.ld: {error}");
            return ExitCode::FAILURE;
        }
    }
    qlens_board::description::build_firmware(&["start.ld", "image.ld"])
}
