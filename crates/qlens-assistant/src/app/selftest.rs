//! Golden vectors inside firmware: a test outside sends a line with tokens, the board answers with what
//! its own kernels, cores and batches make of them, and the bits must be the host's.
//!
//! | line in | lines out |
//! |---|---|
//! | `logits kernel=K workers=W batch=B tokens=1,2,3` | `logits sha256=<hex> positions=<n> vocab=<n>` |
//! | `generate kernel=K workers=W batch=B n=N tokens=1,2,3` | `token <id>` for each, then `done <stop> tokens=<n>` |
//! | `bench kernel=K workers=W batch=B prefill=N position=P` | `bench kernel=<name> ticks=<n> hz=<n>`: what a prompt of `N` tokens took |
//! | `bench kernel=K workers=W batch=B decode=N position=P` | the same for `N` tokens of an answer |
//! | `kernels` | `kernels scalar neon …`, those that this processor runs |
//! | `workers` | `workers <n>`, the most that `workers=` may be |
//! | anything else, or what cannot be done | `error <sentence>` |
//!
//! The hash is over all logits of all positions in order, each an `f32` in little-endian bytes. `kernel`
//! may be left out for the fastest, `workers` for all of them, `batch` for 32. `workers` is 1 (the boot
//! core alone) or all. Generation is greedy. A bench's tokens are its own; it begins behind `position` tokens
//! of context, none if that is left out, and its `ticks` are those of the board's [`Counter`], `hz` a second.

mod bench;

use core::fmt;
use core::str::FromStr;

use embedded_io::Write;
use heapless::Vec;
use qlens::kernel::Kernel;
use qlens::model::Model;
use qlens::plan::{self, Limits, Plan};
use qlens::sampler::Sampler;
use qlens::session::{self, Session, Stop};
use qlens::workers::{Inline, Workers};
use qlens_board::sha256::{Hex, Sha256};

use super::report::Report;
pub use bench::Counter;
use bench::Run;

/// Most tokens of a request.
pub const MAX_TOKENS: usize = 2048;

/// Longest line, in bytes.
pub const LINE_BYTES: usize = 16 * 1024;

