//! The sampler against the definitions: exact sets, exact boundaries, frequencies, and a plain second
//! implementation.

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const NAN: f32 = f32::NAN;
const NEVER: f32 = f32::NEG_INFINITY;

/// Everything off but the temperature, which is 1.
fn plain() -> SamplerConfig {
    SamplerConfig {
        temperature: 1.0,
        ..SamplerConfig::default()
    }
}

fn logs(weights: &[f64]) -> Vec<f32> {
    weights.iter().map(|w| w.ln() as f32).collect()
}

/// What steps 2 to 4 leave, by id.
fn left(config: &SamplerConfig, logits: &[f32]) -> Vec<u32> {
    let mut candidates = vec![u32::MAX; logits.len()];
    let len = shortlist(config, logits, argmax(logits), &mut candidates);
    candidates.truncate(len);
    candidates.sort_unstable();
    candidates
}

/// How often each token comes in `draws`.
fn frequencies(config: SamplerConfig, logits: &[f32], draws: usize) -> Vec<usize> {
    let mut sampler = Sampler::new(config).unwrap();
    let mut candidates = vec![0; logits.len()];
    let mut counts = vec![0; logits.len()];
    for _ in 0..draws {
        let token = sampler.sample(&mut logits.to_vec(), &[], &mut candidates);
        counts[token as usize] += 1;
    }
    counts
}

/// Asserts that `counts` are as likely as `weights` say, within five standard deviations.
fn assert_distributed(counts: &[usize], weights: &[f64]) {
    let draws = counts.iter().sum::<usize>() as f64;
    let total: f64 = weights.iter().sum();
    for (id, (&count, &weight)) in counts.iter().zip(weights).enumerate() {
        let p = weight / total;
        let deviation = (draws * p * (1.0 - p)).sqrt();
        assert!(
            (count as f64 - draws * p).abs() <= 5.0 * deviation,
            "token {id}: {count} of {draws}, expected {p}"
        );
    }
}

#[test]
fn greedy_takes_the_lowest_id_of_the_highest() {
    let mut sampler = Sampler::greedy();
    let mut choose = |logits: &[f32]| {
        let mut candidates = vec![0; logits.len()];
        sampler.sample(&mut logits.to_vec(), &[0, 1], &mut candidates)
    };
    assert_eq!(choose(&[1.0, 3.0, 2.0]), 1);
    assert_eq!(choose(&[1.0, 3.0, 3.0, -1.0, 3.0]), 1);
    assert_eq!(choose(&[-0.0, 0.0]), 0);
    assert_eq!(choose(&[0.0, f32::INFINITY, f32::INFINITY]), 1);
    assert_eq!(choose(&[NAN, 1.0, NAN, 2.0, NAN]), 3);
    assert_eq!(choose(&[NAN, NEVER]), 1);
    assert_eq!(choose(&[NEVER, NEVER]), 0);
    assert_eq!(choose(&[NAN, NAN]), 0);
    assert_eq!(choose(&[-5.0]), 0);
    assert_eq!(choose(&[]), 0);
}

#[test]
fn draws_by_shares_in_order() {
    // Eight equal shares; the weights and their sums are exact.
    let logits = [0.0; 8];
    for (unit, expected) in [
        (0.0, 0),
        (0.124_999, 0),
        (0.125, 1),
        (0.5, 4),
        (0.999_999, 7),
        (1.0, 0), // what a product that rounds up would be: the best one
    ] {
        let ids: Vec<u32> = (0..8).collect();
        assert_eq!(draw(&mut logits.to_vec(), 0, &ids, 1.0, unit), expected);
    }
}

