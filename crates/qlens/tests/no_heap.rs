//! After `Session::new` nothing is allocated, on any path, errors included.

mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use qlens::{
    chat::Chat,
    constraint::{Constraint, Matcher, TokenClasses},
    model::Model,
    plan::{Limits, Plan},
    sampler::{Sampler, SamplerConfig},
    session::{Interrupt, Progress, Session},
    tokenizer::Special,
    workers::Inline,
};

thread_local! {
    static FORBIDDEN: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Watched;

// SAFETY: every call goes to the system's allocator; counting beside it touches no memory of others.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if FORBIDDEN.get() {
            ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(p, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

fn answer(session: &mut Session<'_, '_, '_>, sampler: &mut Sampler) -> usize {
    let mut tokens = 0;
    while let Ok(Some(_)) = session.next(sampler, &mut ()) {
        tokens += 1;
    }
    tokens
}

/// Compiles a constraint, refuses another and answers under the first; whether it all went well.
fn constrained_answer(
    session: &mut Session<'_, '_, '_>,
    sampler: &mut Sampler,
    classes: &mut [u16],
    words: &mut [u32],
) -> bool {
    let (first, second) = words.split_at_mut(words.len() / 2);
    let refused = Constraint::schema(r##"{"type":"array","items":{"$ref":"#"}}"##, second).is_err()
        && Constraint::choices(&["yes", ""], second).is_err();
    let schema =
        r#"{"type":"object","properties":{"caf\u00e9":{"enum":["yes","no"]}},"required":["café"]}"#;
    let (Ok(schema), Ok(tokens)) = (
        Constraint::schema(schema, first),
        TokenClasses::new(session.tokenizer(), classes),
    ) else {
        return false;
    };
    let mut matcher = Matcher::new(&schema, &tokens);
    session.clear();
    let fed = session.feed_tokens(&[1, 2, 3]).is_ok();
    let mut chars = 0;
    while let Ok(Some(piece)) = session.next_constrained(&mut matcher, sampler, &mut ()) {
        chars += piece.text.chars().count();
    }
    refused && fed && matcher.is_over() && (13..=15).contains(&chars)
}

#[test]
fn nothing_is_allocated_after_session_new() {
    // The allocator notices what it is there for.
    FORBIDDEN.set(true);
    drop(std::hint::black_box(vec![1_u8]));
    FORBIDDEN.set(false);
    assert_eq!(ALLOCATIONS.replace(0), 1);

    let bytes = support::Aligned::read("qwen2-q4_k_m.gguf");
    let model = Model::parse(&bytes).unwrap();
    let plan = Plan::new(
        model.config(),
        &Limits {
            context: 128,
            batch: 16,
            ..Limits::default()
        },
    )
    .unwrap();
    let mut arena = vec![0; plan.total()];
    let config = SamplerConfig {
        temperature: 0.8,
        top_k: 40,
        top_p: 0.9,
        min_p: 0.05,
        repetition_penalty: 1.1,
        ..SamplerConfig::default()
    };
    let mut sampler = Sampler::new(config).unwrap();
    let mut embedding = vec![0.0; model.config().n_embd];
    let mut session = Session::new(&model, &plan, &mut arena, &Inline).unwrap();
    let (mut classes, mut words) = (vec![0; model.config().n_vocab], vec![0; 300]);
    let mut file = vec![0; 100_000];

    FORBIDDEN.set(true);
    session.set_max_tokens(Some(20));
    let chat = Chat::new()
        .system("Be brief.")
        .user("cafe\u{301} \u{4f60}\u{597d}");
    let fed = session.feed(&chat).is_ok();
    let answered = answer(&mut session, &mut sampler);
    session.clear();
    let too_long = session
        .feed_text(include_str!("no_heap.rs"), Special::Parse)
        .is_err();
    let out_of_range = session.feed_tokens(&[1 << 30]).is_err();
    let again = session.feed_tokens(&[1, 2, 3]).is_ok();
    let mut visited = 0;
    let logits = session.logits(&mut (), &mut |_, _| visited += 1).is_ok();
    let embedded = session.embed(&mut (), &mut embedding).is_ok();
    session.set_max_tokens(Some(60));
    let constrained = [&mut Sampler::greedy(), &mut sampler]
        .into_iter()
        .all(|sampler| constrained_answer(&mut session, sampler, &mut classes, &mut words));
    let saved =
        session.save(&mut &mut file[..]).is_ok() && session.save(&mut &mut [0; 9][..]).is_err();
    let restored = session.restore(&mut &file[..]).is_ok() && !session.tokens().is_empty();
    let refused = session.restore(&mut &file[1..]).is_err();
    session.clear();
    let refed = session.feed_tokens(&[4, 5, 6]).is_ok();
    let mut cancel = |_: Progress| Some(Interrupt::Cancelled);
    let cancelled = session.next(&mut sampler, &mut cancel) == Ok(None);
    FORBIDDEN.set(false);

    assert!(
        fed && answered > 0
            && too_long
            && out_of_range
            && again
            && logits
            && visited == 3
            && embedded
            && constrained
            && saved
            && restored
            && refused
            && refed
            && cancelled
    );
    assert_eq!(ALLOCATIONS.get(), 0, "allocations after Session::new");
}
