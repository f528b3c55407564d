//! With drafts an answer is what it is without them, to the token, however it ends.

mod support;

use qlens::{
    sampler::{Sampler, SamplerConfig},
    session::{Interrupt, Phase, Progress, Session, Stop},
    workers::Inline,
};
use support::{Aligned, Setup, with_session};

const MODEL: &str = "qwen2-q4_0.gguf";
/// `<|im_end|>` of the fixtures.
const END_OF_TURN: u32 = 266;

/// Greedy, sampled, and with a penalty that keeps answers from repeating what a draft says.
fn samplers() -> [Sampler; 4] {
    let config = |temperature, repetition_penalty, seed| SamplerConfig {
        temperature,
        top_k: 40,
        top_p: 0.95,
        repetition_penalty,
        repeat_last_n: 16,
        seed,
        ..SamplerConfig::default()
    };
    [
        config(0.0, 1.0, 0),
        config(0.0, 1.05, 0),
        config(0.3, 1.0, 1),
        config(0.7, 1.0, 2),
    ]
    .map(|config| Sampler::new(config).unwrap())
}

/// Texts that repeat, one of them with ends of turns.
fn prompts() -> [Vec<u32>; 3] {
    let period = |end: &[u32]| {
        let one = [&[72, 101, 108, 108, 111, 44][..], end].concat();
        one.iter().copied().cycle().take(40).collect()
    };
    [period(&[]), period(&[33]), period(&[END_OF_TURN])]
}

#[derive(Debug, PartialEq)]
struct Answer {
    tokens: Vec<u32>,
    stop: Option<Stop>,
    /// Every number of tokens at which the watch was asked.
    asked_at: Vec<usize>,
}

/// An answer of at most `most` tokens, broken off where the watch is asked after `cancel_at` of them, and the
/// passes it took.
fn answer(
    session: &mut Session<'_, '_, '_>,
    sampler: &mut Sampler,
    most: usize,
    cancel_at: usize,
) -> (Answer, usize) {
    session.set_max_tokens(Some(most));
    let (mut tokens, mut asked_at) = (Vec::new(), Vec::new());
    let mut watch = |at: Progress| {
        if at.phase == Phase::Decode && asked_at.last() != Some(&at.done) {
            asked_at.push(at.done);
        }
        (at.phase == Phase::Decode && at.done == cancel_at).then_some(Interrupt::Deadline)
    };
    while let Some(piece) = session.next(sampler, &mut watch).unwrap() {
        tokens.extend(piece.token);
    }
    let stop = session.stop_reason();
    let passes = session.stats().decode_passes;
    assert_eq!(session.stats().generated_tokens, tokens.len());
    (
        Answer {
            tokens,
            stop,
            asked_at,
        },
        passes,
    )
}

