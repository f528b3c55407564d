//! What Qwen3.5 has beside its numbers: a state that cannot be taken back, and layers of two kinds.

mod support;

use qlens::{
    model::{Error, LayerPlace, Model, TensorKind},
    plan::{Limits, Plan},
    sampler::{Sampler, SamplerConfig},
    session::{Interrupt, Progress, Session, Stop},
    workers::Inline,
};
use support::{Aligned, Setup, all_logits, with_session};

const MODEL: &str = "qwen35-q4_k_m.gguf";

fn small_batches() -> Setup {
    Setup {
        batch: 8,
        context: 128,
        ..Setup::default()
    }
}

/// The logits after the whole context, and after all of its tokens read from the first.
fn assert_reads_as_fresh(session: &mut Session<'_, '_, '_>, bytes: &[u8], what: &str) {
    let mut last = Vec::new();
    session
        .logits(&mut (), &mut |_, logits| last = logits.to_vec())
        .unwrap();
    let tokens = session.tokens().to_vec();
    let all = with_session(bytes, small_batches(), &Inline, |mut fresh| {
        all_logits(&mut fresh, &tokens)
    });
    assert!(all.ends_with(&last), "{what}: {} tokens", tokens.len());
}

#[test]
fn every_fourth_layer_is_attention_and_only_those_have_keys() {
    let bytes = Aligned::read(MODEL);
    let model = Model::parse(&bytes).unwrap();
    let config = model.config();
    let places: Vec<_> = (0..config.n_layer).map(|il| config.place(il)).collect();
    assert_eq!(
        places,
        [
            LayerPlace::DeltaNet(0),
            LayerPlace::DeltaNet(1),
            LayerPlace::DeltaNet(2),
            LayerPlace::Attention(0)
        ]
    );
    let plan = |context| {
        let limits = Limits {
            context,
            ..Limits::default()
        };
        Plan::new(config, &limits).unwrap()
    };
    let bytes_of = |plan: &Plan, name| {
        plan.sections()
            .iter()
            .find(|s| s.name == name)
            .unwrap()
            .bytes
    };
    let (short, long) = (plan(64), plan(128));
    let kv = |plan| bytes_of(plan, "kv cache");
    assert_eq!(kv(&long), 128 * 2 * 2 * config.kv_width());
    let state = |plan| bytes_of(plan, "recurrent state");
    assert_eq!(state(&long), state(&short));
    // Three states of three layers, and the kernels.
    let shape = config.delta_net.unwrap();
    let inputs = (shape.taps - 1) * shape.channels();
    let matrices = shape.n_head_v * shape.head_dim_k * shape.head_dim_v;
    let kernels = shape.taps * shape.channels();
    assert_eq!(state(&long), 4 * 3 * (3 * (inputs + matrices) + kernels));
}

#[test]
fn whatever_was_dropped_interrupted_or_drafted_the_rest_reads_as_if_it_had_not_been() {
    let bytes = Aligned::read(MODEL);
    with_session(&bytes, small_batches(), &Inline, |mut s| {
        let mut state = 7_u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            (state >> 33) as usize % below
        };
        for step in 0..120 {
            let action = random(5);
            match action {
                // A few tokens more, few enough different ones that drafts are made.
                0 | 1 => {
                    let tokens: Vec<u32> = (0..=random(12)).map(|i| 60 + i as u32 % 3).collect();
                    if s.feed_tokens(&tokens).is_err() {
                        s.clear();
                        continue;
                    }
                }
                2 => s.truncate(s.tokens().len().saturating_sub(random(9))),
                _ => {}
            }
            if s.tokens().is_empty() {
                continue;
            }
            if action >= 2 {
                let calls = random(60);
                let mut left = calls;
                let mut watch = |_: Progress| {
                    left = left.saturating_sub(1);
                    (action == 4 && left == 0).then_some(Interrupt::Cancelled)
                };
                s.set_max_tokens(Some(1 + random(8)));
                let mut sampler = Sampler::greedy();
                while s.next(&mut sampler, &mut watch).unwrap().is_some() {}
                s.feed_tokens(&[]).unwrap();
            }
            if step % 3 == 0 {
                assert_reads_as_fresh(&mut s, &bytes, &format!("step {step}"));
            }
        }
    });
}

#[test]
fn drafts_change_nothing_and_some_come_true() {
    let bytes = Aligned::read(MODEL);
    let answer = |draft| {
        with_session(&bytes, small_batches(), &Inline, |mut s| {
            s.set_draft(draft);
            s.set_max_tokens(Some(90));
            s.feed_tokens(&[1, 2, 3]).unwrap();
            // Left to itself this model says nothing twice.
            let config = SamplerConfig {
                temperature: 0.0,
                repetition_penalty: 0.5,
                repeat_last_n: 16,
                ..SamplerConfig::default()
            };
            let mut sampler = Sampler::new(config).unwrap();
            while s.next(&mut sampler, &mut ()).unwrap().is_some() {}
            (s.tokens().to_vec(), s.stats().decode_passes)
        })
    };
    let (plain, passes) = answer(0);
    for draft in [1, 3, 7] {
        let (drafted, fewer) = answer(draft);
        assert_eq!(drafted, plain, "drafts of {draft}");
        assert!(
            fewer < passes,
            "drafts of {draft}: {fewer} of {passes} passes"
        );
    }
}

