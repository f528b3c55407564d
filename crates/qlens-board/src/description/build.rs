//! The body of a board's build script.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::string::String;
use std::{env, format, fs, println};

use super::Board;

/// Makes `board.rs` (the constants) and the linker's memory in the build script's output folder from the `board.toml`
/// of its package, and links an image for bare metal by that and then `scripts`, in order. The memory is
/// `memory.ld`, or `memory.x` for firmware that runs from flash: cortex-m-rt's `link.x` includes that by itself.
/// Each device is a `cfg(device = "name")`. To be called by a build script, whose exit code it returns.
pub fn build_firmware(scripts: &[&str]) -> ExitCode {
    println!("cargo::rerun-if-changed=board.toml");
    match generate(scripts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn generate(scripts: &[&str]) -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let board =
        Board::read(Path::new("board.toml")).map_err(|error| format!("board.toml {error}"))?;
    let write = |name: &str, text: String| {
        fs::write(out.join(name), text).map_err(|error| format!("{name}: {error}"))
    };
    write("board.rs", board.constants())?;
    let memory = board
        .linker_memory()
        .ok_or("board.toml has no firmware region")?;
    let is_included = board.flash.is_some();
    write(if is_included { "memory.x" } else { "memory.ld" }, memory)?;

    // What a board has is what its sources are compiled for.
    println!("cargo::rustc-check-cfg=cfg(device, values(any()))");
    for name in board.device.keys() {
        println!("cargo::rustc-cfg=device=\"{name}\"");
    }

    // Only an image for the board itself is linked by these; a check on a host needs none of it.
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        println!("cargo::rustc-link-search={}", out.display());
        let first = (!is_included).then_some("memory.ld");
        for script in first.iter().chain(scripts) {
            println!("cargo::rustc-link-arg-bins=-T{script}");
        }
        for argument in ["--gc-sections", "-zmax-page-size=4096"] {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
    Ok(())
}