#[test]
fn distribution_is_the_softmax() {
    let weights = [1.0, 4.0, 2.0, 0.5, 8.0];
    let logits = logs(&weights);
    assert_distributed(&frequencies(plain(), &logits, 100_000), &weights);
    for temperature in [0.5, 2.0] {
        let config = SamplerConfig {
            temperature,
            ..plain()
        };
        let powers = weights.map(|w| w.powf(1.0 / f64::from(temperature)));
        assert_distributed(&frequencies(config, &logits, 100_000), &powers);
    }
    // The temperatures at the ends: all alike, and the highest alone.
    let config = SamplerConfig {
        temperature: f32::MAX,
        ..plain()
    };
    assert_distributed(&frequencies(config, &logits, 100_000), &[1.0; 5]);
    let config = SamplerConfig {
        temperature: f32::MIN_POSITIVE / 4.0,
        ..plain()
    };
    assert_eq!(frequencies(config, &logits, 100), [0, 0, 0, 0, 100]);
}

#[test]
fn distribution_of_what_is_left_is_renormalized() {
    let logits = logs(&[1.0, 4.0, 2.0, 0.5, 8.0]);
    let config = SamplerConfig {
        top_k: 2,
        ..plain()
    };
    assert_distributed(
        &frequencies(config, &logits, 100_000),
        &[0.0, 4.0, 0.0, 0.0, 8.0],
    );
}

#[test]
fn top_k_keeps_k() {
    let logits = [1.0, 5.0, NAN, 5.0, NEVER, 3.0, 5.0];
    let kept = |top_k| left(&SamplerConfig { top_k, ..plain() }, &logits);
    assert_eq!(kept(1), [1]);
    assert_eq!(kept(2), [1, 3], "of equals the lowest ids");
    assert_eq!(kept(3), [1, 3, 6]);
    assert_eq!(kept(4), [1, 3, 5, 6]);
    for all in [0, 5, 6, 7, 8, u32::MAX] {
        assert_eq!(kept(all), [0, 1, 3, 5, 6], "top-k {all}");
    }
}

#[test]
fn top_p_keeps_the_fewest_that_reach_it() {
    // Probabilities 0.5, 0.25, 0.125, 0.125 but in another order; equal ones in the order of ids.
    let logits = logs(&[0.125, 0.5, 0.125, 0.25]);
    let kept = |top_p| left(&SamplerConfig { top_p, ..plain() }, &logits);
    assert_eq!(kept(0.0), [1]);
    assert_eq!(kept(0.49), [1]);
    assert_eq!(kept(0.51), [1, 3]);
    assert_eq!(kept(0.74), [1, 3]);
    assert_eq!(kept(0.76), [0, 1, 3]);
    assert_eq!(kept(0.88), [0, 1, 2, 3]);
    assert_eq!(kept(1.0), [0, 1, 2, 3]);
    // Reached exactly is reached: of four equal ones half is two.
    let config = SamplerConfig {
        top_p: 0.5,
        ..plain()
    };
    assert_eq!(left(&config, &[1.0; 4]), [0, 1]);
    // Probabilities are of what top-k left: 0.5 and 0.25 of 0.75.
    let config = SamplerConfig {
        top_k: 2,
        top_p: 0.6,
        ..plain()
    };
    assert_eq!(left(&config, &logits), [1]);
}

#[test]
fn min_p_is_relative_to_the_most_likely() {
    let logits = logs(&[0.1, 0.6, 0.059, 0.2, 0.041]);
    let kept = |min_p| left(&SamplerConfig { min_p, ..plain() }, &logits);
    assert_eq!(kept(0.0), [0, 1, 2, 3, 4]);
    assert_eq!(kept(0.09), [0, 1, 2, 3]);
    assert_eq!(kept(0.1), [0, 1, 3]);
    assert_eq!(kept(0.3), [1, 3]);
    assert_eq!(kept(0.34), [1]);
    assert_eq!(kept(1.0), [1]);
    let config = SamplerConfig {
        min_p: 1.0,
        ..plain()
    };
    assert_eq!(left(&config, &[2.0, 1.0, 2.0]), [0, 2]);
    // Top-p counts what min-p leaves out: 0.6 + 0.2 do not reach 0.85 of the whole, but are left.
    let config = SamplerConfig {
        min_p: 0.3,
        top_p: 0.85,
        ..plain()
    };
    assert_eq!(left(&config, &logits), [1, 3]);
    let config = SamplerConfig {
        min_p: 0.3,
        top_p: 0.55,
        ..plain()
    };
    assert_eq!(left(&config, &logits), [1]);
}

