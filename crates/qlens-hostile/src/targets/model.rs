//! A model's file, from its first byte to the second token.

use qlens::chat::Chat;
use qlens::gguf::Gguf;
use qlens::model::Model;
use qlens::pack;
use qlens::plan::{Limits, Plan};
use qlens::sampler::{Sampler, SamplerConfig};
use qlens::session::Session;
use qlens::tokenizer::Special;
use qlens::workers::Inline;

use super::{Outcome, digest, refused};
use crate::{Aligned, MOST_BYTES};

/// Bytes of the arena; what is beside it fits below [`MOST_BYTES`].
const MOST_ARENA: usize = MOST_BYTES - 16_000_000;

pub fn run(input: &[u8]) -> Outcome {
    // As a board does, which owns the memory that the file lies in.
    if digest(input).is_multiple_of(4) {
        let mut file = Aligned::from(input);
        there_and_back(&mut file, input);
        return answer(&file);
    }
    let is_aligned = input.as_ptr().align_offset(align_of::<u64>()) == 0;
    if is_aligned {
        answer(input)
    } else {
        answer(&Aligned::from(input))
    }
}

/// Interleaves what can be, half of the time to stay so.
fn there_and_back(file: &mut Aligned, original: &[u8]) {
    let scratch = Gguf::parse(file).map_or(0, |gguf| pack::scratch_bytes(&gguf));
    if scratch > MOST_ARENA {
        return;
    }
    let mut scratch = vec![0; scratch];
    match pack::interleave(file, &mut scratch, &mut |_| {}) {
        Ok(true) if digest(original).is_multiple_of(8) => {
            let back = pack::deinterleave(file, &mut scratch);
            assert!(back.is_ok(), "what was interleaved can be taken apart");
            assert!(**file == *original, "and is what it was");
        }
        Ok(true) => {}
        Ok(false) => assert!(**file == *original, "nothing was done"),
        Err(error) => drop(refused(error)),
    }
}

fn answer(file: &[u8]) -> Outcome {
    let model = match Model::parse(file) {
        Ok(model) => model,
        Err(error) => return refused(error),
    };
    let limits = Limits {
        context: 64.min(model.config().n_ctx_train),
        batch: 16,
        ..Limits::default()
    };
    let plan = match Plan::new(model.config(), &limits) {
        Ok(plan) => plan,
        Err(error) => return refused(error),
    };
    // As long as the file says that it may be, and longer: too much for memory is no reason to panic.
    for context in [model.config().n_ctx_train, usize::MAX] {
        let _ = Plan::new(model.config(), &Limits { context, ..limits });
    }
    if plan.total() > MOST_ARENA {
        return Outcome::TooLarge;
    }
    // Memory holds anything before, even NaN.
    let mut arena = vec![0xff; plan.total()];
    let mut session = match Session::new(&model, &plan, &mut arena, &Inline) {
        Ok(session) => session,
        Err(error) => return refused(error),
    };
    let config = SamplerConfig {
        temperature: 0.8,
        top_k: 5,
        top_p: 0.9,
        repetition_penalty: 1.2,
        ..SamplerConfig::default()
    };
    let mut sampler = Sampler::new(config).unwrap_or(Sampler::greedy());
    session.set_max_tokens(Some(2));
    let chat = Chat::new().system("").user("Hi 你 <|im_end|>");
    let fed = session
        .feed(&chat)
        .or_else(|_| session.feed_text("Hi<|im_start|>", Special::Parse));
    if let Err(error) = fed {
        return refused(error);
    }
    loop {
        match session.next(&mut sampler, &mut ()) {
            Ok(Some(_)) => {}
            Ok(None) => return Outcome::Taken,
            Err(error) => return refused(error),
        }
    }
}
