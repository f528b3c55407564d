//! Where a verb's data goes that is no text: a file that appears whole or not at all, or a device or
//! pipe that takes it as it comes.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::{Failure, reason};
use crate::model_file::ModelFile;

/// An output that was named on the command line. One that is dropped unfinished leaves no file.
pub struct Destination {
    /// As the user called it.
    named: PathBuf,
    out: Out,
}

enum Out {
    /// A file under another name until it is whole, and the name that it gets then.
    File(BufWriter<NamedTempFile>, PathBuf),
    /// A device or a pipe, which has no name to move to.
    Stream(BufWriter<File>),
}

impl Destination {
    /// Opens `path`, which may be anything but a directory and the file that `model` is read from.
    pub fn open(path: &Path, model: &ModelFile) -> Result<Self, Failure> {
        Self::open_unless(path, &|found| model.is(found))
    }

    /// Opens `path`, which may be anything but a directory and a file that is read.
    pub fn open_unless(
        path: &Path,
        is_read: &dyn Fn(&fs::Metadata) -> bool,
    ) -> Result<Self, Failure> {
        let refuse = |what: &str| Failure::of_file(path, what);
        let cannot = |error| cannot_write(path, &error);
        let out = match fs::metadata(path) {
            Ok(found) if is_read(&found) => {
                return Err(refuse("it is the model's own file; name another one"));
            }
            Ok(found) if found.is_dir() => {
                return Err(refuse("it is a directory; name a file to write to"));
            }
            Ok(found) if !found.is_file() => {
                let stream = File::options().write(true).open(path).map_err(cannot)?;
                Out::Stream(BufWriter::new(stream))
            }
            // Behind a link lies the file that is meant.
            Ok(_) => Out::beside(fs::canonicalize(path).map_err(cannot)?).map_err(cannot)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Out::beside(path.to_owned()).map_err(cannot)?
            }
            Err(error) => return Err(cannot(error)),
        };
        Ok(Self {
            named: path.to_owned(),
            out,
        })
    }

    /// Appends `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.write_with(|out| out.write_all(bytes))
    }

    /// Appends what `write` writes.
    pub fn write_with(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let out: &mut dyn Write = match &mut self.out {
            Out::File(out, _) => out,
            Out::Stream(out) => out,
        };
        write(out).map_err(|error| cannot_write(&self.named, &error))
    }

    /// Gives the file its name, in place of one that had it.
    pub fn finish(self) -> Result<(), Failure> {
        let named = self.named;
        self.out
            .finish()
            .map_err(|error| cannot_write(&named, &error))
    }
}

impl Out {
    fn beside(path: PathBuf) -> io::Result<Self> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        // What any new file gets; the system takes away what the user's mask says.
        let permissions = Permissions::from_mode(0o666);
        let file = tempfile::Builder::new()
            .prefix(".qlens-")
            .permissions(permissions)
            .tempfile_in(folder)?;
        Ok(Self::File(BufWriter::new(file), path))
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::File(out, path) => {
                let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.persist(path).map_err(|error| error.error)?;
            }
            Self::Stream(mut out) => out.flush()?,
        }
        Ok(())
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::of_file(
        path,
        format_args!("it cannot be written: {}", reason(error)),
    )
}
