//! A mask is what looking at every byte of every token gives, and sampling under it is sampling from what it leaves.

use qlens::constraint::{Constraint, Matcher};
use qlens::sampler::{Mask as _, Sampler, SamplerConfig};
use qlens::tokenizer::Kind;

use crate::schemas::Schema;
use crate::{QWEN, Random, SMALL, Vocabulary, choices, schema};

/// Every token that may come, by its bytes one at a time.
fn brute_force(vocabulary: &Vocabulary, matcher: &Matcher<'_>) -> Vec<u32> {
    let all = 0..vocabulary.tokenizer.n_vocab() as u32;
    let may_come = |&id: &u32| {
        if vocabulary.tokenizer.is_end_of_turn(id) {
            return matcher.is_complete();
        }
        let mut matcher = matcher.clone();
        vocabulary.tokenizer.kind(id) == Some(Kind::Normal)
            && vocabulary
                .bytes(id)
                .iter()
                .all(|&byte| matcher.advance(vocabulary.byte(byte)))
    };
    all.filter(may_come).collect()
}

/// States in which masks differ in kind, as what was said before.
fn states() -> Vec<(Constraint<'static>, &'static str)> {
    let string = schema(r#"{"type":"string","maxLength":9}"#).unwrap();
    let free = schema(
        r#"{"type":"object","properties":{"text":{"type":"string"},"when":{"type":["integer","null"]}}}"#,
    );
    let free = free.unwrap();
    let list = schema(r#"{"type":"array","items":{"enum":["red","green","re\nd",12,120,null]}}"#);
    let list = list.unwrap();
    let intents = choices(&["yes", "yes please", "no", " no", "你好"]);
    vec![
        (string, ""),
        (string, "\""),
        (string, "\"1234567"),
        (string, "\"12345678"),
        (string, "\"123456789"),
        (string, "\"\\"),
        (string, "\"\\u00"),
        (string, "\"\u{2028}"),
        (free, "{"),
        (free, "{\"te"),
        (free, "{\"text\":"),
        (free, "{\"text\": \"What is"),
        (free, "{\"text\": \"What is\""),
        (free, "{\"text\":\"\","),
        (free, "{\"when\":-1"),
        (list, "["),
        (list, "[12"),
        (list, "[\"re"),
        (list, "[\"red\",1,"),
        (intents, ""),
        (intents, "yes"),
    ]
    .into_iter()
    .filter(|(constraint, before)| SMALL.follow(constraint, before.as_bytes()).is_ok())
    .collect()
}

#[test]
fn of_the_small_vocabulary_in_any_state() {
    let mut random = Random(0x5eed);
    for _ in 0..300 {
        let text = Schema::random(&mut random, 3).text(&mut random);
        let constraint = schema(&text).unwrap();
        let mut matcher = Matcher::new(&constraint, &SMALL.classes);
        for _ in 0..40 {
            let allowed = SMALL.allowed(&matcher);
            assert_eq!(allowed, brute_force(&SMALL, &matcher), "{text}");
            let one_by_one = (0..SMALL.tokenizer.n_vocab() as u32).filter(|&id| matcher.allows(id));
            assert!(one_by_one.eq(allowed.iter().copied()));
            assert!(!allowed.is_empty());
            matcher.advance(random.one(&allowed));
        }
    }
}

#[test]
fn of_qwens_vocabulary() {
    let states = states();
    assert_eq!(
        states.len(),
        20,
        "one is no beginning: 1 is not in the list"
    );
    for (constraint, before) in states {
        let mut matcher = QWEN.follow(&constraint, before.as_bytes()).unwrap();
        let allowed = QWEN.allowed(&matcher);
        assert_eq!(allowed, brute_force(&QWEN, &matcher), "{before}");
        // In the middle of a character.
        if matcher.advance(QWEN.byte(0xe4)) {
            assert_eq!(
                QWEN.allowed(&matcher),
                brute_force(&QWEN, &matcher),
                "{before}"
            );
        }
    }
}

#[test]
fn no_special_token_ever_comes_and_the_end_only_at_the_end() {
    for (constraint, before) in states() {
        let matcher = QWEN.follow(&constraint, before.as_bytes()).unwrap();
        for id in QWEN.allowed(&matcher) {
            let is_end = QWEN.tokenizer.is_end_of_turn(id);
            assert!(is_end || QWEN.tokenizer.kind(id) == Some(Kind::Normal));
            assert!(!is_end || matcher.is_complete());
        }
        for id in [151_657, 151_644, 151_936, u32::MAX] {
            assert!(!matcher.allows(id) && !matcher.clone().advance(id));
        }
    }
}

#[test]
fn sampling_is_from_what_the_mask_leaves() {
    let mut random = Random(0x10_6175);
    let n_vocab = SMALL.tokenizer.n_vocab();
    let config = |temperature, top_k, top_p, min_p, repetition_penalty, seed| SamplerConfig {
        temperature,
        top_k,
        top_p,
        min_p,
        repetition_penalty,
        seed,
        ..SamplerConfig::default()
    };
    for (constraint, before) in states() {
        let matcher = SMALL.follow(&constraint, before.as_bytes()).unwrap();
        let allowed = SMALL.allowed(&matcher);
        for seed in 0..40 {
            for config in [
                config(0.0, 0, 1.0, 0.0, 1.0, seed),
                config(0.0, 0, 1.0, 0.0, 1.3, seed),
                config(1.0, 0, 1.0, 0.0, 1.0, seed),
                config(0.7, 3, 0.9, 0.0, 1.1, seed),
                config(1.5, 20, 0.8, 0.05, 1.0, seed),
            ] {
                let row: Vec<f32> = (0..n_vocab)
                    .map(|_| match random.below(40) {
                        0 => f32::NAN,
                        1 => f32::NEG_INFINITY,
                        _ => random.below(1000) as f32 / 100.0 - 5.0,
                    })
                    .collect();
                let recent: Vec<u32> = (0..30).map(|_| random.below(n_vocab) as u32).collect();
                let mut candidates = vec![0; n_vocab];
                let mut expected = row.clone();
                for id in 0..n_vocab as u32 {
                    if allowed.binary_search(&id).is_err() {
                        expected[id as usize] = f32::NAN;
                    }
                }
                let nothing = expected.iter().all(|logit| logit.is_nan());
                let mut sampler = Sampler::new(config).unwrap();
                let expected = if nothing {
                    allowed[0]
                } else {
                    sampler.sample(&mut expected, &recent, &mut candidates)
                };
                let mut sampler = Sampler::new(config).unwrap();
                let found =
                    sampler.sample_masked(&mut row.clone(), &recent, &mut candidates, &matcher);
                assert_eq!(found, Some(expected), "{before}, {config:?}");
            }
        }
    }
}

#[test]
fn a_row_of_nothing_but_nan_still_gives_what_may_come() {
    for (constraint, before) in states() {
        for temperature in [0.0, 1.0] {
            let mut matcher = SMALL.follow(&constraint, before.as_bytes()).unwrap();
            let allowed = SMALL.allowed(&matcher);
            let config = SamplerConfig {
                temperature,
                ..SamplerConfig::default()
            };
            let mut sampler = Sampler::new(config).unwrap();
            for value in [f32::NAN, f32::NEG_INFINITY, f32::INFINITY] {
                let mut row = vec![value; SMALL.tokenizer.n_vocab() + 3];
                let mut candidates = vec![0; row.len()];
                let token = sampler.sample_masked(&mut row, &[], &mut candidates, &matcher);
                assert!(allowed.contains(&token.unwrap()), "{before}");
            }
            let mut row = vec![f32::NAN; SMALL.tokenizer.n_vocab()];
            let token = matcher.choose(&mut sampler, &mut row, &[], &mut []);
            assert_eq!(token, Some(allowed[0]));
        }
    }
}
