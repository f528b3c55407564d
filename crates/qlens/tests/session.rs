//! What a session promises beside its numbers: memory, prefix reuse, interrupts, errors.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use qlens::{
    KvType,
    model::{Config, Model},
    plan::{self, Limits, Plan},
    sampler::Sampler,
    session::{Error, Interrupt, Phase, Progress, Session, Stop},
    tokenizer::Special,
    workers::{Inline, Workers},
};
use support::{Aligned, Setup, all_logits, with_session};

const MODEL: &str = "qwen2-q4_0.gguf";

fn generate(session: &mut Session<'_, '_, '_>, most: usize) -> Vec<u32> {
    session.set_max_tokens(Some(most));
    let (mut sampler, mut tokens) = (Sampler::greedy(), Vec::new());
    while let Some(piece) = session.next(&mut sampler, &mut ()).unwrap() {
        tokens.extend(piece.token);
    }
    tokens
}

#[test]
fn an_arena_one_byte_short_is_refused_with_the_numbers() {
    let bytes = Aligned::read(MODEL);
    let model = Model::parse(&bytes).unwrap();
    let plan = Plan::new(
        model.config(),
        &Limits {
            context: 32,
            ..Limits::default()
        },
    )
    .unwrap();
    let mut arena = vec![0; plan.total() + 64];
    for offset in 0..64 {
        // Wherever the arena lies, `total` bytes are enough.
        let exact = &mut arena[offset..][..plan.total()];
        assert!(Session::new(&model, &plan, exact, &Inline).is_ok());
    }
    let short = &mut arena[..plan.total() - 1];
    let error = Session::new(&model, &plan, short, &Inline).err();
    assert_eq!(
        error,
        Some(Error::Arena {
            needed: plan.total(),
            found: plan.total() - 1
        })
    );
    assert!(
        error
            .unwrap()
            .to_string()
            .starts_with("the arena is 1 bytes too small")
    );
}

#[test]
fn the_total_is_the_sum_of_the_sections_and_the_slack() {
    let bytes = Aligned::read(MODEL);
    let model = Model::parse(&bytes).unwrap();
    for (context, batch) in [(1, 1), (17, 4), (512, 64)] {
        let plan = Plan::new(
            model.config(),
            &Limits {
                context,
                batch,
                ..Limits::default()
            },
        )
        .unwrap();
        let sum: usize = plan.sections().iter().map(|s| s.bytes).sum();
        assert_eq!(plan.total(), sum + plan.align() - 1);
        assert!(plan.sections().iter().all(|s| s.bytes % plan.align() == 0));
    }
}

#[test]
fn impossible_limits_are_refused() {
    let bytes = Aligned::read(MODEL);
    let model = Model::parse(&bytes).unwrap();
    let plan = |context, batch| {
        Plan::new(
            model.config(),
            &Limits {
                context,
                batch,
                ..Limits::default()
            },
        )
        .err()
    };
    assert_eq!(
        plan(0, 8),
        Some(plan::Error::Context {
            found: 0,
            most: 512
        })
    );
    assert_eq!(
        plan(513, 8),
        Some(plan::Error::Context {
            found: 513,
            most: 512
        })
    );
    assert_eq!(plan(16, 0), Some(plan::Error::Batch));
    assert_eq!(plan(512, usize::MAX), None);
}

#[test]
fn a_q8_0_cache_takes_its_bytes_and_heads_of_whole_blocks() {
    let bytes = Aligned::read(MODEL);
    let mut config = *Model::parse(&bytes).unwrap().config();
    let cache = |config: &Config, kv| {
        let limits = Limits {
            context: 96,
            kv,
            ..Limits::default()
        };
        Plan::new(config, &limits).map(|plan| plan.sections()[0].bytes)
    };
    // Two bytes a value, or 34 for 32 of them.
    let values = config.n_layer * config.kv_width() * 96 * 2;
    assert_eq!(cache(&config, KvType::F16), Ok(values * 2));
    assert_eq!(cache(&config, KvType::Q8_0), Ok(values * 34 / 32));

    config.head_dim = 48;
    assert!(cache(&config, KvType::F16).is_ok());
    let refused = cache(&config, KvType::Q8_0).unwrap_err();
    let (kv, head_dim) = (KvType::Q8_0, 48);
    assert_eq!(refused, plan::Error::Kv { kv, head_dim });
    assert_eq!(
        refused.to_string(),
        "a KV cache of type q8_0 takes heads of a multiple of 32 values and those of this model have 48: use \
         type f16"
    );
}

