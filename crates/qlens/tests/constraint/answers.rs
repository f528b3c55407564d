//! Answers of models whose weights are random: they have no sense and satisfy their constraints all the same.

use qlens::constraint::{Constraint, Matcher, TokenClasses};
use qlens::sampler::{Sampler, SamplerConfig};
use qlens::session::{Session, Stop};
use qlens::workers::Inline;

use crate::schemas::{Json, Schema};
use crate::support::{Aligned, Setup, with_session};
use crate::{Random, choices, schema};

const MODELS: [&str; 3] = ["qwen2-q4_0.gguf", "qwen2-q4_k_m.gguf", "qwen3-q5_0.gguf"];

fn samplers() -> [Sampler; 4] {
    let config = |temperature, top_k, repetition_penalty, seed| SamplerConfig {
        temperature,
        top_k,
        repetition_penalty,
        seed,
        ..SamplerConfig::default()
    };
    [
        config(0.0, 0, 1.0, 0),
        config(0.0, 0, 1.2, 0),
        config(1.0, 0, 1.0, 1),
        config(0.8, 20, 1.1, 2),
    ]
    .map(|config| Sampler::new(config).unwrap())
}

/// With a session over a model and the classes of its tokens.
fn with_model<T>(
    name: &str,
    draft: usize,
    f: impl FnOnce(&mut Session<'_, '_, '_>, &TokenClasses<'_>) -> T,
) -> T {
    with_session(
        &Aligned::read(name),
        Setup::default(),
        &Inline,
        |mut session| {
            session.set_draft(draft);
            let mut memory = vec![0; session.tokenizer().n_vocab()];
            let tokens = TokenClasses::new(session.tokenizer(), &mut memory).unwrap();
            f(&mut session, &tokens)
        },
    )
}

/// An answer: its text, its tokens, and why it ended.
fn answer(
    session: &mut Session<'_, '_, '_>,
    tokens: &TokenClasses<'_>,
    constraint: &Constraint<'_>,
    sampler: &mut Sampler,
    prompt: &[u32],
) -> (String, Vec<u32>, Option<Stop>) {
    session.clear();
    session.feed_tokens(prompt).unwrap();
    let mut matcher = Matcher::new(constraint, tokens);
    let (mut text, mut ids) = (String::new(), Vec::new());
    while let Some(piece) = session
        .next_constrained(&mut matcher, sampler, &mut ())
        .unwrap()
    {
        text += piece.text;
        ids.extend(piece.token);
    }
    assert_eq!(
        session.stop_reason() == Some(Stop::EndOfTurn),
        matcher.is_complete()
    );
    (text, ids, session.stop_reason())
}

#[test]
fn one_of_the_choices_and_nothing_else() {
    let list = ["yes", "no", "maybe", "maybe not", "你好，世界"];
    let constraint = choices(&list);
    for name in MODELS {
        let mut said = std::collections::BTreeSet::new();
        with_model(name, 3, |session, tokens| {
            for prompt in 0..20 {
                for mut sampler in samplers() {
                    let (text, ids, stop) = answer(
                        session,
                        tokens,
                        &constraint,
                        &mut sampler,
                        &[prompt, 2 * prompt],
                    );
                    assert!(list.contains(&&*text), "{text}");
                    assert_eq!(stop, Some(Stop::EndOfTurn));
                    // The end of the turn is known from the constraint where nothing can follow.
                    let chosen = ids.len() + usize::from(text == "maybe");
                    assert_eq!(session.stats().decode_passes, chosen - 1);
                    said.insert(text);
                }
            }
        });
        assert!(said.len() > 2, "{name}: {said:?}");
    }
}

#[test]
fn json_that_satisfies_the_schema() {
    let mut random = Random(0x0dd_ba11);
    let mut whole = 0;
    for name in MODELS {
        with_model(name, 3, |session, tokens| {
            session.set_max_tokens(Some(150));
            for prompt in 0..12 {
                let made_up = Schema::random(&mut random, 3);
                let text = made_up.text(&mut random);
                let constraint = schema(&text).unwrap();
                for mut sampler in samplers() {
                    let (document, _, stop) =
                        answer(session, tokens, &constraint, &mut sampler, &[prompt]);
                    let parsed = serde_json::from_str::<Json>(&document);
                    if stop == Some(Stop::EndOfTurn) {
                        let parsed = parsed.unwrap_or_else(|e| panic!("{text}: {document}: {e}"));
                        assert!(made_up.is_satisfied(&parsed), "{text}: {document}");
                        whole += 1;
                    }
                }
            }
        });
    }
    assert!(whole > 60, "{whole} answers ended by themselves");
}

#[test]
fn drafts_change_nothing() {
    let constraint = schema(
        r#"{"type":"array","minItems":3,"maxItems":4,"items":{"type":"object","required":["kind","size"],
            "properties":{"kind":{"enum":["cat","dog"]},"size":{"type":"integer","minimum":0,"maximum":3},
            "name":{"type":"string","maxLength":5}}}}"#,
    )
    .unwrap();
    let prompt: Vec<u32> = br#"[{"kind":"cat","size":1},{"kind":"dog","size":2},{"kind":"cat","#
        .iter()
        .map(|&byte| crate::SMALL.byte(byte))
        .collect();
    for name in MODELS {
        let answers = |draft| {
            with_model(name, draft, |session, tokens| {
                let mut passes = 0;
                let all = samplers().map(|mut sampler| {
                    let all = answer(session, tokens, &constraint, &mut sampler, &prompt);
                    passes += session.stats().decode_passes;
                    all
                });
                (all, passes)
            })
        };
        let (plain, passes) = answers(0);
        assert!(
            plain
                .iter()
                .all(|(.., stop)| *stop == Some(Stop::EndOfTurn))
        );
        for draft in [1, 3, 7] {
            let (drafted, fewer) = answers(draft);
            assert_eq!(drafted, plain, "{name}, drafts of {draft}");
            assert!(fewer < passes, "{name}: {fewer} of {passes}");
        }
    }
}

#[test]
fn an_answer_that_is_cut_goes_on_where_it_was() {
    let constraint =
        schema(r#"{"type":"array","minItems":4,"maxItems":4,"items":{"type":"boolean"}}"#);
    let constraint = constraint.unwrap();
    with_model(MODELS[0], 3, |session, tokens| {
        session.feed_tokens(&[5]).unwrap();
        let (mut matcher, mut text) = (Matcher::new(&constraint, tokens), String::new());
        for part in 0.. {
            session.feed_tokens(&[]).unwrap();
            session.set_max_tokens(Some(3));
            while let Some(piece) = session
                .next_constrained(&mut matcher, &mut Sampler::greedy(), &mut ())
                .unwrap()
            {
                text += piece.text;
            }
            if session.stop_reason() == Some(Stop::EndOfTurn) {
                assert!(part > 2);
                break;
            }
        }
        let found: Vec<bool> = serde_json::from_str(&text).unwrap();
        assert_eq!(found.len(), 4);
    });
}