/// Runs `f` with a session that drafts up to `draft` tokens.
fn drafting<T>(
    bytes: &[u8],
    draft: usize,
    context: usize,
    f: impl FnOnce(&mut Session<'_, '_, '_>) -> T,
) -> T {
    let setup = Setup {
        context,
        ..Setup::default()
    };
    with_session(bytes, setup, &Inline, |mut session| {
        session.set_draft(draft);
        f(&mut session)
    })
}

#[test]
fn tokens_are_the_same_and_passes_fewer() {
    for name in ["qwen2-q4_0.gguf", "qwen2-q4_k_m.gguf"] {
        let bytes = Aligned::read(name);
        // A second answer goes on where the first one ended, with the sampler as it was left.
        let two_answers = |draft| {
            drafting(&bytes, draft, 256, |s| {
                let mut all = Vec::new();
                for prompt in prompts() {
                    for mut sampler in samplers() {
                        s.clear();
                        s.feed_tokens(&prompt).unwrap();
                        all.push(answer(s, &mut sampler, 30, usize::MAX));
                        s.feed_tokens(&prompt[..9]).unwrap();
                        all.push(answer(s, &mut sampler, 12, usize::MAX));
                    }
                }
                all.into_iter().unzip::<_, _, Vec<_>, Vec<_>>()
            })
        };
        let (plain, passes) = two_answers(0);
        let given: Vec<usize> = plain.iter().map(|answer| answer.asked_at.len()).collect();
        assert_eq!(passes, given, "{name}: a pass a token");
        for draft in [1, 3, 100] {
            let (drafted, fewer) = two_answers(draft);
            assert_eq!(drafted, plain, "{name}, drafts of {draft}");
            assert!(fewer.iter().zip(&passes).all(|(few, many)| few <= many));
            assert!(
                fewer.iter().sum::<usize>() < passes.iter().sum(),
                "{name}, drafts of {draft}: no draft came"
            );
        }
    }
}

#[test]
fn answers_end_where_they_would_without() {
    let bytes = Aligned::read(MODEL);
    let prompt = &prompts()[0];
    let answers = |draft| {
        let mut all = Vec::new();
        for context in 41..50 {
            drafting(&bytes, draft, context, |s| {
                for most in [1, 2, 3, 4, 7, 30] {
                    s.clear();
                    s.feed_tokens(prompt).unwrap();
                    all.push(answer(s, &mut Sampler::greedy(), most, usize::MAX).0);
                    // What follows an answer that ended inside of a draft.
                    if s.stop_reason() == Some(Stop::MaxTokens) {
                        s.feed_tokens(&[]).unwrap();
                        all.push(answer(s, &mut Sampler::greedy(), 9, usize::MAX).0);
                    }
                }
            });
        }
        all
    };
    let plain = answers(0);
    for stop in [Stop::MaxTokens, Stop::ContextFull] {
        assert!(plain.iter().any(|answer| answer.stop == Some(stop)));
    }
    assert_eq!(answers(3), plain);
}

#[test]
fn the_end_of_a_turn_ends_a_draft() {
    let bytes = Aligned::read(MODEL);
    let answers = |draft| {
        drafting(&bytes, draft, 256, |s| {
            let config = |seed| SamplerConfig {
                temperature: 0.9,
                seed,
                ..SamplerConfig::default()
            };
            (0..16)
                .map(|seed| {
                    s.clear();
                    s.feed_tokens(&prompts()[2]).unwrap();
                    let mut sampler = Sampler::new(config(seed)).unwrap();
                    answer(s, &mut sampler, 40, usize::MAX).0
                })
                .collect::<Vec<_>>()
        })
    };
    let plain = answers(0);
    assert!(plain.iter().any(|a| a.stop == Some(Stop::EndOfTurn)));
    assert_eq!(answers(3), plain);
}

#[test]
fn an_interrupt_comes_between_drafted_tokens_and_the_answer_can_go_on() {
    let bytes = Aligned::read(MODEL);
    let answers = |draft| {
        drafting(&bytes, draft, 256, |s| {
            let mut all = Vec::new();
            for cancel_at in 1..13 {
                let mut sampler = samplers()[2].clone();
                s.clear();
                s.feed_tokens(&prompts()[0]).unwrap();
                all.push(answer(s, &mut sampler, 40, cancel_at).0);
                // Other tokens than the draft's are put where it stood.
                s.feed_tokens(&[1, 2]).unwrap();
                all.push(answer(s, &mut sampler, 6, usize::MAX).0);
            }
            all
        })
    };
    let plain = answers(0);
    for (cancel_at, broken_off) in (1..13).zip(plain.iter().step_by(2)) {
        assert_eq!(broken_off.stop, Some(Stop::Deadline));
        assert_eq!(broken_off.tokens.len(), cancel_at);
    }
    assert_eq!(answers(3), plain);
    assert_eq!(answers(7), plain);
}

#[test]
fn logits_of_a_drafted_token_are_shown_like_those_of_any_other() {
    let bytes = Aligned::read(MODEL);
    let shown = |draft| {
        drafting(&bytes, draft, 256, |s| {
            (1..12)
                .map(|most| {
                    s.clear();
                    s.feed_tokens(&prompts()[0]).unwrap();
                    answer(s, &mut Sampler::greedy(), 40, most);
                    let mut rows = Vec::new();
                    s.logits(&mut (), &mut |at, row| rows.push((at, row.to_vec())))
                        .unwrap();
                    rows
                })
                .collect::<Vec<_>>()
        })
    };
    let plain = shown(0);
    assert!(plain.iter().all(|rows| rows.len() == 1));
    assert!(shown(3) == plain);
}
