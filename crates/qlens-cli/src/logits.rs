//! `qlens logits`: what the model makes of each token, whole, for comparison with other programs.

use std::cell::RefCell;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use qlens::session::{Interrupt, Progress, Stop, Watch as _};
use tempfile::NamedTempFile;

use crate::failure::{Failure, reason};
use crate::generate::refuse_prompt;
use crate::interrupt;
use crate::model_file::{ModelArg, ModelFile};
use crate::runtime::{Runtime, RuntimeArgs, token_count};
use crate::watch::Supervisor;

/// Write the logits after each token of a prompt to a file
#[derive(clap::Args, Debug)]
pub struct LogitsArgs {
    #[command(flatten)]
    model: ModelArg,
    /// The prompt: ids separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',', required = true)]
    tokens: Vec<u32>,
    #[arg(
        long,
        value_name = "FILE",
        help = "File to write: f32 little-endian, [n_tokens, n_vocab]"
    )]
    out: PathBuf,
    /// Tokens that the session has room for [default: as many as there are]
    #[arg(long, value_name = "N", value_parser = token_count())]
    ctx: Option<u32>,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// Runs the verb.
pub fn run(args: &LogitsArgs) -> Result<(), Failure> {
    interrupt::listen();
    let file = args.model.open()?;
    let model = file.model()?;
    let context = args.ctx.map_or(
        args.tokens.len().min(model.config().n_ctx_train),
        |tokens| tokens as usize,
    );
    let mut destination = Destination::open(&args.out, &file)?;
    let mut runtime = Runtime::new(&file, model, &args.runtime, context)?;
    let (mut session, _) = runtime.session()?;
    session
        .feed_tokens(&args.tokens)
        .map_err(|error| refuse_prompt(&error))?;

    // What keeps a row from being written also ends the computation of further ones.
    let trouble = RefCell::new(None);
    let mut supervisor = Supervisor::new();
    let mut watch = |at: Progress| {
        if trouble.borrow().is_some() {
            Some(Interrupt::Cancelled)
        } else {
            supervisor.check(at)
        }
    };
    let mut visit = |_: usize, logits: &[f32]| {
        let mut trouble = trouble.borrow_mut();
        if trouble.is_none() {
            *trouble = destination.row(logits).err();
        }
    };
    session
        .logits(&mut watch, &mut visit)
        .map_err(Failure::new)?;
    supervisor.clear();
    let refuse = |error: io::Error| {
        Failure::of_file(
            &args.out,
            format_args!("it cannot be written: {}", reason(&error)),
        )
    };
    if let Some(error) = trouble.into_inner() {
        return Err(refuse(error));
    }
    if session.stop_reason() == Some(Stop::Cancelled) {
        return Err(interrupt::came().map_or_else(Failure::said, Failure::stopped));
    }
    destination.finish().map_err(refuse)
}

/// Where rows of logits go.
enum Destination {
    /// A file under another name until it is whole, and the name that it gets then.
    File(BufWriter<NamedTempFile>, PathBuf),
    /// A device or a pipe, which has no name to move to.
    Stream(BufWriter<File>),
}

impl Destination {
    fn open(path: &Path, model: &ModelFile) -> Result<Self, Failure> {
        let refuse = |what: &str| Failure::of_file(path, what);
        let cannot = |error: io::Error| {
            Failure::of_file(
                path,
                format_args!("it cannot be written: {}", reason(&error)),
            )
        };
        match fs::metadata(path) {
            Ok(found) if model.is(&found) => Err(refuse(
                "it is the model's own file; name another one with --out",
            )),
            Ok(found) if found.is_dir() => Err(refuse("it is a directory; name a file with --out")),
            Ok(found) if !found.is_file() => {
                let stream = File::options().write(true).open(path).map_err(cannot)?;
                Ok(Self::Stream(BufWriter::new(stream)))
            }
            // Behind a link lies the file that is meant.
            Ok(_) => Self::beside(fs::canonicalize(path).map_err(cannot)?).map_err(cannot),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self::beside(path.to_owned()).map_err(cannot)
            }
            Err(error) => Err(cannot(error)),
        }
    }

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

    fn row(&mut self, logits: &[f32]) -> io::Result<()> {
        let out: &mut dyn Write = match self {
            Self::File(out, _) => out,
            Self::Stream(out) => out,
        };
        logits
            .iter()
            .try_for_each(|logit| out.write_all(&logit.to_le_bytes()))
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
