//! `qlens plan`: does this model fit this board, before anything is flashed.

use qlens::KvType;
use qlens::model::Config;
use qlens::plan::{Limits, Plan, Section};
use qlens_board::Usage;
use qlens_board::description::Board;
use serde::Serialize;

use crate::boards;
use crate::failure::Failure;
use crate::model_file::ModelArg;
use crate::output::Output;
use crate::runtime::{kv_type, token_count};

/// Show the memory that a model needs against the memory that a board has
///
/// Exits with 1 if it does not fit.
#[derive(clap::Args, Debug)]
pub struct PlanArgs {
    #[command(flatten)]
    model: ModelArg,
    /// Name of the board
    #[arg(long, value_name = "NAME")]
    board: String,
    /// Tokens of prompts and answers together [default: what the board states, or what the model was trained for if that is less]
    #[arg(long, value_name = "N", value_parser = token_count())]
    ctx: Option<u32>,
    /// Prompt tokens that go through the model at once [default: what the board states]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// Type of the KV cache [default: what the board states]
    #[arg(long, value_name = "TYPE", value_parser = kv_type())]
    kv: Option<KvType>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// What the arena holds.
#[derive(Serialize)]
struct SectionReport {
    name: &'static str,
    bytes: usize,
}

/// A piece of the board's RAM.
#[derive(Serialize)]
struct RegionReport {
    usage: String,
    start: u64,
    bytes: u64,
}

/// The answer.
#[derive(Serialize)]
struct Report<'a> {
    model: String,
    model_bytes: u64,
    board: &'a str,
    ram_bytes: u64,
    context: usize,
    batch: usize,
    kv: &'static str,
    sections: Vec<SectionReport>,
    /// Bytes of the arena: the sections, and the slack that aligning them may take.
    total: usize,
    align: usize,
    /// Where the board has an operating system: bytes that it leaves to the model and the arena.
    budget_bytes: Option<u64>,
    /// Where it has none.
    regions: Vec<RegionReport>,
    fits: bool,
    /// Why not.
    obstacle: Option<String>,
    /// Bytes that stay free in the region of the arena.
    free_bytes: Option<u64>,
    /// The longest context that fits; `None` if not even one of one token does.
    longest_context: Option<usize>,
}

/// Runs the verb.
pub fn run(args: &PlanArgs) -> Result<(), Failure> {
    let board = boards::find(&args.board)?;
    let file = args.model.open()?;
    let model = file.model()?;
    let config = model.config();
    let usual = usual_limits(&board);
    let limits = Limits {
        context: args
            .ctx
            .map_or(usual.context.min(config.n_ctx_train), |tokens| {
                tokens as usize
            }),
        batch: args.batch.map_or(usual.batch, |tokens| tokens as usize),
        kv: args.kv.unwrap_or(usual.kv),
    };
    let plan = Plan::new(config, &limits).map_err(|error| file.refuse(error))?;
    let placed = board.memory().place(file.size(), plan.total() as u64);
    let report = Report {
        model: file.path().display().to_string(),
        model_bytes: file.size(),
        board: &board.name,
        ram_bytes: board.ram_bytes(),
        context: plan.limits().context,
        batch: plan.limits().batch,
        kv: plan.limits().kv.name(),
        sections: plan
            .sections()
            .iter()
            .map(|&Section { name, bytes }| SectionReport { name, bytes })
            .collect(),
        total: plan.total(),
        align: plan.align(),
        budget_bytes: board.userspace.map(|userspace| userspace.budget),
        regions: regions(&board),
        fits: placed.is_ok(),
        free_bytes: placed.ok().and_then(|layout| {
            let memory = board.memory();
            let room = memory
                .span(Usage::Arena)
                .or_else(|| memory.span(Usage::Model))?;
            Some(room.end() - layout.arena.end())
        }),
        obstacle: placed.err().map(|error| error.to_string()),
        longest_context: longest_context(config, &limits, &board, file.size()),
    };
    let mut output = Output::stdout();
    if args.json {
        output.json(&report)?;
    } else {
        report.print(&mut output)?;
    }
    match &report.obstacle {
        None => Ok(()),
        Some(obstacle) => Err(Failure::new(report.refusal(obstacle))),
    }
}