#[test]
fn a_plan_of_another_model_is_refused() {
    let (a, b) = (Aligned::read(MODEL), Aligned::read(MODEL));
    let model = Model::parse(&a).unwrap();
    let mut other = *Model::parse(&b).unwrap().config();
    other.n_ff += 32;
    let plan = Plan::new(
        &other,
        &Limits {
            context: 16,
            ..Limits::default()
        },
    )
    .unwrap();
    let mut arena = vec![0; plan.total()];
    assert_eq!(
        Session::new(&model, &plan, &mut arena, &Inline).err(),
        Some(Error::OtherModel)
    );
}

#[test]
fn a_common_prefix_is_reused_and_changes_nothing() {
    let bytes = Aligned::read(MODEL);
    let (long, other) = ("the other thing, the one there", "the other thing, the two");
    let fresh = |text: &str| {
        with_session(&bytes, Setup::default(), &Inline, |mut s| {
            s.feed_text(text, Special::Plain).unwrap();
            generate(&mut s, 8)
        })
    };
    with_session(&bytes, Setup::default(), &Inline, |mut s| {
        let chat = |text| qlens::chat::Chat::new().user(text);
        s.feed(&chat(long)).unwrap();
        assert_eq!(s.stats().reused_tokens, 0);
        let first = generate(&mut s, 8);
        s.feed(&chat(other)).unwrap();
        assert!(s.stats().reused_tokens > 10, "{:?}", s.stats());
        generate(&mut s, 8);
        s.feed(&chat(long)).unwrap();
        assert_eq!(generate(&mut s, 8), first);
        // The very same context again: only its last token is read.
        s.feed(&chat(long)).unwrap();
        assert_eq!(s.stats().reused_tokens, s.stats().prompt_tokens - 1);
        assert_eq!(generate(&mut s, 8), first);
    });
    assert_eq!(fresh(long), fresh(long));
}

#[test]
fn an_interrupt_stops_between_layers_and_the_next_question_works() {
    let bytes = Aligned::read(MODEL);
    let tokens: Vec<u32> = (0..40).collect();
    let expected = with_session(&bytes, Setup::default(), &Inline, |mut s| {
        all_logits(&mut s, &tokens)
    });
    with_session(
        &bytes,
        Setup {
            batch: 8,
            ..Setup::default()
        },
        &Inline,
        |mut s| {
            for (calls, interrupt, stop) in [
                (0, Interrupt::Cancelled, Stop::Cancelled),
                (6, Interrupt::Deadline, Stop::Deadline),
            ] {
                s.clear();
                s.feed_tokens(&tokens).unwrap();
                let mut left = calls;
                let mut watch = |at: Progress| {
                    assert_eq!((at.phase, at.total), (Phase::Prefill, 40));
                    left -= 1;
                    (left < 0).then_some(interrupt)
                };
                assert_eq!(s.next(&mut Sampler::greedy(), &mut watch), Ok(None));
                assert_eq!(s.stop_reason(), Some(stop));
                assert_eq!(
                    s.next(&mut Sampler::greedy(), &mut ()),
                    Ok(None),
                    "stopped is stopped"
                );
                assert_eq!(left, -1);
            }
            assert!(all_logits(&mut s, &tokens) == expected);
            // Between two tokens of an answer as well.
            s.set_max_tokens(None);
            let mut sampler = Sampler::greedy();
            let mut pieces = 0;
            let mut watch = |at: Progress| {
                (at.phase == Phase::Decode && at.done == 3).then_some(Interrupt::Cancelled)
            };
            while s.next(&mut sampler, &mut watch).unwrap().is_some() {
                pieces += 1;
            }
            assert_eq!((pieces, s.stop_reason()), (3, Some(Stop::Cancelled)));
        },
    );
}

