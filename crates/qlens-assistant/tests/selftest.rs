//! The requests that firmware answers when it tests itself, answered here: the lines are what the
//! protocol says, and the bits are the session's own, whatever kernel, cores and batch.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use qlens::kernel::Kernel;
use qlens::model::Model;
use qlens::plan::{Limits, Plan};
use qlens::sampler::Sampler;
use qlens::session::Session;
use qlens::workers::{Inline, Workers};
use qlens_assistant::app::selftest::{Counter, Platform, answer};
use qlens_board::fake::FakeConsole;
use qlens_board::sha256::{Hex, Sha256};

const TOKENS: [u32; 9] = [265, 117, 115, 258, 10, 87, 104, 97, 116];

fn fixture() -> Vec<u8> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../qlens/tests/data/qwen2-q4_k_m.gguf"
    );
    std::fs::read(path).expect("the fixture is in the repository")
}

/// A board whose time stands still.
struct Still;

impl Counter for Still {
    fn ticks(&self) -> u64 {
        7
    }

    fn frequency(&self) -> u64 {
        1
    }
}

fn platform(workers: &dyn Workers) -> Platform<'_> {
    Platform {
        workers,
        hasher: Sha256::new,
        counter: &Still,
    }
}

fn ask(line: &str, model: &Model<'_>, workers: &dyn Workers) -> String {
    let mut arena = vec![0; 4 << 20];
    let mut console = FakeConsole::<4096>::new();
    answer(line, model, &mut arena, &platform(workers), &mut console);
    console.written().to_string()
}

fn list(tokens: &[u32]) -> String {
    let words: Vec<String> = tokens.iter().map(u32::to_string).collect();
    words.join(",")
}

/// Two cores as far as anybody can tell, one after the other.
struct Two;

// SAFETY: each task is run once, and all are done when `run` returns.
unsafe impl Workers for Two {
    fn count(&self) -> usize {
        2
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..tasks).rev().for_each(task);
    }
}

#[test]
fn logits_are_those_of_a_session_whatever_computes_them() {
    let bytes = fixture();
    let model = Model::parse(&bytes).unwrap();
    let limits = Limits {
        context: TOKENS.len(),
        batch: 3,
        ..Limits::default()
    };
    let plan = Plan::new(model.config(), &limits).unwrap();
    let mut arena = vec![0; plan.total()];
    let mut session = Session::new(&model, &plan, &mut arena, &Inline)
        .and_then(|session| session.with_kernel(Kernel::Scalar))
        .unwrap();
    session.feed_tokens(&TOKENS).unwrap();
    let mut hash = Sha256::new();
    session
        .logits(&mut (), &mut |_, logits| {
            for value in logits {
                hash.update(&value.to_le_bytes());
            }
        })
        .unwrap();
    let expected = format!(
        "logits sha256={} positions=9 vocab={}\n",
        Hex(&hash.finish()),
        model.config().n_vocab
    );
    let tokens = list(&TOKENS);
    for kernel in Kernel::ALL.into_iter().filter(|k| k.is_available()) {
        for batch in [1, 7, 64] {
            for workers in [1, 2] {
                let line = format!(
                    "logits kernel={kernel} workers={workers} batch={batch} tokens={tokens}"
                );
                assert_eq!(ask(&line, &model, &Two), expected, "{line}");
            }
        }
    }
    assert_eq!(
        ask(&format!("logits tokens={tokens}"), &model, &Inline),
        expected
    );
}

#[test]
fn generation_gives_a_sessions_tokens() {
    let bytes = fixture();
    let model = Model::parse(&bytes).unwrap();
    let limits = Limits {
        context: 64,
        ..Limits::default()
    };
    let plan = Plan::new(model.config(), &limits).unwrap();
    let mut arena = vec![0; plan.total()];
    let mut session = Session::new(&model, &plan, &mut arena, &Inline).unwrap();
    session.feed_tokens(&TOKENS).unwrap();
    session.set_max_tokens(Some(8));
    let mut expected = String::new();
    while let Some(piece) = session.next(&mut Sampler::greedy(), &mut ()).unwrap() {
        if let Some(token) = piece.token {
            writeln!(expected, "token {token}").unwrap();
        }
    }
    expected += "done max_tokens tokens=8\n";
    let line = format!(
        "generate kernel=scalar batch=2 n=8 tokens={}",
        list(&TOKENS)
    );
    assert_eq!(ask(&line, &model, &Inline), expected);
}

