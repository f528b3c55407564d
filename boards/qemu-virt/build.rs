//! Makes the linker script and the constants from `board.toml`, so that no address is written twice.

use std::process::ExitCode;

fn main() -> ExitCode {
    qlens_board::description::build_firmware(&["image.ld"])
}
