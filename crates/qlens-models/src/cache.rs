//! The folder outside the source tree where models are kept, and the trust in what lies there: a file is
//! hashed once, and a marker beside it remembers which bytes (size and time of last change) were hashed.
//! As long as the file has not changed since, its hash is known without reading it.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::assembly::Assembly;
use crate::{Error, Hub, Manifest, Pip, Sha256, Source, Watch};

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

/// Whom sources are asked through.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    /// The Python package index.
    pub pip: Pip,
    /// The Hugging Face hub.
    pub hub: Hub,
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
        Ok(Self::at(Self::base_of_user()?.join("models")))
    }

    /// The folder that the cache of this user is in, beside which other things may lie.
    ///
    /// # Errors
    /// As [`Cache::of_user`].
    pub fn base_of_user() -> Result<PathBuf, Error> {
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
        std::path::absolute(&base).map_err(|source| Error::io("resolve", &base, source))
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

    /// Bytes of the model that a fetch which was stopped has left, and that the next one goes on from.
    pub fn partial_bytes(&self, manifest: &Manifest) -> u64 {
        fs::metadata(beside(&self.path(manifest), "part")).map_or(0, |found| found.len())
    }

    /// Makes sure that the model is there and is what its manifest says, and returns its path. Reads
    /// what is not verified yet, deletes what is wrong, resumes what was cut off, fetches what is missing.
    ///
    /// # Errors
    /// Any [`Error`]; nothing that was not verified is ever left under the model's own name.
    pub fn fetch(&self, manifest: &Manifest, watch: &mut Watch<'_>) -> Result<PathBuf, Error> {
        self.fetch_with(manifest, &Clients::default(), watch)
    }

    /// As [`Cache::fetch`], with clients set up by the caller.
    ///
    /// # Errors
    /// As [`Cache::fetch`].
    pub fn fetch_with(
        &self,
        manifest: &Manifest,
        clients: &Clients,
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
        for source in &manifest.sources {
            outcome = self.fetch_from(source, manifest, clients, watch);
            // Another source would not change these.
            if matches!(
                outcome,
                Ok(()) | Err(Error::Cancelled | Error::NoRoom { .. } | Error::Io { .. })
            ) {
                break;
            }
        }
        outcome?;
        mark(&path, &manifest.sha256)?;
        // Whoever waits for the lock finds the model whether or not the file is still there.
        let _ = fs::remove_file(&lock_path);
        Ok(path)
    }

    fn fetch_from(
        &self,
        source: &Source,
        manifest: &Manifest,
        clients: &Clients,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        self.check_room(source, manifest)?;
        let path = self.path(manifest);
        let growing = beside(&path, "part");
        let assembly = match source {
            Source::HuggingFace {
                repository,
                revision,
                path,
            } => {
                let mut assembly = Assembly::resume_any(&growing, manifest, watch)?;
                let file = path.as_ref().unwrap_or(&manifest.file);
                clients
                    .hub
                    .append_rest(repository, revision, file, &mut assembly, watch)?;
                assembly
            }
            Source::PythonPackages { version, parts } => {
                let mut assembly = Assembly::resume(&growing, manifest, parts, watch)?;
                let scratch = beside(&path, "fetch");
                clients
                    .pip
                    .append_parts(version, parts, &mut assembly, &scratch, watch)?;
                assembly
            }
        };
        assembly.finish(&path)
    }

    /// Nobody likes to hear of a full disk after an hour.
    fn check_room(&self, source: &Source, manifest: &Manifest) -> Result<(), Error> {
        let missing = manifest.size.saturating_sub(self.partial_bytes(manifest));
        let needed = match missing {
            0 => 0,
            _ => missing.saturating_add(source.scratch_bytes()),
        };
        // Where the system does not say, the disk will.
        let Ok(disk) = rustix::fs::statvfs(&self.folder) else {
            return Ok(());
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if needed > free {
            return Err(Error::NoRoom {
                folder: self.folder.clone(),
                needed,
                free,
            });
        }
        Ok(())
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