#[test]
fn filters_do_not_depend_on_the_temperature() {
    let logits = logs(&[0.1, 0.6, 0.06, 0.24]);
    for temperature in [0.1, 1.0, 10.0] {
        let config = SamplerConfig {
            temperature,
            top_p: 0.7,
            ..plain()
        };
        assert_eq!(left(&config, &logits), [1, 3]);
    }
}

#[test]
fn penalty_divides_the_positive_and_multiplies_the_negative_once() {
    let mut logits = [3.0, -3.0, 0.0, 8.0, NEVER, NAN, 1.0];
    penalize(&mut logits, &[0, 1, 0, 2, 4, 5, 0, 7, u32::MAX, 1], 2.0);
    assert_eq!(logits[..5], [1.5, -6.0, 0.0, 8.0, NEVER]);
    assert!(logits[5].is_nan());
    assert_eq!(logits[6..], [1.0]);
}

#[test]
fn penalty_takes_the_last_n() {
    let config = SamplerConfig {
        repetition_penalty: 4.0,
        repeat_last_n: 2,
        ..SamplerConfig::default()
    };
    let mut sampler = Sampler::new(config).unwrap();
    let mut choose = |recent: &[u32]| sampler.sample(&mut [4.0, 3.0, 2.0], recent, &mut [0; 3]);
    assert_eq!(choose(&[]), 0);
    assert_eq!(choose(&[0]), 1);
    assert_eq!(choose(&[0, 1]), 2);
    assert_eq!(choose(&[0, 2, 2]), 0, "the first is not recent any more");
    let config = SamplerConfig {
        repeat_last_n: 0,
        ..config
    };
    let mut sampler = Sampler::new(config).unwrap();
    assert_eq!(
        sampler.sample(&mut [4.0, 3.0, 2.0], &[0, 0], &mut [0; 3]),
        0
    );
}

/// What [`the_same_seed_gives_the_same_tokens_everywhere`] chooses; a second implementation, in Python
/// with numpy's floats, chose the same.
const GOLDEN: [u32; 16] = [
    335, 162, 175, 953, 540, 127, 78, 488, 625, 394, 651, 205, 797, 814, 856, 13,
];

/// Also fails if a compiler, a processor or another `libm` moves a choice.
#[test]
fn the_same_seed_gives_the_same_tokens_everywhere() {
    let tokens = |seed| -> Vec<u32> {
        let config = SamplerConfig {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.02,
            repetition_penalty: 1.1,
            seed,
            ..plain()
        };
        let mut sampler = Sampler::new(config).unwrap();
        let mut candidates = vec![0; 1000];
        let mut chosen = vec![];
        for step in 0..16_u32 {
            // Logits of a few bits each, so that they are exact.
            let mut logits: Vec<f32> = (0..1000_u32)
                .map(|id| {
                    let mixed = (id * 2_654_435 + step * 40_503) % 1009;
                    mixed as f32 / 128.0
                })
                .collect();
            chosen.push(sampler.sample(&mut logits, &chosen, &mut candidates));
        }
        chosen
    };
    assert_eq!(tokens(1), tokens(1));
    assert_ne!(tokens(1), tokens(2));
    assert_eq!(tokens(1), GOLDEN);
}

#[test]
fn each_call_takes_one_random_number() {
    let mut sampler = Sampler::new(plain()).unwrap();
    let mut expected = Pcg32::from_seed(0);
    for logits in [
        &mut [1.0, 2.0][..],
        &mut [NAN; 2],
        &mut [NEVER; 2],
        &mut [0.0],
        &mut [],
    ] {
        sampler.sample(logits, &[], &mut [0; 2]);
        expected.next_unit();
        assert_eq!(sampler.random, expected);
    }
}

