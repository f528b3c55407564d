//! The flags that shape a session, and the session that they make.

use std::thread;
use std::time::{Duration, Instant};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use memmap2::MmapMut;
use qlens::KvType;
use qlens::kernel::Kernel;
use qlens::model::Model;
use qlens::plan::{Limits, Plan};
use qlens::session::{self, Session};
use qlens::workers::{Threads, Workers as _};
use serde::Serialize;

use crate::failure::Failure;
use crate::model_file::ModelFile;

/// More threads than any machine that this runs on has cores.
const MAX_THREADS: i64 = 1024;

/// How to compute. Only the type of the KV cache changes the result.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Computing (the results are the same whatever is chosen)")]
pub struct RuntimeArgs {
    /// Threads to compute with [default: one a core]
    #[arg(long, value_name = "N", value_parser = thread_count())]
    threads: Option<u32>,
    /// Threads to read prompts with, where many tokens go through the model at once [default: as --threads]
    #[arg(long, value_name = "N", value_parser = thread_count())]
    threads_batch: Option<u32>,
    /// Prompt tokens that go through the model at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = token_count())]
    batch: u32,
    /// Instruction set to compute with [default: the fastest of this processor]
    #[arg(long, value_name = "NAME", value_parser = kernel())]
    kernel: Option<Kernel>,
    /// Type of the KV cache; int8 takes little more than half the memory, and changes results a little
    #[arg(long, value_name = "TYPE", value_parser = kv_type(), default_value = "f16", help_heading = None)]
    kv: KvType,
}

/// How far to guess ahead. It does not change the result.
#[derive(clap::Args, Debug)]
pub struct DraftArgs {
    /// Most tokens to draft at a time where an answer repeats what stands before it; 0 is off. The answer is
    /// the same
    #[arg(long, value_name = "N", default_value_t = session::DRAFT)]
    pub draft: usize,
}

/// A number of threads on the command line.
pub fn thread_count() -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=MAX_THREADS)
}

/// A number of tokens on the command line, 1 or more.
pub fn token_count() -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..)
}

/// The context that was asked for, else what applies when nobody asks, as far as the model was trained
/// for it.
pub fn usual_context(ctx: Option<u32>, model: &Model<'_>) -> usize {
    let usual = Limits::default().context.min(model.config().n_ctx_train);
    ctx.map_or(usual, |tokens| tokens as usize)
}

/// A type of the KV cache on the command line.
pub fn kv_type() -> impl TypedValueParser<Value = KvType> {
    PossibleValuesParser::new(KvType::ALL.map(KvType::name))
        .try_map(|name| KvType::from_name(&name).ok_or("no such type"))
}

fn kernel() -> impl TypedValueParser<Value = Kernel> {
    PossibleValuesParser::new(Kernel::ALL.map(Kernel::name)).try_map(|name| name.parse::<Kernel>())
}

/// What a session was set up with, for reports.
#[derive(Serialize, Debug, Clone, Copy)]
pub struct Settings {
    /// Bytes of the session's arena.
    pub arena_bytes: usize,
    /// Tokens that fit.
    pub context: usize,
    /// Prompt tokens at once.
    pub batch: usize,
    /// Threads that compute, the main one included.
    pub threads: usize,
    /// The same for prompts.
    pub threads_batch: usize,
    /// Name of the instruction set.
    pub kernel: &'static str,
    /// Name of the KV cache's type.
    pub kv: &'static str,
}

/// Everything that a session borrows.
pub struct Runtime<'m> {
    file: &'m ModelFile,
    model: Model<'m>,
    plan: Plan,
    arena: MmapMut,
    workers: Threads,
    /// Those for prompts, if they are others.
    prefill_workers: Option<Threads>,
    kernel: Kernel,
}

impl<'m> Runtime<'m> {
    /// Prepares sessions of `context` tokens.
    pub fn new(
        file: &'m ModelFile,
        model: &Model<'m>,
        args: &RuntimeArgs,
        context: usize,
    ) -> Result<Self, Failure> {
        let limits = Limits {
            context,
            batch: args.batch as usize,
            kv: args.kv,
        };
        let plan = Plan::new(model.config(), &limits).map_err(|error| file.refuse(error))?;
        // Memory of the system's own, zeroed and untouched: what a session does not reach takes none.
        let arena = MmapMut::map_anon(plan.total()).map_err(|_| {
            Failure::new(format_args!(
                "there are no {} bytes of memory for a context of {context} tokens: use a smaller --ctx",
                plan.total()
            ))
        })?;
        file.read_ahead();
        let count = threads(args.threads);
        let batch_count = args.threads_batch.map_or(count, |threads| threads as usize);
        Ok(Self {
            file,
            model: *model,
            plan,
            arena,
            workers: Threads::new(count),
            prefill_workers: (batch_count != count).then(|| Threads::new(batch_count)),
            kernel: args.kernel.unwrap_or_else(Kernel::detect),
        })
    }

    /// The session, and what it was set up with.
    pub fn session(&mut self) -> Result<(Session<'m, '_, '_>, Settings), Failure> {
        let limits = self.plan.limits();
        let prefill_workers = self.prefill_workers.as_ref().unwrap_or(&self.workers);
        let settings = Settings {
            arena_bytes: self.plan.total(),
            context: limits.context,
            batch: limits.batch,
            threads: self.workers.count(),
            threads_batch: prefill_workers.count(),
            kernel: self.kernel.name(),
            kv: limits.kv.name(),
        };
        let session = Session::new(&self.model, &self.plan, &mut self.arena, &self.workers);
        let session = session.map_err(|error| self.file.refuse(error))?;
        let session = session.with_kernel(self.kernel).map_err(Failure::new)?;
        Ok((session.with_prefill_workers(prefill_workers), settings))
    }
}

/// The number of threads that was asked for, else one a core.
pub fn threads(asked: Option<u32>) -> usize {
    asked.map_or_else(
        || thread::available_parallelism().map_or(1, usize::from),
        |threads| threads as usize,
    )
}

/// Tokens a second; `None` where there were none to time.
pub fn rate(tokens: usize, took: Duration) -> Option<f64> {
    (tokens > 0 && !took.is_zero()).then(|| tokens as f64 / took.as_secs_f64())
}

/// Runs `work` and says how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// The most memory that this process ever had at once, in bytes, the mapped model included.
pub fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kilobytes * 1024)
}
