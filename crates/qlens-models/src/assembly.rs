//! A model that arrives grows in one file beside its final name: where its source has a digest for each
//! part, a verified part at a time, else as it comes. The file's length says how far it came, so a run
//! that was cut off goes on there; only a whole file with the right hash is renamed to the name that
//! others open.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::digest::{CHUNK, Hasher};
use crate::{Error, Manifest, Part, Progress, Sha256, Step, Watch};

/// A model file that is being put together.
pub(crate) struct Assembly {
    path: PathBuf,
    file: File,
    expected: Sha256,
    total: u64,
    /// Bytes that are kept: of parts only whole verified ones.
    done: u64,
    /// Over exactly those bytes.
    hasher: Hasher,
    parts: usize,
}

impl Assembly {
    fn open(path: &Path, manifest: &Manifest) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|source| Error::io("create", path, source))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            expected: manifest.sha256,
            total: manifest.size,
            done: 0,
            hasher: Hasher::default(),
            parts: 0,
        })
    }

    /// Opens what an earlier run left and keeps all of it, unless it is longer than the model.
    ///
    /// Whether these bytes are the model's is known when the whole is hashed: the digest of the manifest
    /// stands for them, whichever source and run they came from.
    pub(crate) fn resume_any(
        path: &Path,
        manifest: &Manifest,
        watch: &mut Watch<'_>,
    ) -> Result<Self, Error> {
        let mut assembly = Self::open(path, manifest)?;
        let at = |source: io::Error| Error::io("read", path, source);
        let length = assembly.file.metadata().map_err(at)?.len();
        if length <= assembly.total {
            let (hasher, total) = (&mut assembly.hasher, assembly.total);
            let (read, _) = copy(
                &mut assembly.file,
                length,
                hasher,
                &at,
                &mut |_| Ok(()),
                &mut |done| {
                    watch(Progress {
                        step: Step::Verifying,
                        done,
                        total,
                    })
                },
            )?;
            assembly.done = read;
        }
        assembly.drop_rest()?;
        Ok(assembly)
    }

    /// Opens what an earlier run left, keeps its leading parts that are whole and right, drops the rest.
    pub(crate) fn resume(
        path: &Path,
        manifest: &Manifest,
        parts: &[Part],
        watch: &mut Watch<'_>,
    ) -> Result<Self, Error> {
        let mut assembly = Self::open(path, manifest)?;
        let at = |source: io::Error| Error::io("read", path, source);
        let length = assembly.file.metadata().map_err(at)?.len();
        for part in parts {
            if assembly.done + part.size > length {
                break;
            }
            let mut whole = assembly.hasher.clone();
            let (_, digest) = copy(
                &mut assembly.file,
                part.size,
                &mut whole,
                &at,
                &mut |_| Ok(()),
                &mut |n| {
                    watch(Progress {
                        step: Step::Verifying,
                        done: assembly.done + n,
                        total: assembly.total,
                    })
                },
            )?;
            if digest != part.sha256 {
                break;
            }
            assembly.keep(part, whole);
        }
        assembly.drop_rest()?;
        Ok(assembly)
    }

    /// Parts that are in place.
    pub(crate) fn parts(&self) -> usize {
        self.parts
    }

    /// Bytes of the model that are in place, and in all.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.done, self.total)
    }

    /// Appends the next bytes as they are; what cannot be written whole is taken back out.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Err(source) = self.file.write_all(bytes) {
            let fault = Error::io("write", &self.path, source);
            self.drop_rest()?;
            return Err(fault);
        }
        self.hasher.update(bytes);
        self.done += bytes.len() as u64;
        Ok(())
    }

    /// Appends the next part and checks it against its manifest entry. A part that is wrong is taken
    /// back out.
    pub(crate) fn append(
        &mut self,
        part: &Part,
        mut bytes: impl Read,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let mut whole = self.hasher.clone();
        let (done, total) = (self.done, self.total);
        let (file, path) = (&mut self.file, &self.path);
        let found = copy(
            &mut bytes,
            // One byte more than expected is enough to know that there are too many.
            part.size.saturating_add(1),
            &mut whole,
            &|source| Error::BadPackage {
                package: part.package.clone(),
                what: source.to_string(),
            },
            &mut |chunk| {
                file.write_all(chunk)
                    .map_err(|source| Error::io("write", path, source))
            },
            &mut |_| {
                watch(Progress {
                    step: Step::Fetching,
                    done: done + part.size,
                    total,
                })
            },
        );
        let fault = match found {
            Ok(found) if found == (part.size, part.sha256) => {
                self.keep(part, whole);
                return Ok(());
            }
            Ok(found) => Error::WrongPart {
                package: part.package.clone(),
                expected: (part.size, part.sha256),
                found,
            },
            Err(fault) => fault,
        };
        self.drop_rest()?;
        Err(fault)
    }

    /// Checks the whole and gives it its name, in one step as others see it.
    pub(crate) fn finish(self, name: &Path) -> Result<(), Error> {
        let found = self.hasher.finish();
        if (self.done, found) != (self.total, self.expected) {
            fs::remove_file(&self.path)
                .map_err(|source| Error::io("delete", &self.path, source))?;
            return Err(Error::WrongFile {
                path: name.to_owned(),
                expected: self.expected,
                found,
            });
        }
        self.file
            .sync_all()
            .map_err(|source| Error::io("write", &self.path, source))?;
        fs::rename(&self.path, name).map_err(|source| Error::io("rename", &self.path, source))
    }

    fn keep(&mut self, part: &Part, whole: Hasher) {
        self.hasher = whole;
        self.done += part.size;
        self.parts += 1;
    }

    fn drop_rest(&mut self) -> Result<(), Error> {
        self.file
            .set_len(self.done)
            .and_then(|()| self.file.seek(SeekFrom::Start(self.done)))
            .map(|_| ())
            .map_err(|source| Error::io("write", &self.path, source))
    }
}

/// Copies up to `limit` bytes, hashing them into `whole` and into a digest of their own, which it returns
/// with their number.
fn copy(
    from: &mut impl Read,
    limit: u64,
    whole: &mut Hasher,
    unreadable: &dyn Fn(io::Error) -> Error,
    to: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    watch: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(u64, Sha256), Error> {
    let mut own = Hasher::default();
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    while done < limit {
        if watch(done) == ControlFlow::Break(()) {
            return Err(Error::Cancelled);
        }
        let want = usize::try_from(limit - done).map_or(CHUNK, |left| left.min(CHUNK));
        let n = from.read(&mut buffer[..want]).map_err(unreadable)?;
        if n == 0 {
            break;
        }
        to(&buffer[..n])?;
        own.update(&buffer[..n]);
        whole.update(&buffer[..n]);
        done += n as u64;
    }
    Ok((done, own.finish()))
}
