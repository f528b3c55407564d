//! `qlens pull`: a model by its name, or by a manifest of one's own, into the cache.

use std::io::IsTerminal as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use qlens_models::{Cache, Error, Manifest, Progress, State, Step};

use crate::failure::Failure;
use crate::interrupt;
use crate::model_file::known_names;
use crate::output::Output;

/// Between two lines of progress where stderr is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Fetch a model and make sure that it is what its manifest says
///
/// Prints the path of its file. A fetch that was stopped goes on where it was. HF_ENDPOINT is asked in place
/// of https://huggingface.co if it is set.
#[derive(clap::Args, Debug)]
// Names of the environment are no code on a terminal.
#[allow(clippy::doc_markdown)]
pub struct PullArgs {
    /// Name of a model, as `qlens models` lists them, or a manifest (.toml), whose name is known from then on
    #[arg(value_name = "NAME")]
    model: String,
}

/// Runs the verb.
pub fn run(args: &PullArgs) -> Result<(), Failure> {
    let cache = Cache::of_user().map_err(Failure::new)?;
    let manifest = manifest(&cache, &args.model)?;
    let name = &manifest.name;
    let path = if cache.state(&manifest) == State::Verified {
        eprintln!("{name} is there and verified");
        cache.path(&manifest)
    } else {
        fetch(&cache, &manifest)?
    };
    Output::stdout().line(format_args!("{}", path.display()))
}

fn manifest(cache: &Cache, model: &str) -> Result<Manifest, Failure> {
    let path = Path::new(model);
    if path
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        return cache.adopt(path).map_err(Failure::new);
    }
    let found = cache.find(model).map_err(Failure::new)?;
    found.ok_or_else(|| {
        Failure::new(format_args!(
            "there is no model {model:?}; the models are: {}; for another one write a manifest, as \
             models/README.md of qlens says",
            known_names()
        ))
    })
}

fn fetch(cache: &Cache, manifest: &Manifest) -> Result<std::path::PathBuf, Failure> {
    interrupt::listen();
    eprintln!(
        "fetching {} ({}, {}) into {}",
        manifest.name,
        megabytes(manifest.size),
        manifest.licence,
        cache.folder().display()
    );
    let mut meter = Meter::new();
    let fetched = cache.fetch(manifest, &mut |progress| {
        meter.show(progress);
        if interrupt::came().is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    meter.bar.finish_and_clear();
    fetched.map_err(|error| match interrupt::came() {
        None => Failure::new(error),
        Some(signal) => {
            eprintln!("{}", stopped(cache, manifest, &error));
            Failure::stopped(signal)
        }
    })
}

/// What is left when somebody stops it.
fn stopped(cache: &Cache, manifest: &Manifest, error: &Error) -> String {
    let name = &manifest.name;
    match cache.partial_bytes(manifest) {
        // A fault of the same moment may have taken it.
        0 if !matches!(error, Error::Cancelled) => format!("stopped: {error}"),
        0 => "stopped before anything had arrived whole".into(),
        kept => format!(
            "stopped: {} of {} are kept, and `qlens pull {name}` goes on from there",
            megabytes(kept),
            megabytes(manifest.size)
        ),
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}

/// Progress on stderr: a bar on a terminal, a line now and then elsewhere.
struct Meter {
    bar: ProgressBar,
    step: Option<Step>,
    said: Instant,
}

impl Meter {
    fn new() -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::no_length()
        } else {
            ProgressBar::hidden()
        };
        let style = "{msg} [{wide_bar}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self {
            bar,
            step: None,
            said: Instant::now(),
        }
    }

    fn show(&mut self, progress: Progress) {
        let what = match progress.step {
            Step::Fetching => "fetching",
            Step::Verifying => "verifying",
        };
        if self.step.replace(progress.step) != Some(progress.step) {
            self.bar.set_message(what);
            self.bar.set_length(progress.total);
            // What was there already took no time, and says nothing of how long the rest takes.
            self.bar.set_position(progress.done);
            self.bar.reset_eta();
        }
        self.bar.set_position(progress.done);
        if self.bar.is_hidden() && self.said.elapsed() > LINE_EVERY {
            self.said = Instant::now();
            eprintln!(
                "{what}: {} of {} ({}%)",
                megabytes(progress.done),
                megabytes(progress.total),
                progress.done * 100 / progress.total.max(1)
            );
        }
    }
}
