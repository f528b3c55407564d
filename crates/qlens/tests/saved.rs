//! Sessions that are saved and restored go on as if they had not been, and only in the model that they are of.

mod support;

use qlens::{
    KvType,
    kernel::Kernel,
    model::Model,
    pack,
    sampler::{Sampler, SamplerConfig},
    session::{Interrupt, Progress, Session, Stop, saved::Error},
    workers::{Inline, Threads, Workers},
};
use support::{Aligned, Setup, with_session};

const FILES: [&str; 3] = ["qwen2-q4_0.gguf", "qwen3-q4_k_m.gguf", "qwen35-q4_k_m.gguf"];

type Refused = Error<core::convert::Infallible>;

fn save(session: &Session<'_, '_, '_>) -> Vec<u8> {
    let mut saved = Vec::new();
    session.save(&mut saved).unwrap();
    saved
}

/// Restores, and reads nothing behind it.
fn restore(session: &mut Session<'_, '_, '_>, saved: &[u8]) -> Result<(), Refused> {
    let mut input = saved;
    let restored = session.restore(&mut input);
    assert!(restored.is_err() || input.is_empty());
    restored
}

fn interleaved(model: &Aligned) -> Aligned {
    let mut model = Aligned::from(&**model);
    let gguf = qlens::gguf::Gguf::parse(&model).unwrap();
    let mut scratch = vec![0; pack::scratch_bytes(&gguf)];
    pack::interleave(&mut model, &mut scratch, &mut |_| {}).unwrap();
    model
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(99);
        (self.0 >> 33) as usize % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Left to themselves these models say nothing twice, and drafts need that they do.
fn sampler() -> Sampler {
    let config = SamplerConfig {
        temperature: 0.0,
        repetition_penalty: 0.5,
        repeat_last_n: 16,
        ..SamplerConfig::default()
    };
    Sampler::new(config).unwrap()
}

/// Something that happens to a session.
#[derive(Clone, Debug)]
enum Action {
    Feed(Vec<u32>),
    Truncate(usize),
    /// Writes as many pieces, unless it is interrupted at this call of the watch.
    Write(usize, usize),
}

impl Action {
    fn any(random: &mut Random) -> Self {
        match random.below(6) {
            0 | 1 => {
                // Few different ones, so that drafts are made.
                let tokens = (0..=random.below(12)).map(|i| 60 + i as u32 % 3);
                Self::Feed(tokens.collect())
            }
            2 => Self::Truncate(random.below(9)),
            3 => Self::Write(usize::MAX, random.below(60)),
            _ => Self::Write(random.below(9), usize::MAX),
        }
    }

    /// The tokens that were written, and their text.
    fn act(&self, session: &mut Session<'_, '_, '_>) -> (Vec<Option<u32>>, String) {
        let mut written = (Vec::new(), String::new());
        match self {
            Self::Feed(tokens) => session.feed_tokens(tokens).unwrap(),
            Self::Truncate(drop) => session.truncate(session.tokens().len().saturating_sub(*drop)),
            Self::Write(pieces, calls) => {
                let mut left = *calls;
                let mut watch = |_: Progress| {
                    left = left.saturating_sub(1);
                    (left == 0).then_some(Interrupt::Cancelled)
                };
                let mut sampler = sampler();
                while written.0.len() < *pieces && session.tokens().len() < 200 {
                    let Some(piece) = session.next(&mut sampler, &mut watch).unwrap() else {
                        break;
                    };
                    written.0.push(piece.token);
                    written.1 += piece.text;
                }
            }
        }
        written
    }
}

fn last_logits(session: &mut Session<'_, '_, '_>) -> Vec<u32> {
    let mut last = Vec::new();
    session
        .logits(&mut (), &mut |_, logits| {
            last = logits.iter().map(|x| x.to_bits()).collect();
        })
        .unwrap();
    if last.is_empty() {
        // They had been computed already, and are shown by going a token back.
        let &token = session.tokens().last().unwrap();
        session.truncate(session.tokens().len() - 1);
        session.feed_tokens(&[token]).unwrap();
        return last_logits(session);
    }
    last
}

#[test]
fn a_restored_session_goes_on_as_if_it_had_not_been_saved() {
    let threads = Threads::new(2);
    let (mut mid_answer, mut interrupted, mut reused) = (0, 0, 0);
    for (name, kv) in FILES
        .into_iter()
        .flat_map(|name| KvType::ALL.map(|kv| (name, kv)))
    {
        let plain = Aligned::read(name);
        let packed = interleaved(&plain);
        let mut random = Random(name.len() as u64);
        let setup = Setup {
            batch: 8,
            kv,
            ..Setup::default()
        };
        with_session(&plain, setup, &Inline, |mut live| {
            for step in 0..24 {
                if live.tokens().len() > 120 {
                    live.clear();
                }
                if live.tokens().is_empty() {
                    live.feed_tokens(&[1, 2, 3]).unwrap();
                }
                Action::any(&mut random).act(&mut live);
                if step % 2 == 0 || live.tokens().is_empty() {
                    continue;
                }
                let what = format!("{name}, {kv}, step {step}");
                let saved = save(&live);
                let other = Setup {
                    kernel: random.one(&[Kernel::Scalar, Kernel::detect(), Kernel::detect()]),
                    batch: random.one(&[1, 5, 32]),
                    // As many, at least, as the saved session has.
                    context: random.one(&[live.tokens().len().max(200), 300]),
                    kv,
                };
                let model = random.one(&[&plain, &packed]);
                let workers = random.one::<&dyn Workers>(&[&Inline, &Inline, &Inline, &threads]);
                with_session(model, other, workers, |mut restored| {
                    restored.feed_tokens(&[9; 20]).unwrap();
                    restore(&mut restored, &saved).unwrap();
                    assert_eq!(restored.tokens(), live.tokens(), "{what}");
                    assert!(save(&restored) == saved, "{what}");
                    for nth in 0..2 {
                        let mut action = Action::any(&mut random);
                        if let Action::Write(pieces, calls) = &mut action {
                            (*pieces, *calls) = ((*pieces).min(7), usize::MAX);
                        }
                        let is_interrupted = live.stop_reason() == Some(Stop::Cancelled);
                        if is_interrupted && matches!(action, Action::Write(..)) {
                            // Who has seen an answer stop says so before it goes on.
                            live.feed_tokens(&[]).unwrap();
                            interrupted += 1;
                        }
                        mid_answer += usize::from(live.stats().generated_tokens > 0);
                        let (expected, found) = (action.act(&mut live), action.act(&mut restored));
                        assert_eq!(found.0, expected.0, "{what}, {action:?}");
                        assert!(is_interrupted || found.1 == expected.1, "{what}");
                        assert_eq!(restored.tokens(), live.tokens(), "{what}, {action:?}");
                        if !matches!(action, Action::Write(..)) && nth == 0 {
                            let (of, tokens) = (live.stats(), live.tokens().len());
                            assert_eq!(restored.stats(), of, "{what}, {action:?} of {tokens}");
                            reused += of.reused_tokens;
                        }
                        if live.tokens().is_empty() {
                            break;
                        }
                    }
                    if !live.tokens().is_empty() {
                        assert!(
                            last_logits(&mut restored) == last_logits(&mut live),
                            "{what}"
                        );
                    }
                });
            }
        });
    }
    assert!(
        mid_answer > 20 && interrupted > 5 && reused > 500,
        "{mid_answer} {interrupted} {reused}"
    );
}

#[test]
fn a_model_is_the_same_interleaved_or_not_and_others_are_others() {
    let mut sessions = Vec::new();
    let names: Vec<String> = support::golden().into_keys().collect();
    for name in &names {
        let plain = Aligned::read(name);
        let saved = with_session(&plain, Setup::default(), &Inline, |s| save(&s));
        let packed = interleaved(&plain);
        let restored = with_session(&packed, Setup::default(), &Inline, |mut s| {
            let restored = restore(&mut s, &saved);
            assert!(save(&s) == saved, "{name}");
            restored
        });
        assert_eq!(restored, Ok(()), "{name}");
        sessions.push(saved);
    }
    let mut other_weights = 0;
    for name in names.iter().step_by(3) {
        with_session(&Aligned::read(name), Setup::default(), &Inline, |mut s| {
            for (saved, of) in sessions.iter().zip(&names) {
                match restore(&mut s, saved) {
                    Ok(()) => assert_eq!(of, name),
                    Err(Error::OtherModel { found, expected }) => {
                        assert_ne!(found, expected);
                        other_weights += 1;
                    }
                    Err(Error::OtherShape { .. }) => {}
                    Err(error) => panic!("{name}, {of}: {error}"),
                }
            }
        });
    }
    assert!(other_weights > 10, "{other_weights}");
}

#[test]
fn another_weight_scale_or_number_is_another_model() {
    let original = Aligned::read(FILES[0]);
    let saved = with_session(&original, Setup::default(), &Inline, |s| save(&s));
    let base = b"qwen2.rope.freq_base";
    let at = original
        .windows(base.len())
        .position(|w| w == base)
        .unwrap();
    let gguf = qlens::gguf::Gguf::parse(&original).unwrap();
    let of = |name: &str| {
        let tensor = gguf.tensor(name).unwrap();
        let bytes = tensor.data.unwrap().len();
        tensor.offset as usize + bytes / 2
    };
    for at in [
        at + base.len() + 4,
        of("blk.2.ffn_up.weight"),
        of("blk.1.attn_k.bias"),
        of("output_norm.weight"),
    ] {
        let mut other = Aligned::from(&*original);
        other[at] ^= 1;
        with_session(&other, Setup::default(), &Inline, |mut s| {
            let refused = restore(&mut s, &saved);
            assert!(matches!(refused, Err(Error::OtherModel { .. })), "{at}");
        });
    }
}

#[test]
fn what_was_read_is_not_read_again() {
    for name in FILES {
        let model = Aligned::read(name);
        let tokens = [60, 61, 62, 60, 61];
        let setup = Setup {
            batch: 3,
            ..Setup::default()
        };
        with_session(&model, setup, &Inline, |mut s| {
            let n_embd = Model::parse(&model).unwrap().config().n_embd;
            let (mut expected, mut found) = (vec![0.0; n_embd], vec![0.0; n_embd]);
            s.feed_tokens(&tokens).unwrap();
            s.embed(&mut (), &mut expected).unwrap();
            let saved = save(&s);
            s.set_max_tokens(Some(2));
            let all = Action::Write(usize::MAX, usize::MAX);
            let answer = all.act(&mut s);
            let after = save(&s);
            // One question before what was read is used, and then each layer of the one token that is new.
            let layers = Model::parse(&model).unwrap().config().n_layer;
            for (saved, answer, most) in
                [(&saved, answer, 1 + layers), (&after, all.act(&mut s), 0)]
            {
                restore(&mut s, saved).unwrap();
                assert_eq!(s.stats().reused_tokens, tokens.len());
                let mut questions = 0;
                let mut watch = |_: Progress| {
                    questions += 1;
                    None
                };
                let mut sampler = sampler();
                let mut written = Vec::new();
                while let Some(piece) = s.next(&mut sampler, &mut watch).unwrap() {
                    written.push(piece.token);
                }
                assert_eq!((written, questions), (answer.0, most), "{name}");
            }
            restore(&mut s, &saved).unwrap();
            s.embed(&mut |at: Progress| panic!("{at:?}"), &mut found)
                .unwrap();
            assert_eq!(found, expected);
        });
    }
}

#[test]
fn what_is_dropped_afterwards_goes_back_to_where_the_draft_began() {
    let model = Aligned::read(FILES[2]);
    let setup = Setup {
        batch: 8,
        context: 128,
        ..Setup::default()
    };
    with_session(&model, setup, &Inline, |mut s| {
        let mut from_a_draft = 0;
        for pieces in (20..90).step_by(6) {
            s.clear();
            s.feed_tokens(&[1, 2, 3]).unwrap();
            Action::Write(pieces, usize::MAX).act(&mut s);
            let (saved, len) = (save(&s), s.tokens().len() - 2);
            s.truncate(len);
            let expected = s.stats();
            restore(&mut s, &saved).unwrap();
            s.truncate(len);
            assert_eq!(s.stats(), expected, "{pieces} pieces");
            // The prompt was read from position 0, where no copy is.
            from_a_draft += usize::from(expected.reused_tokens > 0);
        }
        assert!(from_a_draft > 3, "{from_a_draft}");
    });
}
