//! `cargo fixture SHAPE OUT`: a model of random weights as a file.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use indicatif::{ProgressBar, ProgressStyle};
use qlens::quant::Format;
use qlens_fixtures::{Fixture, LEAST_VOCAB, Named};
use signal_hook::consts::{SIGINT, SIGTERM};

/// Write a GGUF model of random weights: the same file on every machine
#[derive(Parser)]
#[command(name = "cargo fixture", bin_name = "cargo fixture")]
struct Args {
    #[arg(help = "How large: a small one of each architecture, or as a published model")]
    shape: Named,
    #[arg(value_name = "OUT", help = "File to write")]
    out: PathBuf,
    /// Format of the matrices
    #[arg(long, default_value = "F16", value_parser = format(), ignore_case = true)]
    format: Format,
    /// Other weights for another number
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// This many layers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    layers: Option<u16>,
    /// This width of the feed-forward network
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    ffn: Option<u32>,
    /// This many tokens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(LEAST_VOCAB as i64..=1 << 20))]
    vocabulary: Option<u32>,
}

fn format() -> impl clap::builder::TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name: String| {
        let mut formats = Format::ALL.into_iter();
        let is_it = |format: &Format| format.name().eq_ignore_ascii_case(&name);
        formats.find(is_it).ok_or("no such format")
    })
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut shape = args.shape.shape();
    shape.n_layer = args.layers.map_or(shape.n_layer, usize::from);
    shape.n_ff = args.ffn.map_or(shape.n_ff, |n| n as usize);
    shape.n_vocab = args.vocabulary.map_or(shape.n_vocab, |n| n as usize);
    let fixture = Fixture {
        shape,
        format: args.format,
        seed: args.seed,
    };
    match write(&fixture, &args.out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {} cannot be written: {error}", args.out.display());
            ExitCode::FAILURE
        }
    }
}

/// Writes the file, which appears whole or not at all.
fn write(fixture: &Fixture, path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".fixture-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    let bar = ProgressBar::new(fixture.bytes());
    let style = "[{wide_bar}] {decimal_bytes}/{decimal_total_bytes} {eta}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style.progress_chars("=> "));
    }
    let mut out = BufWriter::new(Stoppable {
        out: bar.wrap_write(&mut file),
        stop: stop()?,
    });
    fixture.write(&mut out)?;
    out.flush()?;
    drop(out);
    bar.finish_and_clear();
    file.persist(path)?;
    Ok(())
}

/// Becomes true when a signal asks the program to end.
fn stop() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// An output that fails once it is asked to, so that the temporary file goes away.
struct Stoppable<W> {
    out: W,
    stop: Arc<AtomicBool>,
}

impl<W: Write> Write for Stoppable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
