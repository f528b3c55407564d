//! From what was typed for MODEL to the bytes of its file, mapped: a model is read where it lies, and
//! only the pages that are used take memory.

use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::mem::ManuallyDrop;
use std::ops::ControlFlow;
use std::os::fd::FromRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use memmap2::{Advice, Mmap};
use qlens::gguf::Gguf;
use qlens::model::Model;
use qlens_models::{Cache, Manifest, State};

use crate::failure::{Failure, reason};
use crate::interrupt;

/// Which model.
#[derive(clap::Args, Debug)]
pub struct ModelArg {
    #[arg(
        value_name = "MODEL",
        help = "GGUF file or name of a known model [default: Qwen2.5-Coder-0.5B-Instruct Q4_K_M]"
    )]
    model: Option<PathBuf>,
}

impl ModelArg {
    /// Opens a file by its path, a known model by its name, or else the default model.
    pub fn open(&self) -> Result<ModelFile, Failure> {
        match self.model.as_deref() {
            None => ModelFile::known(qlens_models::DEFAULT),
            Some(model) => ModelFile::open(model),
        }
    }
}

/// A model's file.
pub struct ModelFile {
    path: PathBuf,
    /// Device and inode: which file it is, whatever it is called.
    identity: (u64, u64),
    map: Mmap,
}

impl ModelFile {
    /// Opens a file by its path, or a known model by its name.
    pub fn open(model: &Path) -> Result<Self, Failure> {
        if fs::metadata(model).is_ok_and(|found| !found.is_dir()) {
            return Self::map(model.to_owned());
        }
        match model.to_str() {
            Some(name) => Self::known(name),
            None => Self::map(model.to_owned()),
        }
    }

    fn known(name: &str) -> Result<Self, Failure> {
        match known(name)? {
            Some(manifest) => Self::map(in_cache(&manifest)?),
            None => Self::map(name.into()),
        }
    }

    /// Opens a file by its path.
    pub fn map(path: PathBuf) -> Result<Self, Failure> {
        static REPORTED: Once = Once::new();
        let refuse = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Failure::new(format_args!(
                "there is no file {}, and no model of that name; the models are: {}",
                path.display(),
                known_names()
            )),
            _ => Failure::of_file(&path, format_args!("it cannot be read: {}", reason(&error))),
        };
        // Looked at before it is opened: opening a pipe would wait for a writer.
        let found = fs::metadata(&path).map_err(refuse)?;
        if let Some(fault) = fault(&found) {
            return Err(Failure::of_file(&path, fault));
        }
        let file = File::open(&path).map_err(refuse)?;
        REPORTED.call_once(report_lost_pages);
        // SAFETY: the mapping is read-only. A file that another program shortens meanwhile ends this
        // one with a sentence (`report_lost_pages`); one that is overwritten gives other numbers, and
        // every index read from it was copied out or is bounds-checked where it is used.
        let map = unsafe { Mmap::map(&file) }.map_err(refuse)?;
        Ok(Self {
            identity: identity(&found),
            path,
            map,
        })
    }

    /// Opens the file of a model that the cache has, verified.
    pub fn cached(cache: &Cache, manifest: &Manifest) -> Result<Self, Failure> {
        Self::map(cache.path(manifest))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.map.len() as u64
    }

    /// Whether `other` is this very file, under whichever name.
    pub fn is(&self, other: &Metadata) -> bool {
        identity(other) == self.identity
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Its directory.
    pub fn gguf(&self) -> Result<Gguf<'_>, Failure> {
        Gguf::parse(&self.map).map_err(|error| self.refuse(error))
    }

    /// The model in it, if it is one that can run.
    pub fn model(&self) -> Result<Model<'_>, Failure> {
        Model::parse(&self.map).map_err(|error| self.refuse(error))
    }

    /// Tells the system that all of it is going to be read, so that it reads ahead.
    pub fn read_ahead(&self) {
        // Hints that are not taken are no loss. Weights are streamed, and small pages interrupt the stream.
        #[cfg(target_os = "linux")]
        let _ = self.map.advise(Advice::HugePage);
        let _ = self.map.advise(Advice::WillNeed);
    }

    /// A failure that names the file.
    pub fn refuse(&self, error: impl std::fmt::Display) -> Failure {
        Failure::of_file(&self.path, error)
    }
}

