//! Targets and components of the Rust toolchain, through `rustup`.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// Whether the toolchain in use has a compiled `core` for the triple. This asks the compiler, not `rustup`,
/// so that a toolchain from elsewhere passes too.
pub fn has_target(triple: &str) -> bool {
    let answer = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", triple])
        .current_dir(workspace::root())
        .output();
    let Ok(answer) = answer else { return false };
    let folder = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}

/// Whether `cargo NAME` can be run.
pub fn has_component(name: &str) -> bool {
    workspace::cargo(name)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// `rustup KIND add NAME`.
pub fn add(kind: &str, name: &str) -> Result<()> {
    let mut command = Command::new("rustup");
    command
        .args([kind, "add", name])
        .current_dir(workspace::root())
        .stdin(Stdio::null());
    let line = workspace::line_of(&command);
    eprintln!("installing the Rust {kind} {name}: {line}");
    let status = command.status().with_context(|| {
        format!("rustup is not there to add it; with another toolchain, install its {kind} {name} by its own means")
    })?;
    if !status.success() {
        bail!(
            "`{line}` failed ({status}). If this machine's rustup is refused its downloads: Debian's \
             rustc-web, cargo-web and rust-web-src build the bare-metal targets with RUSTC_BOOTSTRAP=1 \
             and -Zbuild-std=core"
        );
    }
    Ok(())
}