#[test]
fn odd_rows_do_no_harm() {
    let config = SamplerConfig {
        top_k: 3,
        top_p: 0.9,
        min_p: 0.1,
        ..plain()
    };
    for config in [plain(), config] {
        let only = |logits: &[f32], expected: &[u32]| {
            for seed in 0..50 {
                let mut sampler = Sampler::new(SamplerConfig { seed, ..config }).unwrap();
                let mut candidates = vec![0; logits.len()];
                let token = sampler.sample(&mut logits.to_vec(), &[], &mut candidates);
                assert!(expected.contains(&token), "{logits:?}: {token}");
            }
        };
        only(&[7.0], &[0]);
        only(&[NAN], &[0]);
        only(&[], &[0]);
        only(&[NEVER; 3], &[0]);
        only(&[NAN; 3], &[0]);
        only(&[NAN, NEVER, NEVER], &[1]);
        only(&[NAN, NEVER, 1.0, NAN], &[2]);
        only(&[f32::INFINITY, 1e38, f32::INFINITY, NAN], &[0, 2]);
        only(&[f32::MAX, f32::MIN, f32::MIN], &[0]);
    }
}

#[test]
fn a_short_scratch_takes_the_most_likely() {
    let logits: Vec<f32> = (0..100).map(|id| (id * 37 % 100) as f32 / 8.0).collect();
    let mut ranking: Vec<u32> = (0..100).collect();
    ranking.sort_by(|&a, &b| rank(&logits, a, b));
    for (room, expected) in [(0, 0), (1, 0), (2, 1), (20, 10), (99, 49), (100, 100)] {
        let mut candidates = vec![0; room];
        let len = shortlist(&plain(), &logits, argmax(&logits), &mut candidates);
        candidates.truncate(len);
        candidates.sort_by(|&a, &b| rank(&logits, a, b));
        assert_eq!(candidates, ranking[..expected]);
        let token =
            Sampler::new(plain())
                .unwrap()
                .sample(&mut logits.clone(), &[], &mut vec![0; room]);
        assert!(room > 1 || token == ranking[0]);
    }
}

#[test]
fn settings_are_checked() {
    let refused = |change: fn(&mut SamplerConfig)| {
        let mut config = plain();
        change(&mut config);
        Sampler::new(config).err()
    };
    assert_eq!(
        refused(|c| c.temperature = -0.1),
        Some(Error::Temperature { found: -0.1 })
    );
    assert_eq!(
        refused(|c| c.temperature = f32::INFINITY),
        Some(Error::Temperature {
            found: f32::INFINITY
        })
    );
    assert!(matches!(
        refused(|c| c.temperature = NAN),
        Some(Error::Temperature { .. })
    ));
    assert_eq!(
        refused(|c| c.top_p = 1.01),
        Some(Error::TopP { found: 1.01 })
    );
    assert!(matches!(
        refused(|c| c.top_p = NAN),
        Some(Error::TopP { .. })
    ));
    assert_eq!(
        refused(|c| c.min_p = -1.0),
        Some(Error::MinP { found: -1.0 })
    );
    assert_eq!(
        refused(|c| c.repetition_penalty = 0.0),
        Some(Error::RepetitionPenalty { found: 0.0 })
    );
    for accepted in [
        |c: &mut SamplerConfig| c.temperature = 0.0,
        |c: &mut SamplerConfig| c.top_p = 0.0,
        |c: &mut SamplerConfig| c.min_p = 1.0,
        |c: &mut SamplerConfig| c.repetition_penalty = 0.5,
    ] {
        assert_eq!(refused(accepted), None);
    }
    assert_eq!(
        Error::TopP { found: 1.5 }.to_string(),
        "top-p is 1.5; it has to be from 0 to 1 (off)"
    );
    assert_eq!(*Sampler::greedy().config(), SamplerConfig::default());
}