fn identity(of: &Metadata) -> (u64, u64) {
    (of.dev(), of.ino())
}

/// Why a file cannot be a model whatever it holds.
fn fault(found: &Metadata) -> Option<&'static str> {
    if found.is_dir() {
        Some("it is a directory; a GGUF file is needed")
    } else if !found.is_file() {
        Some("it is not a regular file, so that it cannot be mapped; copy the model to one")
    } else if found.len() == 0 {
        Some("the file is empty; a GGUF file is needed")
    } else {
        None
    }
}

/// Names of all models that are known.
pub fn known_names() -> String {
    let models = match Cache::of_user().and_then(|cache| cache.known()) {
        Ok((models, _)) => models,
        Err(_) => qlens_models::catalog().unwrap_or_default(),
    };
    models
        .into_iter()
        .map(|manifest| manifest.name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The model of that name, if there is one.
pub fn known(name: &str) -> Result<Option<Manifest>, Failure> {
    match Cache::of_user() {
        Ok(cache) => cache.find(name).map_err(Failure::new),
        // Without a cache those that are compiled in are known still.
        Err(_) => qlens_models::find(name).map_err(Failure::new),
    }
}

/// Where the cache has a model.
fn in_cache(manifest: &Manifest) -> Result<PathBuf, Failure> {
    let cache = Cache::of_user().map_err(Failure::new)?;
    match cache.state(manifest) {
        State::Verified => Ok(cache.path(manifest)),
        State::Unverified => verified(&cache, manifest),
        State::Absent => {
            let name = &manifest.name;
            Err(Failure::new(format_args!(
                "the model {name} is not in {}: get it with `qlens pull {name}`, or name a GGUF file",
                cache.folder().display()
            )))
        }
    }
}

/// The path of a file that is there and has to be hashed first.
fn verified(cache: &Cache, manifest: &Manifest) -> Result<PathBuf, Failure> {
    interrupt::listen();
    let bar = ProgressBar::new(manifest.size);
    let style = "verifying the model [{wide_bar}] {decimal_bytes}/{decimal_total_bytes}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style.progress_chars("=> "));
    }
    let path = cache.fetch(manifest, &mut |progress| {
        bar.set_position(progress.done);
        if interrupt::came().is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    bar.finish_and_clear();
    path.map_err(|error| interrupt::came().map_or_else(|| Failure::new(error), Failure::stopped))
}

/// Makes reading a mapped page that is not there any more end the program with a sentence.
///
/// It happens when another program shortens the file, or its disk goes away.
fn report_lost_pages() {
    static SAID: AtomicBool = AtomicBool::new(false);
    let action = || {
        if SAID.swap(true, Ordering::Relaxed) {
            // Another thread is about to end the program.
            loop {
                std::hint::spin_loop();
            }
        }
        // SAFETY: descriptor 2 stays open to the end of the program, and is not closed here.
        let mut stderr = ManuallyDrop::new(unsafe { File::from_raw_fd(2) });
        let _ = stderr.write_all(
            b"error: the model's file was shortened, or its disk went away, while it was read\n",
        );
        signal_hook::low_level::exit(1);
    };
    // The standard library's own handler would be called first, and it makes the signal fatal: a second thread
    // that reads such a page meanwhile would end the program without the sentence.
    // SAFETY: no action is installed for this signal yet.
    unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
    // SAFETY: the action calls write and _exit, which are safe in a signal handler, and does not return.
    let _ = unsafe { signal_hook::low_level::register(libc::SIGBUS, action) };
}
