//! Answers taken apart, by another parser's measure, and thoughts that are cut short.

mod support;

use proptest::prelude::*;
use qlens::{
    chat::{Event, Parser, Piece},
    sampler::{Sampler, SamplerConfig},
    session::{Error, Session, Stop},
    workers::Inline,
};
use serde_json::Value;
use support::{Aligned, Setup, with_session};

/// The one call in an answer: its name and its arguments.
fn call(text: &str) -> Option<(String, String)> {
    let (mut parser, mut call) = (Parser::<4096>::new(false), None);
    let mut take = |event: Event<'_>| {
        if let Event::Call { name, arguments } = event {
            call = Some((name.to_owned(), arguments.to_string()));
        }
    };
    parser.push(&format!("<tool_call>{text}</tool_call>"), &mut take);
    parser.finish(&mut take);
    call
}

proptest! {
    /// What is accepted is what another parser accepts.
    #[test]
    fn a_call_in_json_is_json(value in "[{}\\[\\],:\"a0-9.eE+\\\\unltrfs \\-]{0,24}") {
        let text = format!("{{\"name\": \"f\", \"arguments\": {{\"v\": {value}}}}}");
        match serde_json::from_str::<Value>(&text) {
            Ok(read) if read["name"] == "f" && read["arguments"].is_object() => {
                let (name, arguments) = call(&text).expect("it is a call");
                prop_assert_eq!(name, "f");
                prop_assert_eq!(&serde_json::from_str::<Value>(&arguments).unwrap(), &read["arguments"]);
            }
            // The other one also knows which numbers are too large and which escapes are no characters.
            Err(error) if error.to_string().contains("out of range") || text.contains("\\u") => {}
            _ => prop_assert_eq!(call(&text), None, "{}", text),
        }
    }

    #[test]
    fn a_call_in_xml_becomes_json(name in "[a-z\"\\\\ ]{0,4}", value in prop_oneof![any::<String>(), "[0-9.e,\"\\[\\]{}: -]{0,8}"]) {
        prop_assume!(!value.contains("</"));
        let text = format!("\n<function=f>\n<parameter={name}>\n{value}\n</parameter>\n</function>\n");
        let (function, arguments) = call(&text).expect("it is a call");
        prop_assert_eq!(function, "f");
        let json: Value = serde_json::from_str(&arguments)
            .map_err(|error| TestCaseError::reject(error.to_string()))?;
        let read = &json[&name];
        let is_same = read.as_str() == Some(&value)
            || serde_json::from_str::<Value>(&value).is_ok_and(|value| value == *read);
        prop_assert!(is_same, "{} became {}", value, read);
    }
}

const THINK: u32 = 268;
const END_THINK: u32 = 267;

/// A model whose vocabulary has the tags of thoughts in place of tokens that nothing uses.
fn thinking_model() -> Aligned {
    let mut bytes = Aligned::read("qwen2-q4_0.gguf");
    let entry = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let old = ["[PAD267]", "[PAD268]", "[PAD269]"].map(entry).concat();
    let new = ["</think>", "<think>", "[PAD-269]"].map(entry).concat();
    let at = position(&bytes, &old);
    bytes[at..at + old.len()].copy_from_slice(&new);
    let key = b"tokenizer.ggml.token_type";
    let types = position(&bytes, key) + key.len() + 16;
    for id in [THINK, END_THINK] {
        let user_defined = 4_u32;
        bytes[types + 4 * id as usize..][..4].copy_from_slice(&user_defined.to_le_bytes());
    }
    bytes
}

fn position(bytes: &[u8], of: &[u8]) -> usize {
    let found = bytes.windows(of.len()).position(|window| window == of);
    found.expect("it is there")
}

/// A text that repeats, so that drafts are made, and a thought that the answer goes on with.
const PROMPT: [Piece<'static>; 2] = [
    Piece::Text("hello, hello, hello, hello, hello, "),
    Piece::Special("<think>"),
];

/// The answer of at most `most` tokens.
fn answer(session: &mut Session<'_, '_, '_>, sampler: &mut Sampler, most: usize) -> Vec<u32> {
    session.set_max_tokens(Some(most));
    let mut tokens = Vec::new();
    while let Some(piece) = session.next(sampler, &mut ()).unwrap() {
        tokens.extend(piece.token);
    }
    tokens
}

fn samplers() -> [Sampler; 2] {
    let config = |temperature| SamplerConfig {
        temperature,
        seed: 3,
        ..SamplerConfig::default()
    };
    [config(0.0), config(0.8)].map(|config| Sampler::new(config).unwrap())
}

