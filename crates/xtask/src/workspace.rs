//! Where the source tree and the build output lie, and how `cargo` is called from within `cargo`.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::interrupt;

/// The folder of the workspace's `Cargo.toml`.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // Set by `cargo run`; the folder that this was compiled in may have moved since.
        let manifest =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let crate_folder = PathBuf::from(manifest);
        crate_folder
            .ancestors()
            .nth(2)
            .map_or(crate_folder.clone(), Path::to_owned)
    })
}

/// The folder that cargo builds into, which is not always `target/`.
pub fn target_folder() -> Result<&'static Path> {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    if let Some(folder) = TARGET.get() {
        return Ok(folder);
    }
    let answer = cargo("metadata")
        .args(["--no-deps", "--format-version", "1"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    let metadata: Value =
        serde_json::from_slice(&answer.stdout).context("`cargo metadata` failed")?;
    let folder = metadata["target_directory"]
        .as_str()
        .context("`cargo metadata` names no target directory")?;
    Ok(TARGET.get_or_init(|| folder.into()))
}

/// A folder below the build output, made if it is not there.
pub fn output_folder(name: &str) -> Result<PathBuf> {
    let folder = target_folder()?.join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// `cargo VERB` in the workspace, with the same toolchain that runs this.
pub fn cargo(verb: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(verb).current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs a cargo command that builds one binary and has `--message-format json-render-diagnostics`; returns
/// the path of the executable, as cargo itself names it.
pub fn build_binary(command: &mut Command) -> Result<PathBuf> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{}`", line_of(command)))?;
    let mut executable = None;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let message: Value = serde_json::from_str(&line?).unwrap_or_default();
            if let Some(path) = message["executable"].as_str() {
                executable = Some(PathBuf::from(path));
            }
        }
    }
    let status = child.wait()?;
    interrupt::check()?;
    if !status.success() {
        bail!("`{}` failed ({status})", line_of(command));
    }
    executable.with_context(|| format!("`{}` built no executable", line_of(command)))
}

/// What a command prints; a failure is what it says of it.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let line = line_of(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{line}`"))?;
    ensure!(
        output.status.success(),
        "`{line}` failed: {}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(output.stdout)
}

/// The command as one would type it.
pub fn line_of(command: &Command) -> String {
    let mut line = quoted(
        Path::new(command.get_program())
            .file_name()
            .unwrap_or(command.get_program()),
    );
    for argument in command.get_args() {
        let _ = write!(line, " {}", quoted(argument));
    }
    line
}

/// A word as a shell wants it.
pub fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("crates/xtask/Cargo.toml").is_file());
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, expected) in [
            ("-serial", "-serial"),
            ("a b", "'a b'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(OsStr::new(word)), expected);
        }
    }
}