/// Steps 2 to 4 by their definitions: the whole row sorted, one filter after the other.
fn left_by_definition(config: &SamplerConfig, logits: &[f32]) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..logits.len() as u32)
        .filter(|&id| logits[id as usize] > NEVER)
        .collect();
    ids.sort_by(|&a, &b| rank(logits, a, b));
    if config.top_k > 0 {
        ids.truncate(config.top_k as usize);
    }
    let Some(&best) = ids.first() else {
        return ids;
    };
    let max = logits[best as usize];
    let weigh = |id: u32| f64::from(weight(logits[id as usize], max, 1.0));
    if config.top_p < 1.0 {
        let total: f64 = ids.iter().map(|&id| weigh(id)).sum();
        let mut sum = 0.0;
        let reached = ids.iter().position(|&id| {
            sum += weigh(id);
            sum >= f64::from(config.top_p) * total
        });
        ids.truncate(reached.map_or(ids.len(), |index| index + 1));
    }
    if config.min_p > 0.0 {
        ids.retain(|&id| logits[id as usize] >= max + libm::logf(config.min_p));
    }
    ids.sort_unstable();
    ids
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Rows longer than any round of sorting, with ties, and with whatever else a float can be.
    #[test]
    fn filters_are_as_defined(
        logits in prop::collection::vec(
            prop_oneof![
                8 => (-40_i32..40).prop_map(|n| n as f32 / 4.0),
                4 => -20.0_f32..5.0,
                1 => prop::sample::select(&[NAN, NEVER, 0.0, -0.0, 9.0][..]),
            ],
            1..6000,
        ),
        top_k in prop_oneof![Just(0_u32), 1_u32..60, 500_u32..7000],
        top_p in prop_oneof![Just(1.0_f32), 0.0_f32..1.0, 0.9_f32..0.999],
        min_p in prop_oneof![Just(0.0_f32), 0.0_f32..1.0, 0.0_f32..0.01],
    ) {
        let config = SamplerConfig { top_k, top_p, min_p, ..plain() };
        prop_assert_eq!(left(&config, &logits), left_by_definition(&config, &logits));
    }

    /// A vocabulary of more than one bitmap.
    #[test]
    fn penalty_is_as_defined(recent in prop::collection::vec(0_u32..40_000, 0..200), penalty in 0.5_f32..2.0) {
        let logits: Vec<f32> = (0..35_000).map(|id| (id % 17) as f32 - 8.0).collect();
        let mut expected = logits.clone();
        let mut distinct = recent.clone();
        distinct.sort_unstable();
        distinct.dedup();
        for id in distinct {
            if let Some(logit) = expected.get_mut(id as usize) {
                *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
            }
        }
        let mut found = logits;
        penalize(&mut found, &recent, penalty);
        prop_assert_eq!(found, expected);
    }

    /// Any bits as logits, any settings: a token of the vocabulary, and not a NaN if there is another.
    #[test]
    fn any_row_gives_a_token(
        bits in prop::collection::vec(any::<u32>(), 1..300),
        recent in prop::collection::vec(any::<u32>(), 0..20),
        (temperature, top_k, top_p, min_p) in (0.0_f32..3.0, 0_u32..400, 0.0_f32..=1.0, 0.0_f32..=1.0),
        room in 0_usize..400,
    ) {
        let logits: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
        let config = SamplerConfig { temperature, top_k, top_p, min_p, repetition_penalty: 1.3, ..plain() };
        let mut sampler = Sampler::new(config).unwrap();
        let token = sampler.sample(&mut logits.clone(), &recent, &mut vec![0; room]) as usize;
        prop_assert!(token < logits.len());
        prop_assert!(!logits[token].is_nan() || logits.iter().all(|logit| logit.is_nan()));
    }
}
