//! Debian packages: as root, or through `sudo` where it asks for no password, or not at all.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::Program;
use crate::interrupt;

/// How this user may call `apt-get`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Root,
    Sudo,
    None,
}

/// Installs the packages of these programs, or says how to.
pub fn install(programs: &[&Program]) -> Result<()> {
    let names: Vec<&str> = programs.iter().map(|program| program.name()).collect();
    let packages: Vec<&str> = programs.iter().map(|program| program.package).collect();
    let (names, line) = (names.join(", "), install_line(&packages));
    if !answers(Command::new("apt-get").arg("--version")) {
        bail!(
            "{names} is missing or too old, and this machine has no apt-get; on Debian it comes with: {line}. \
             Install the like of it by this system's own means"
        );
    }
    let right = right();
    if right == Right::None {
        bail!(
            "{names} is missing or too old, and this user may not install packages; run: sudo {line}"
        );
    }
    let prefix = if right == Right::Sudo { "sudo -n " } else { "" };
    eprintln!("installing {names}: {prefix}{line}");
    // The lists are only fetched where they do not know the packages or where they are out of date.
    let installed = attempt(right, &install_arguments(&packages))? && up_to_date(programs);
    if !installed {
        eprintln!("fetching the package lists: {prefix}apt-get update");
        attempt(right, &["update"])?;
        if !attempt(right, &install_arguments(&packages))? {
            bail!("`{prefix}{line}` failed");
        }
    }
    match programs.iter().find(|program| !up_to_date(&[program])) {
        None => Ok(()),
        Some(program) => {
            let (major, minor) = program.least;
            bail!(
                "{} of the package {} is not what is needed, version {major}.{minor} or newer; is another one \
                 earlier in PATH, or is this a release before Debian 12?",
                program.name(),
                program.package
            )
        }
    }
}

fn up_to_date(programs: &[&Program]) -> bool {
    programs.iter().all(|program| {
        program
            .version()
            .is_some_and(|version| version >= program.least)
    })
}

fn install_arguments<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    [&["install", "-y", "--no-install-recommends"], packages].concat()
}

fn install_line(packages: &[&str]) -> String {
    format!("apt-get {}", install_arguments(packages).join(" "))
}

fn right() -> Right {
    let user = Command::new("id")
        .arg("-u")
        .output()
        .map(|answer| answer.stdout)
        .unwrap_or_default();
    if user.trim_ascii() == b"0" {
        Right::Root
    } else if answers(Command::new("sudo").args(["-n", "apt-get", "--version"])) {
        Right::Sudo
    } else {
        Right::None
    }
}

fn answers(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Runs `apt-get` with its output on stderr, where messages to people go; whether it succeeded.
fn attempt(right: Right, arguments: &[&str]) -> Result<bool> {
    let mut command = match right {
        Right::Sudo => {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "apt-get"]);
            sudo
        }
        Right::Root | Right::None => Command::new("apt-get"),
    };
    let mut child = command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run apt-get")?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            eprintln!("  {line}");
        }
    }
    let status = child.wait()?;
    interrupt::check()?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_is_printed_is_the_one_that_is_run() {
        assert_eq!(
            install_line(&["qemu-user", "python3-pip"]),
            "apt-get install -y --no-install-recommends qemu-user python3-pip"
        );
    }
}