/// What a session on that board gets when nobody asks for something else.
fn usual_limits(board: &Board) -> Limits {
    board
        .session
        .map_or_else(Limits::default, |session| Limits {
            context: session.context,
            batch: session.batch,
            // The names are the same, which a test sees to.
            kv: KvType::from_name(session.kv.name()).unwrap_or_default(),
        })
}

/// The longest context with which a model of so many bytes fits a board that nobody asked for something
/// else.
pub fn usual_longest_context(config: &Config, board: &Board, model: u64) -> Option<usize> {
    longest_context(config, &usual_limits(board), board, model)
}

fn regions(board: &Board) -> Vec<RegionReport> {
    if board.userspace.is_some() {
        return Vec::new();
    }
    let memory = board.memory();
    let reserved = board
        .reserved()
        .map(|(about, span)| (format!("reserved: {about}"), span));
    let own = memory
        .regions
        .iter()
        .filter(|region| region.usage != Usage::Reserved);
    let own = own.filter_map(|region| Some((region.usage.to_string(), memory.span(region.usage)?)));
    let mut all: Vec<_> = reserved.chain(own).collect();
    all.sort_by_key(|(_, span)| span.start);
    all.into_iter()
        .map(|(usage, span)| RegionReport {
            usage,
            start: span.start,
            bytes: span.size,
        })
        .collect()
}

/// The longest context with which the model fits, given everything else.
fn longest_context(config: &Config, limits: &Limits, board: &Board, model: u64) -> Option<usize> {
    let fits = |context: usize| {
        Plan::new(config, &Limits { context, ..*limits })
            .is_ok_and(|plan| board.memory().place(model, plan.total() as u64).is_ok())
    };
    // More context never takes less memory, so the answer can be halved in on.
    let (mut fitting, mut beyond) = (0, config.n_ctx_train + 1);
    while beyond - fitting > 1 {
        let middle = fitting + (beyond - fitting) / 2;
        *(if fits(middle) {
            &mut fitting
        } else {
            &mut beyond
        }) = middle;
    }
    (fitting > 0).then_some(fitting)
}

impl Report<'_> {
    fn refusal(&self, obstacle: &str) -> String {
        let way_out = match self.longest_context {
            Some(longest) => {
                format!("the longest context that fits is {longest} tokens (--ctx {longest})")
            }
            None => "no context fits beside it, so that a smaller model is needed".into(),
        };
        format!(
            "{} with a context of {} tokens does not fit {}: {obstacle}; {way_out}",
            self.model, self.context, self.board
        )
    }

    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        output.line(format_args!(
            "{} on {}, context {}, batch {}, KV cache {}",
            self.model, self.board, self.context, self.batch, self.kv
        ))?;
        for section in &self.sections {
            output.line(format_args!(
                "  {:<26} {:>14} bytes",
                section.name, section.bytes
            ))?;
        }
        output.line(format_args!(
            "  {:<26} {:>14} bytes",
            "slack for alignment",
            self.align - 1
        ))?;
        output.line(format_args!(
            "arena                        {:>14} bytes, aligned to {}",
            self.total, self.align
        ))?;
        output.line(format_args!(
            "model                        {:>14} bytes",
            self.model_bytes
        ))?;
        output.line(format_args!(
            "RAM of the board             {:>14} bytes",
            self.ram_bytes
        ))?;
        if let Some(budget) = self.budget_bytes {
            output.line(format_args!(
                "  {:<26} {budget:>14} bytes",
                "left to model and arena"
            ))?;
        }
        for region in &self.regions {
            output.line(format_args!(
                "  {:<26} {:>14} bytes at {:#x}",
                region.usage, region.bytes, region.start
            ))?;
        }
        match (self.free_bytes, self.longest_context) {
            (Some(free), Some(longest)) => output.line(format_args!(
                "it fits, {free} bytes stay free; the longest context that fits is {longest} tokens"
            )),
            _ => output.line(format_args!("it does not fit")),
        }
    }
}
