//! Damaged and hostile model files, from the first byte to the second token: whatever is in a file,
//! nothing panics, hangs or takes long, and what runs gives the same on every kernel.
//!
//! The mutations are seeded, so a failure names one that can be run again. `QLENS_FULL=1` runs many
//! more of them.

mod support;

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use qlens::{
    chat::Chat,
    gguf::Gguf,
    kernel::Kernel,
    model::{self, Model, TensorKind},
    plan::{Limits, Plan},
    sampler::{Sampler, SamplerConfig},
    session::Session,
    tokenizer::Special,
    workers::Inline,
};
use support::Aligned;

const FILES: [&str; 2] = ["qwen2-q4_0.gguf", "qwen2-f16.gguf"];
/// Sessions that need more are planned and not run.
const MOST_BYTES: usize = 64 << 20;
/// Times that a file may take longer than a sound one, and what is never too long: emulators are slow,
/// and machines busy.
const MOST_TIMES: u32 = 10;
const ALWAYS_ALLOWED: Duration = Duration::from_mins(1);

/// Mutations of each kind and file.
fn count(few: usize) -> usize {
    if std::env::var_os("QLENS_FULL").is_some_and(|full| full == "1") {
        50 * few
    } else {
        few
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
    fn within(&mut self, range: &Range<usize>) -> usize {
        range.start + self.below(range.len())
    }
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Where a sound file keeps its numbers: counts, lengths, types, values, dimensions, offsets.
struct Numbers<'f> {
    file: &'f [u8],
    at: usize,
    found: Vec<Range<usize>>,
}

impl<'f> Numbers<'f> {
    fn of(file: &'f [u8]) -> Vec<Range<usize>> {
        let mut this = Self {
            file,
            at: 4,
            found: Vec::new(),
        };
        this.number(4);
        let (tensors, keys) = (this.number(8), this.number(8));
        for _ in 0..keys {
            this.text();
            let kind = this.number(4);
            this.value(kind);
        }
        for _ in 0..tensors {
            this.text();
            let dims = this.number(4);
            for _ in 0..dims {
                this.number(8);
            }
            this.number(4);
            this.number(8);
        }
        this.found
    }

    fn number(&mut self, bytes: usize) -> u64 {
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(&self.file[self.at..][..bytes]);
        self.found.push(self.at..self.at + bytes);
        self.at += bytes;
        u64::from_le_bytes(word)
    }

    fn text(&mut self) {
        self.at += self.number(8) as usize;
    }

    fn value(&mut self, kind: u64) {
        match kind {
            0 | 1 | 7 => drop(self.number(1)),
            2 | 3 => drop(self.number(2)),
            4..=6 => drop(self.number(4)),
            8 => self.text(),
            9 => {
                let kind = self.number(4);
                for _ in 0..self.number(8) {
                    self.value(kind);
                }
            }
            _ => drop(self.number(8)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    RefusedModel,
    RefusedPlan,
    TooLarge,
    RefusedSession,
    RefusedPrompt,
    Answered,
}

/// From the file to two tokens, a second question, and a text of the program's own.
fn run(file: &[u8], arena: &mut Vec<u8>) -> Outcome {
    let model = match Model::parse(file) {
        Ok(model) => model,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Outcome::RefusedModel;
        }
    };
    let limits = Limits {
        context: 64.min(model.config().n_ctx_train),
        batch: 16,
        ..Limits::default()
    };
    let Ok(plan) = Plan::new(model.config(), &limits) else {
        return Outcome::RefusedPlan;
    };
    if plan.total() > MOST_BYTES {
        return Outcome::TooLarge;
    }
    // The arena keeps what the session before it left: a new one may not rely on anything.
    arena.resize(arena.len().max(plan.total()), 0xAA);
    let Ok(mut session) = Session::new(&model, &plan, arena, &Inline) else {
        return Outcome::RefusedSession;
    };
    let mut samplers = [
        Sampler::greedy(),
        Sampler::new(SamplerConfig {
            temperature: 0.8,
            top_k: 5,
            top_p: 0.9,
            repetition_penalty: 1.2,
            ..SamplerConfig::default()
        })
        .unwrap(),
    ];
    let mut outcome = Outcome::RefusedPrompt;
    session.set_max_tokens(Some(2));
    let questions = ["Hi", "Hi \u{4f60} <|a|>"];
    for (question, sampler) in questions.iter().zip(&mut samplers) {
        if session
            .feed(&Chat::new().system("").user(question))
            .is_err()
        {
            continue;
        }
        while let Ok(Some(_)) = session.next(sampler, &mut ()) {}
        if session.stop_reason().is_some() {
            outcome = Outcome::Answered;
        }
    }
    let _ = session.feed_text("more of <|im_start|> it", Special::Parse);
    let _ = session.next(&mut samplers[0], &mut ());
    outcome
}

/// Runs every mutation that `mutate` makes; returns how often each outcome came out.
///
/// `mutate` changes bytes, says which, and how much of the file is left.
fn run_mutations(
    seed: u64,
    mutations: usize,
    mut mutate: impl FnMut(&mut Random, &mut [u8], &[Range<usize>]) -> (Vec<Range<usize>>, usize),
) -> [usize; Outcome::Answered as usize + 1] {
    let mut outcomes = [0; Outcome::Answered as usize + 1];
    let mut arena = Vec::new();
    for name in FILES {
        let sound = Aligned::read(name);
        let numbers = Numbers::of(&sound);
        let mut file = Aligned::read(name);
        let started = Instant::now();
        assert_eq!(run(&file, &mut arena), Outcome::Answered);
        let most = ALWAYS_ALLOWED.max(MOST_TIMES * started.elapsed());
        for i in 0..mutations {
            let mut random = Random(seed ^ (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let (changed, len) = mutate(&mut random, &mut file, &numbers);
            let started = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| run(&file[..len], &mut arena)));
            let took = started.elapsed();
            let what = format!("{name}, seed {seed:#x}, mutation {i}: {changed:?} of {len} bytes");
            assert!(took < most, "{what}: took {took:?}");
            let Ok(outcome) = outcome else {
                panic!("{what}: panicked")
            };
            outcomes[outcome as usize] += 1;
            for range in changed {
                file[range.clone()].copy_from_slice(&sound[range]);
            }
        }
        assert!(*file == *sound, "mutations were undone");
    }
    println!("seed {seed:#x}: {outcomes:?}");
    outcomes
}

fn directory(file: &[u8]) -> usize {
    Gguf::parse(file).unwrap().data_offset()
}

#[test]
fn sound_files_answer() {
    for name in FILES {
        assert_eq!(
            run(&Aligned::read(name), &mut Vec::new()),
            Outcome::Answered
        );
    }
}

#[test]
fn bytes_of_the_directory() {
    let outcomes = run_mutations(0xD1, count(300), |random, file, _| {
        let all = 0..directory(file);
        let changed = (0..=random.below(3))
            .map(|_| {
                let at = random.within(&all);
                let any = random.next() as u8;
                file[at] = random.one(&[0, 1, 0x7F, 0x80, 0xFF, any, file[at] ^ 1 << (any % 8)]);
                at..at + 1
            })
            .collect();
        (changed, file.len())
    });
    assert!(
        outcomes[Outcome::RefusedModel as usize] > 0 && outcomes[Outcome::Answered as usize] > 0
    );
}

#[test]
fn truncations() {
    let outcomes = run_mutations(0x7C, count(300), |random, file, _| {
        let end = random.one(&[64, directory(file), file.len()]);
        (Vec::new(), random.below(end))
    });
    // A file that ends early has lost a tensor's end, so all are refused.
    assert_eq!(
        outcomes[Outcome::RefusedModel as usize],
        outcomes.iter().sum::<usize>()
    );
}

/// A number that is not expected in `place`.
fn absurd(random: &mut Random, file: &[u8], place: &Range<usize>, numbers: &[Range<usize>]) -> u64 {
    let read = |place: &Range<usize>| {
        let mut word = [0; 8];
        word[..place.len()].copy_from_slice(&file[place.clone()]);
        u64::from_le_bytes(word)
    };
    let old = read(place);
    let other = read(&numbers[random.below(numbers.len())]);
    let as_float = random.one(&[
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        -0.0,
        1e-45,
        f32::MIN_POSITIVE,
        f32::MAX,
        -1.0,
        1.0,
    ]);
    let bit = 1 << random.below(64);
    let few = random.next() % 70;
    let shift = 8 * place.len() as u32;
    let all = u64::MAX >> (64 - shift);
    random.one(&[
        old.wrapping_add(1),
        old.wrapping_sub(1),
        old.wrapping_mul(2),
        old / 2,
        old ^ bit,
        other,
        bit,
        few,
        few,
        few,
        0,
        all,
        all / 2,
        all / 2 + 1,
        u64::from(as_float.to_bits()),
    ])
}

#[test]
fn numbers_set_to_extremes() {
    let outcomes = run_mutations(0xE7, count(450), |random, file, numbers| {
        // The vocabulary has most of the numbers; those before and behind it shape the model.
        let changed = (0..=random.below(2))
            .map(|_| {
                let end = random.one(&[60, numbers.len(), numbers.len()]);
                let start = if end == 60 || random.below(4) == 0 {
                    0
                } else {
                    numbers.len() - 400.min(numbers.len())
                };
                let place = numbers[random.within(&(start..end))].clone();
                let value = absurd(random, file, &place, numbers).to_le_bytes();
                file[place.clone()].copy_from_slice(&value[..place.len()]);
                place
            })
            .collect();
        (changed, file.len())
    });
    assert!(
        outcomes[Outcome::RefusedModel as usize] > 0 && outcomes[Outcome::Answered as usize] > 0
    );
}

/// Damages weights: infinities, NaN, noise.
fn damage(random: &mut Random, file: &mut [u8]) -> Vec<Range<usize>> {
    let data = directory(file)..file.len();
    (0..=random.below(4))
        .map(|_| {
            let at = random.within(&data);
            let len = random.one(&[1, 2, 4, 64, 5000]).min(data.end - at);
            // NaN as f32, half and bf16; an infinite half; an infinite f32, if it falls so.
            match random.one(&[
                [0xFF; 4],
                [0x00, 0x7C, 0x00, 0x7C],
                [0, 0, 0x80, 0x7F],
                [1; 4],
            ]) {
                [1, ..] => file[at..at + len]
                    .iter_mut()
                    .for_each(|b| *b = random.next() as u8),
                bytes => {
                    for (b, byte) in file[at..at + len].iter_mut().zip(bytes.iter().cycle()) {
                        *b = *byte;
                    }
                }
            }
            at..at + len
        })
        .collect()
}

#[test]
fn weights_of_noise_and_nan() {
    let outcomes = run_mutations(0xDA, count(20), |random, file, _| {
        (damage(random, file), file.len())
    });
    // Weights are whatever they are: every one of these is a model.
    assert_eq!(
        outcomes[Outcome::Answered as usize],
        outcomes.iter().sum::<usize>()
    );
}

/// Which NaN comes out of an operation is the processor's to say; that it is one is not.
fn bits(logits: &[f32]) -> Vec<u32> {
    let one = |x: &f32| if x.is_nan() { f32::NAN } else { *x }.to_bits();
    logits.iter().map(one).collect()
}

#[test]
fn damaged_weights_give_the_same_on_every_kernel() {
    let kernels = || Kernel::ALL.into_iter().filter(|k| k.is_available());
    let (mut finite, mut broken) = (0, 0);
    for name in FILES {
        let sound = Aligned::read(name);
        for i in 0..count(3) as u64 {
            let mut file = Aligned::from(&*sound);
            damage(&mut Random(0xBAD + i), &mut file);
            let mut all = kernels().map(|kernel| {
                let setup = support::Setup {
                    kernel,
                    batch: 3,
                    context: 16,
                    ..support::Setup::default()
                };
                support::with_session(&file, setup, &Inline, |mut session| {
                    support::all_logits(&mut session, &[1, 70, 3, 200])
                })
            });
            let first = all.next().unwrap();
            if first.iter().any(|x| x.is_nan()) {
                broken += 1;
            } else {
                finite += 1;
            }
            for (other, kernel) in all.zip(kernels().skip(1)) {
                assert!(bits(&first) == bits(&other), "{name}, {i}, {kernel}");
            }
        }
    }
    assert!(
        finite > 0 && broken > 0,
        "{finite} finite, {broken} with NaN"
    );
}

/// Where the directory says how many rows the tensor of this name has.
fn rows_of(file: &[u8], name: &str) -> Option<usize> {
    let at = file
        .windows(name.len())
        .position(|w| w == name.as_bytes())?;
    Some(at + name.len() + 4 + 8)
}

#[test]
fn a_vocabulary_longer_than_the_embeddings_is_refused() {
    let mut file = Aligned::read(FILES[0]);
    let n_vocab = Model::parse(&file).unwrap().config().n_vocab as u64;
    for (rows, fits) in [(n_vocab, true), (n_vocab - 1, false)] {
        for name in ["token_embd.weight", "output.weight"] {
            if let Some(at) = rows_of(&file, name) {
                file[at..at + 8].copy_from_slice(&rows.to_le_bytes());
            }
        }
        let expected = model::Error::Shape {
            kind: TensorKind::TokenEmbd,
            layer: None,
        };
        assert_eq!(Model::parse(&file).err(), (!fits).then_some(expected));
    }
}