/// Why a line was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The first word is no request.
    Request,
    /// A field has no `=`, an unknown name, or a value that does not parse.
    Field {
        /// The field's place in the line, from 1.
        number: usize,
    },
    /// More than [`MAX_TOKENS`], those of the context included.
    TooManyTokens,
    /// A bench of nothing, or of two things at once.
    Run,
    /// Neither 1 nor all.
    Workers {
        /// What was asked for.
        asked: usize,
        /// How many there are.
        found: usize,
    },
    /// The arena that was left behind the model is too small for this many tokens.
    Arena {
        /// Bytes needed.
        needed: usize,
        /// Bytes there are.
        found: usize,
    },
    /// No such context or batch.
    Plan(plan::Error),
    /// The session refused.
    Session(session::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => {
                f.write_str("a line is one of logits, generate, bench, kernels, workers")
            }
            Self::Field { number } => {
                write!(
                    f,
                    "field {number} is not one of kernel, workers, batch, n, tokens, prefill, decode, position \
                     with a value"
                )
            }
            Self::TooManyTokens => write!(f, "a request may have {MAX_TOKENS} tokens"),
            Self::Run => f.write_str("a bench is of prefill=N or of decode=N, N being 1 or more"),
            Self::Workers { asked, found } => {
                write!(f, "workers={asked} is not possible: it is 1 or {found}")
            }
            Self::Arena { needed, found } => {
                write!(f, "the arena has {found} bytes, {needed} are needed")
            }
            Self::Plan(error) => error.fmt(f),
            Self::Session(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

/// What a line asks for.
struct Request {
    kernel: Kernel,
    /// `None` for all.
    workers: Option<usize>,
    batch: usize,
    /// Tokens to generate.
    n: usize,
    tokens: Vec<u32, MAX_TOKENS>,
    /// Tokens of a bench's prompt, of its answer, and of the context before.
    prefill: usize,
    decode: usize,
    position: usize,
}

impl Request {
    fn parse(fields: &str) -> Result<Self, Error> {
        let mut request = Self {
            kernel: Kernel::detect(),
            workers: None,
            batch: 32,
            n: 0,
            tokens: Vec::new(),
            prefill: 0,
            decode: 0,
            position: 0,
        };
        for (index, field) in fields.split_whitespace().enumerate() {
            let error = Error::Field { number: index + 1 };
            let (name, value) = field.split_once('=').ok_or(error)?;
            match name {
                "kernel" => request.kernel = value.parse().map_err(|_| error)?,
                "workers" => request.workers = Some(number(value).ok_or(error)?),
                "batch" => request.batch = number(value).ok_or(error)?,
                "n" => request.n = number(value).ok_or(error)?,
                "prefill" => request.prefill = number(value).ok_or(error)?,
                "decode" => request.decode = number(value).ok_or(error)?,
                "position" => request.position = number(value).ok_or(error)?,
                "tokens" => {
                    for token in value.split(',') {
                        let token = number(token).ok_or(error)?;
                        let pushed = request.tokens.push(token);
                        pushed.map_err(|_| Error::TooManyTokens)?;
                    }
                }
                _ => return Err(error),
            }
        }
        Ok(request)
    }
}

fn number<N: FromStr>(text: &str) -> Option<N> {
    text.parse().ok()
}

/// What a board brings to its test.
pub struct Platform<'b> {
    /// Its cores.
    pub workers: &'b dyn Workers,
    /// Makes a fresh hash.
    pub hasher: fn() -> Sha256,
    /// What runs are measured with.
    pub counter: &'b dyn Counter,
}

/// Answers one line. `arena` is all the memory that there is beside the model.
pub fn answer<R: Write>(
    line: &str,
    model: &Model<'_>,
    arena: &mut [u8],
    platform: &Platform<'_>,
    out: &mut R,
) {
    let mut out = Report(out);
    if let Err(error) = carry_out(line, model, arena, platform, &mut out) {
        out.error(&error);
    }
}

fn carry_out<R: Write>(
    line: &str,
    model: &Model<'_>,
    arena: &mut [u8],
    platform: &Platform<'_>,
    out: &mut Report<R>,
) -> Result<(), Error> {
    let (word, fields) = line.split_once(' ').unwrap_or((line, ""));
    let workers = platform.workers;
    match word {
        "logits" | "generate" | "bench" => {}
        "kernels" => {
            out.words(
                "kernels",
                Kernel::ALL
                    .into_iter()
                    .filter(|kernel| kernel.is_available()),
            );
            return Ok(());
        }
        "workers" => {
            out.words("workers", [workers.count()]);
            return Ok(());
        }
        _ => return Err(Error::Request),
    }
    let mut request = Request::parse(fields)?;
    let run = if word == "bench" {
        let run = Run::new(request.prefill, request.decode, request.position)?;
        request.tokens = run.tokens(model.config().n_vocab)?;
        Some(run)
    } else {
        None
    };
    let found = workers.count();
    let workers = match request.workers {
        None => workers,
        Some(asked) if asked == found => workers,
        Some(1) => &Inline,
        Some(asked) => return Err(Error::Workers { asked, found }),
    };
    let limits = Limits {
        context: request.tokens.len().saturating_add(request.n),
        batch: request.batch,
        ..Limits::default()
    };
    let plan = Plan::new(model.config(), &limits).map_err(Error::Plan)?;
    let (needed, found) = (plan.total(), arena.len());
    let arena = arena
        .get_mut(..needed)
        .ok_or(Error::Arena { needed, found })?;
    let mut session = Session::new(model, &plan, arena, workers)
        .and_then(|session| session.with_kernel(request.kernel))
        .map_err(Error::Session)?;
    if let Some(run) = run {
        let counter = platform.counter;
        let ticks = run
            .measure(&mut session, &request.tokens, counter)
            .map_err(Error::Session)?;
        out.bench(session.kernel(), ticks, counter.frequency());
        return Ok(());
    }
    session
        .feed_tokens(&request.tokens)
        .map_err(Error::Session)?;
    if word == "logits" {
        let hash = (platform.hasher)();
        logits(&mut session, hash, model.config().n_vocab, out)
    } else {
        generate(&mut session, request.n, out)
    }
    .map_err(Error::Session)
}

fn logits<R: Write>(
    session: &mut Session<'_, '_, '_>,
    mut hash: Sha256,
    vocab: usize,
    out: &mut Report<R>,
) -> Result<(), session::Error> {
    let mut positions = 0;
    session.logits(&mut (), &mut |_, logits| {
        // A hash of four bytes at a time would be mostly calls.
        let mut bytes = [0; 4096];
        for part in logits.chunks(bytes.len() / 4) {
            for (slot, value) in bytes.chunks_exact_mut(4).zip(part) {
                slot.copy_from_slice(&value.to_le_bytes());
            }
            hash.update(&bytes[..4 * part.len()]);
        }
        positions += 1;
    })?;
    out.logits(&Hex(&hash.finish()), positions, vocab);
    Ok(())
}

fn generate<R: Write>(
    session: &mut Session<'_, '_, '_>,
    most: usize,
    out: &mut Report<R>,
) -> Result<(), session::Error> {
    session.set_max_tokens(Some(most));
    while let Some(piece) = session.next(&mut Sampler::greedy(), &mut ())? {
        if let Some(token) = piece.token {
            out.token(token);
        }
    }
    let stop = session.stop_reason().unwrap_or(Stop::EndOfTurn);
    out.generated(stop, session.stats().generated_tokens);
    Ok(())
}