/// A line break, the tag, two line breaks, as the byte-level vocabulary has them.
const CLOSING: [u32; 4] = [198, END_THINK, 198, 198];

#[test]
fn a_thought_that_used_up_its_budget_is_closed_and_the_answer_begins() {
    let model = thinking_model();
    with_session(&model, Setup::default(), &Inline, |mut session| {
        let closing = session.tokenizer().id_of("\u{10a}").unwrap();
        let closing = CLOSING.map(|id| if id == 198 { closing } else { id });
        for sampler in samplers() {
            session.feed_pieces(PROMPT).unwrap();
            assert!(session.prompt_is_thinking());
            let free = answer(&mut session, &mut sampler.clone(), 24);
            assert!(free.len() > 12, "the model talks on: {free:?}");
            for (budget, draft) in [0, 1, 2, 7, 11].into_iter().flat_map(|n| [(n, 0), (n, 3)]) {
                session.clear();
                session.set_draft(draft);
                session.set_thinking_budget(Some(budget)).unwrap();
                session.feed_pieces(PROMPT).unwrap();
                let prompt = session.tokens().to_vec();
                let mut used = sampler.clone();
                let limited = answer(&mut session, &mut used, 24);
                let (thought, rest) = limited.split_at(budget);
                assert_eq!(
                    thought,
                    &free[..budget],
                    "budget {budget}, drafts of {draft}"
                );
                assert_eq!(rest[..4], closing);

                // What follows is what follows those tokens, wherever they came from.
                let fed = [&prompt, thought, &closing].concat();
                session.set_thinking_budget(None).unwrap();
                session.clear();
                session.feed_tokens(&fed).unwrap();
                let mut same = sampler.clone();
                for _ in 0..budget {
                    // As many draws as the thought took.
                    let mut logits = [0.0; 2];
                    same.sample(&mut logits, &[], &mut [0; 2]);
                }
                let expected = answer(&mut session, &mut same, 24 - budget - 4);
                assert_eq!(rest[4..], expected, "budget {budget}, drafts of {draft}");
            }
            session.set_thinking_budget(None).unwrap();
        }
    });
}

#[test]
fn what_is_no_thought_costs_nothing_of_the_budget() {
    let model = thinking_model();
    with_session(&model, Setup::default(), &Inline, |mut session| {
        let [mut greedy, _] = samplers();
        session.feed_pieces(PROMPT[..1].iter().copied()).unwrap();
        assert!(!session.prompt_is_thinking());
        let free = answer(&mut session, &mut greedy, 16);
        session.set_thinking_budget(Some(0)).unwrap();
        session.clear();
        session.feed_pieces(PROMPT[..1].iter().copied()).unwrap();
        assert_eq!(answer(&mut session, &mut greedy, 16), free);

        // A limit of tokens may come before the thought is closed, and so may the end of the context.
        session.feed_pieces(PROMPT).unwrap();
        assert_eq!(answer(&mut session, &mut greedy, 2).len(), 2);
        assert_eq!(session.stop_reason(), Some(Stop::MaxTokens));
    });
}

#[test]
fn a_model_without_the_tags_cannot_be_limited_in_thinking() {
    let model = Aligned::read("qwen2-q4_0.gguf");
    with_session(&model, Setup::default(), &Inline, |mut session| {
        assert_eq!(session.set_thinking_budget(Some(3)), Err(Error::NoThinking));
        assert_eq!(session.set_thinking_budget(None), Ok(()));
    });
}

#[test]
fn a_thought_is_closed_where_it_would_have_been_if_the_session_is_saved_in_between() {
    let model = thinking_model();
    let [greedy, _] = samplers();
    let whole = |restore: Option<&[u8]>, after: usize| {
        with_session(&model, Setup::default(), &Inline, |mut session| {
            session.set_thinking_budget(Some(5)).unwrap();
            match restore {
                None => session.feed_pieces(PROMPT).unwrap(),
                Some(mut saved) => session.restore(&mut saved).unwrap(),
            }
            assert!(session.prompt_is_thinking());
            answer(&mut session, &mut greedy.clone(), after);
            let mut saved = Vec::new();
            session.save(&mut saved).unwrap();
            (session.tokens().to_vec(), saved)
        })
    };
    let (expected, _) = whole(None, 16);
    for after in 0..14 {
        let (_, saved) = whole(None, after);
        let (tokens, _) = whole(Some(&saved), 16);
        assert_eq!(tokens, expected, "saved after {after} tokens");
    }
}
