//! Embeddings against the f32 reference, and the same bits from every set-up.

mod support;

use qlens::{
    kernel::Kernel,
    sampler::Sampler,
    session::{Error, Interrupt, Progress, Session, Stop},
    tokenizer::Special,
    workers::{Inline, Threads, Workers},
};
use support::{Aligned, Setup, data, golden, with_session};

const N_EMBD: usize = 256;

/// The embedding of these tokens.
fn embed(session: &mut Session<'_, '_, '_>, tokens: &[u32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; N_EMBD];
    session.clear();
    session.feed_tokens(tokens).unwrap();
    session.embed(&mut (), &mut out).unwrap();
    assert_eq!(session.stop_reason(), None);
    out
}

/// The longest case of a fixture.
fn tokens(file: &str) -> Vec<u32> {
    golden()[file].cases[2].tokens.clone()
}

#[test]
fn an_embedding_is_the_references() {
    let file = "qwen2-f16.gguf";
    let exact: Vec<f32> = std::fs::read(data("reference/qwen2-f16-embedding.f32"))
        .unwrap()
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    let model = Aligned::read(file);
    let found = with_session(&model, Setup::default(), &Inline, |mut session| {
        embed(&mut session, &tokens(file))
    });
    assert_eq!((found.len(), exact.len()), (N_EMBD, N_EMBD));
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
        products.sum()
    };
    assert!((dot(&found, &found) - 1.0).abs() < 1e-6);
    let cosine = dot(&found, &exact);
    assert!(cosine > 0.999_99, "{cosine}");
}

#[test]
fn an_embedding_has_the_same_bits_however_it_is_computed() {
    for file in ["qwen2-f16.gguf", "qwen3-q4_k_m.gguf"] {
        let (model, tokens) = (Aligned::read(file), tokens(file));
        let with = |kernel, batch, workers: &dyn Workers| {
            let setup = Setup {
                kernel,
                batch,
                ..Setup::default()
            };
            with_session(&model, setup, workers, |mut session| {
                embed(&mut session, &tokens)
            })
        };
        let expected = with(Kernel::Scalar, 1, &Inline);
        for kernel in Kernel::ALL.into_iter().filter(|k| k.is_available()) {
            for batch in [7, 64] {
                assert_eq!(with(kernel, batch, &Inline), expected, "{kernel:?} {batch}");
            }
            assert_eq!(with(kernel, 16, &Threads::new(3)), expected, "{kernel:?}");
        }
    }
}

/// What is embedded may be answered as well, and the other way round.
#[test]
fn an_answer_is_the_same_after_an_embedding() {
    let file = "qwen2-q4_0.gguf";
    let (model, tokens) = (Aligned::read(file), tokens(file));
    let answer = |session: &mut Session<'_, '_, '_>| {
        let mut ids = Vec::new();
        session.set_max_tokens(Some(12));
        while let Some(piece) = session.next(&mut Sampler::greedy(), &mut ()).unwrap() {
            ids.extend(piece.token);
        }
        ids
    };
    with_session(&model, Setup::default(), &Inline, |mut session| {
        session.feed_tokens(&tokens).unwrap();
        let expected = answer(&mut session);
        assert!(expected.len() > 4);
        let whole = session.tokens().to_vec();
        let fresh = embed(&mut session, &whole);

        // The answer's last token was not read yet, or was as part of a draft.
        session.clear();
        session.feed_tokens(&tokens).unwrap();
        assert_eq!(answer(&mut session), expected);
        let mut out = [0.0; N_EMBD];
        session.embed(&mut (), &mut out).unwrap();
        assert_eq!(out.as_slice(), fresh);

        let first = embed(&mut session, &tokens);
        assert_eq!(answer(&mut session), expected);
        session.clear();
        session.feed_tokens(&tokens).unwrap();
        session.prefill(&mut ()).unwrap();
        session.embed(&mut (), &mut out).unwrap();
        assert_eq!(out.as_slice(), first);
        assert_eq!(answer(&mut session), expected);
    });
}

#[test]
fn what_cannot_be_embedded_is_said_and_an_interrupt_changes_nothing() {
    let model = Aligned::read("qwen2-q4_0.gguf");
    with_session(&model, Setup::default(), &Inline, |mut session| {
        let mut out = [7.0; N_EMBD];
        assert_eq!(session.embed(&mut (), &mut out), Err(Error::EmptyPrompt));
        session.feed_text("", Special::Parse).unwrap();
        assert_eq!(session.embed(&mut (), &mut out), Err(Error::EmptyPrompt));
        session.feed_text("abc", Special::Parse).unwrap();
        let error = Error::EmbeddingLength {
            found: 255,
            n_embd: 256,
        };
        assert_eq!(session.embed(&mut (), &mut out[1..]), Err(error));
        assert!(error.to_string().contains("256 numbers"));

        let mut cancel = |_: Progress| Some(Interrupt::Cancelled);
        session.embed(&mut cancel, &mut out).unwrap();
        assert_eq!(session.stop_reason(), Some(Stop::Cancelled));
        assert!(out.iter().all(|&x| x.to_bits() == 7_f32.to_bits()));
    });
}