#[test]
fn answers_end_at_the_limit_and_at_the_end_of_the_context() {
    let bytes = Aligned::read(MODEL);
    with_session(
        &bytes,
        Setup {
            context: 12,
            ..Setup::default()
        },
        &Inline,
        |mut s| {
            s.feed_tokens(&[1, 2, 3]).unwrap();
            assert_eq!(generate(&mut s, 4).len(), 4);
            assert_eq!(s.stop_reason(), Some(Stop::MaxTokens));
            assert_eq!(s.stats().generated_tokens, 4);
            s.feed_tokens(&[]).unwrap();
            assert_eq!(generate(&mut s, 100).len(), 5);
            assert_eq!(s.stop_reason(), Some(Stop::ContextFull));
            assert_eq!(s.tokens().len(), 12);
            // Nothing can follow a prompt that fills the context, so it is not even read.
            s.clear();
            s.feed_tokens(&[7; 12]).unwrap();
            let mut watch = |at: Progress| panic!("{at:?}");
            assert_eq!(s.next(&mut Sampler::greedy(), &mut watch), Ok(None));
            assert_eq!(s.stop_reason(), Some(Stop::ContextFull));
        },
    );
}

#[test]
fn wrong_prompts_are_refused_and_nothing_else_is_lost() {
    let bytes = Aligned::read(MODEL);
    with_session(
        &bytes,
        Setup {
            context: 16,
            ..Setup::default()
        },
        &Inline,
        |mut s| {
            assert_eq!(
                s.next(&mut Sampler::greedy(), &mut ()),
                Err(Error::EmptyPrompt)
            );
            assert_eq!(
                s.feed_tokens(&[5, 288]),
                Err(Error::TokenOutOfRange {
                    token: 288,
                    n_vocab: 288
                })
            );
            assert_eq!(
                s.feed_tokens(&[5, u32::MAX]),
                Err(Error::TokenOutOfRange {
                    token: u32::MAX,
                    n_vocab: 288
                })
            );
            assert_eq!(
                s.feed_tokens(&[5; 17]),
                Err(Error::PromptTooLong {
                    tokens: 17,
                    context: 16
                })
            );
            let text = "a sentence that has more tokens than fit";
            let error = s.feed_text(text, Special::Plain).unwrap_err();
            assert!(
                matches!(error, Error::PromptTooLong { tokens, context: 16 } if tokens > 16),
                "{error}"
            );
            assert!(s.tokens().is_empty());
            // Not even where an answer had ended before.
            s.feed_tokens(&[5, 6]).unwrap();
            generate(&mut s, 3);
            assert!(s.stop_reason().is_some());
            s.feed_text(text, Special::Plain).unwrap_err();
            assert_eq!((s.stop_reason(), s.stats().generated_tokens), (None, 0));
            assert_eq!(
                s.next(&mut Sampler::greedy(), &mut ()),
                Err(Error::EmptyPrompt)
            );
            s.feed_tokens(&[5, 6]).unwrap();
            assert_eq!(generate(&mut s, 3).len(), 3);
        },
    );
}

/// Counts jobs, each of which all cores meet at the end of.
#[derive(Default)]
struct Counting(AtomicUsize);

// SAFETY: `Inline`'s.
unsafe impl Workers for Counting {
    fn count(&self) -> usize {
        1
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        self.0.fetch_add(1, Ordering::Relaxed);
        Inline.run(tasks, task);
    }
}

#[test]
fn a_pass_has_five_jobs_a_layer_and_prompts_have_workers_of_their_own() {
    let bytes = Aligned::read(MODEL);
    let n_layer = Model::parse(&bytes).unwrap().config().n_layer;
    let (decode, prefill) = (Counting::default(), Counting::default());
    let jobs = || {
        (
            prefill.0.swap(0, Ordering::Relaxed),
            decode.0.swap(0, Ordering::Relaxed),
        )
    };
    let expected = with_session(&bytes, Setup::default(), &Inline, |mut s| {
        s.feed_tokens(&[1, 2, 3]).unwrap();
        generate(&mut s, 5)
    });
    with_session(&bytes, Setup::default(), &decode, |session| {
        let mut s = session.with_prefill_workers(&prefill);
        s.set_draft(0);
        s.feed_tokens(&[1, 2, 3]).unwrap();
        s.prefill(&mut ()).unwrap();
        // Queries, keys and values; attention; its output; gate and up; down. Then the output matrix.
        assert_eq!(jobs(), (5 * n_layer + 1, 0));
        // The first token follows from the prompt.
        assert_eq!(generate(&mut s, 5), expected);
        assert_eq!(jobs(), (0, 4 * (5 * n_layer + 1)));
    });
}
