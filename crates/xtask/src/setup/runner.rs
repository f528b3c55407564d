//! The runner of the kernels' benches: a program of the library `gungraun` and of exactly its version, which
//! cargo builds into the user's cache.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use qlens_models::Cache;
use serde::Deserialize;

use crate::{interrupt, workspace};

const NAME: &str = "gungraun-runner";

/// Of `Cargo.lock`, what is wanted here.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

/// Where it is, or would be.
pub fn path() -> Result<PathBuf> {
    Ok(folder(&version()?)?.join("bin").join(NAME))
}

/// A version has a folder of its own, so that another clone may want another one.
fn folder(version: &str) -> Result<PathBuf> {
    let base = Cache::base_of_user()?;
    Ok(base.join("tools").join(format!("{NAME}-{version}")))
}

/// The version that the library was resolved with: it takes the types of messages from the runner's own crate.
fn version() -> Result<String> {
    let path = workspace::root().join("Cargo.lock");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    version_in(&text).with_context(|| format!("{} has no {NAME}", path.display()))
}

fn version_in(lock: &str) -> Option<String> {
    let lock: Lock = toml::from_str(lock).ok()?;
    let mut packages = lock.package.into_iter();
    Some(packages.find(|package| package.name == NAME)?.version)
}

/// `cargo install`.
pub fn install() -> Result<()> {
    let version = version()?;
    let mut command = workspace::cargo("install");
    command
        .args(["--locked", "--version", &format!("={version}"), "--root"])
        .arg(folder(&version)?)
        .arg(NAME);
    let line = workspace::line_of(&command);
    eprintln!("installing {NAME}, which takes some minutes to compile: {line}");
    let status = command
        .status()
        .with_context(|| format!("cannot run `{line}`"))?;
    interrupt::check()?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_one_that_is_locked() {
        let lock = "version = 4\n[[package]]\nname = \"gungraun\"\nversion = \"0.20.9\"\n\
             [[package]]\nname = \"gungraun-runner\"\nversion = \"0.20.1\"\nchecksum = \"ab\"\n";
        assert_eq!(version_in(lock).as_deref(), Some("0.20.1"));
        assert_eq!(version_in("version = 4\npackage = []"), None);
        assert_eq!(version_in("no lock"), None);
        assert!(path().unwrap().is_absolute());
        assert!(version().unwrap().starts_with("0."));
    }
}
