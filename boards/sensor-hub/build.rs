//! Makes the linker's memory map and the constants from `board.toml`, so that no address is written twice.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use qlens_board::description::Board;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=board.toml");
    match generate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn generate() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let board =
        Board::read(Path::new("board.toml")).map_err(|error| format!("board.toml {error}"))?;
    let write = |name: &str, text: String| {
        fs::write(out.join(name), text).map_err(|error| format!("{name}: {error}"))
    };
    write("board.rs", board.constants())?;
    let memory = board.linker_memory().ok_or("board.toml has no flash")?;
    write("memory.x", memory)?;

    // Only an image for the board itself is linked by these; a check on a host needs none of it.
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        println!("cargo::rustc-link-search={}", out.display());
        for argument in ["-Tlink.x", "-Tdefmt.x", "--nmagic"] {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
    Ok(())
}
