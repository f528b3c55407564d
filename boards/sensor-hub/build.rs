//! Makes the linker's memory map and the constants from `board.toml`, so that no address is written twice.

use std::process::ExitCode;

fn main() -> ExitCode {
    qlens_board::description::build_firmware(&["link.x", "defmt.x"])
}