/// A core whose time is the number of pieces of work that it was given.
#[derive(Default)]
struct Counted(AtomicU64);

// SAFETY: each task is run once, and all are done when `run` returns.
unsafe impl Workers for Counted {
    fn count(&self) -> usize {
        1
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        self.0.fetch_add(1, Ordering::Relaxed);
        (0..tasks).for_each(task);
    }
}

impl Counter for Counted {
    fn ticks(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn frequency(&self) -> u64 {
        62_500_000
    }
}

#[test]
fn a_bench_counts_the_tokens_of_its_run_and_nothing_else() {
    let bytes = fixture();
    let model = Model::parse(&bytes).unwrap();
    let work = Counted::default();
    let platform = Platform {
        workers: &work,
        hasher: Sha256::new,
        counter: &work,
    };
    let ticks = |fields: &str| {
        let mut arena = vec![0; 4 << 20];
        let mut console = FakeConsole::<4096>::new();
        let line = format!("bench kernel=scalar {fields}");
        answer(&line, &model, &mut arena, &platform, &mut console);
        let said = console.written();
        let fields = said.strip_prefix("bench kernel=scalar ticks=");
        let ticks = fields.and_then(|fields| fields.strip_suffix(" hz=62500000\n"));
        ticks.expect(said).parse::<u64>().unwrap()
    };
    let token = ticks("decode=1");
    assert!(token > 0);
    // In forty tokens this model ends its turn, and is made to go on.
    assert_eq!(ticks("decode=40"), 40 * token);
    assert_eq!(ticks("decode=2 position=9"), 2 * token);
    // The output matrix is for the last token of a prompt alone, and a batch is one piece of work.
    let batch = ticks("prefill=8 batch=4") - ticks("prefill=4 batch=4");
    assert!((1..token).contains(&batch));
    assert_eq!(ticks("prefill=40 batch=4"), 9 * batch + token);
    assert_eq!(ticks("prefill=4 batch=4 position=7"), token);
}

#[test]
fn what_cannot_be_done_is_said() {
    let bytes = fixture();
    let model = Model::parse(&bytes).unwrap();
    let vocab = model.config().n_vocab;
    for (line, says) in [
        ("", "error a line is one of"),
        ("sing", "error a line is one of"),
        ("logits tokens", "error field 1 is not"),
        ("logits batch=2 tokens=1,,2", "error field 2 is not"),
        ("logits colour=green", "error field 1 is not"),
        ("logits kernel=abacus tokens=1", "error field 1 is not"),
        (
            "logits workers=3 tokens=1",
            "error workers=3 is not possible: it is 1 or 2",
        ),
        ("logits", "error a context of 0 tokens"),
        ("logits batch=0 tokens=1", "error a batch of 0 tokens"),
        (
            "generate n=100000 tokens=1",
            "error a context of 100001 tokens",
        ),
        (&format!("logits tokens={vocab}"), "is out of range"),
        (
            &format!("logits tokens={}", list(&[1; 2049])),
            "error a request may have 2048 tokens",
        ),
        ("bench", "error a bench is of prefill=N or of decode=N"),
        (
            "bench prefill=1 decode=1",
            "error a bench is of prefill=N or of decode=N",
        ),
        ("bench decode=-1", "error field 1 is not"),
        ("bench decode=2048", "error a request may have 2048 tokens"),
        (
            "bench prefill=18446744073709551615 position=18446744073709551615",
            "error a request may have 2048 tokens",
        ),
    ] {
        let said = ask(line, &model, &Two);
        assert!(
            said.contains(says),
            "{line:?}: {said:?} does not say {says:?}"
        );
        assert_eq!(said.lines().count(), 1);
    }
    let mut console = FakeConsole::<512>::new();
    answer(
        "logits tokens=1",
        &model,
        &mut [0; 1000],
        &platform(&Two),
        &mut console,
    );
    assert!(
        console
            .written()
            .starts_with("error the arena has 1000 bytes")
    );
}

#[test]
fn what_there_is_is_told() {
    let bytes = fixture();
    let model = Model::parse(&bytes).unwrap();
    assert!(ask("kernels", &model, &Two).starts_with("kernels scalar"));
    assert_eq!(ask("workers", &model, &Two), "workers 2\n");
}