#[test]
fn an_embedding_after_a_wrong_draft_is_that_of_the_context_alone() {
    let bytes = Aligned::read(MODEL);
    let text: Vec<u32> = (0..24).map(|i| 60 + i % 3).collect();
    with_session(&bytes, small_batches(), &Inline, |mut s| {
        let n_embd = Model::parse(&bytes).unwrap().config().n_embd;
        s.feed_tokens(&text).unwrap();
        s.set_max_tokens(Some(3));
        let mut sampler = Sampler::greedy();
        while s.next(&mut sampler, &mut ()).unwrap().is_some() {}
        let tokens = s.tokens().to_vec();
        let (mut found, mut expected) = (vec![0.0; n_embd], vec![0.0; n_embd]);
        s.embed(&mut (), &mut found).unwrap();
        with_session(&bytes, small_batches(), &Inline, |mut fresh| {
            fresh.feed_tokens(&tokens).unwrap();
            fresh.embed(&mut (), &mut expected).unwrap();
        });
        assert_eq!(found, expected);
    });
}

#[test]
fn a_token_that_was_begun_is_read_to_its_end() {
    let bytes = Aligned::read(MODEL);
    with_session(&bytes, small_batches(), &Inline, |mut s| {
        s.set_draft(0);
        s.feed_tokens(&[1, 2, 3]).unwrap();
        s.prefill(&mut ()).unwrap();
        let mut sampler = Sampler::greedy();
        assert!(s.next(&mut sampler, &mut ()).unwrap().is_some());
        let mut watch = |_: Progress| Some(Interrupt::Deadline);
        assert_eq!(s.next(&mut sampler, &mut watch), Ok(None));
        assert_eq!(s.stop_reason(), Some(Stop::Deadline));
        // Nothing is read again but the last token.
        let tokens = s.tokens().len();
        s.feed_tokens(&[9]).unwrap();
        assert_eq!(s.stats().reused_tokens, tokens);
        assert_reads_as_fresh(&mut s, &bytes, "after a deadline");
    });
}

#[test]
fn blocks_that_predict_further_tokens_are_left_out() {
    let model = Aligned::read(MODEL);
    let config = *Model::parse(&model).unwrap().config();
    // The same file, which says that it has one more block and that this one predicts.
    let key = b"qwen35.block_count";
    let at = model.windows(key.len()).position(|w| w == key).unwrap();
    let (head, tail) = model.split_at(at + key.len() + 4);
    let mut bytes = [head, &5_u32.to_le_bytes(), &tail[4..]].concat();
    let further = b"qwen35.nextn_predict_layers";
    let longer = b"qwen35.rope.dimension_count";
    assert_eq!(further.len(), longer.len());
    // In place of another number of the same length, which the fixture has at its default of a quarter.
    let at = bytes
        .windows(longer.len())
        .position(|w| w == longer)
        .unwrap();
    bytes[at..][..further.len()].copy_from_slice(further);
    bytes[at + further.len() + 4..][..4].copy_from_slice(&1_u32.to_le_bytes());
    let bytes = Aligned::from(bytes.as_slice());
    let found = Model::parse(&bytes).unwrap();
    assert_eq!(found.config().n_layer, config.n_layer);
    assert_eq!(
        found.bytes_per_token(),
        Model::parse(&model).unwrap().bytes_per_token()
    );
}

#[test]
fn every_layer_has_the_tensors_of_its_kind() {
    for (kind, il, name) in [
        (TensorKind::SsmConv1d, 2, "blk.2.ssm_conv1d.weight"),
        (TensorKind::SsmA, 0, "blk.0.ssm_a"),
        (TensorKind::AttnKNorm, 3, "blk.3.attn_k_norm.weight"),
        (
            TensorKind::PostAttentionNorm,
            1,
            "blk.1.post_attention_norm.weight",
        ),
    ] {
        let mut model = Aligned::read(MODEL);
        let at = model.windows(name.len()).position(|w| w == name.as_bytes());
        model[at.unwrap()] = b'x';
        let layer = Some(il);
        assert_eq!(
            Model::parse(&model).unwrap_err(),
            Error::MissingTensor { kind, layer }
        );
    }
}

#[test]
fn heads_that_share_unevenly_are_refused() {
    let mut model = Aligned::read(MODEL);
    let key = b"qwen35.ssm.group_count";
    let at = model.windows(key.len()).position(|w| w == key).unwrap();
    model[at + key.len() + 4..][..4].copy_from_slice(&3_u32.to_le_bytes());
    let error = Model::parse(&model).unwrap_err();
    assert_eq!(
        error,
        Error::DeltaNet {
            n_head_k: 3,
            n_head_v: 4,
            inner: 256
        }
    );
    assert!(
        error
            .to_string()
            .starts_with("4 value heads in 256 values over 3 key heads")
    );
}
