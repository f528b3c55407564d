//! Damaged schemas: nothing panics, takes long, or needs more memory than is said to be enough; and what is still
//! taken for a schema has no dead end.
//!
//! The mutations are seeded. `QLENS_FULL=1` runs 100,000 of them.

use std::time::{Duration, Instant};

use qlens::constraint::{Constraint, Error, Matcher};

use crate::schemas::Schema;
use crate::{Random, SMALL};

/// What mutations put in.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud83d",
    "\\u0000",
    "\u{0}",
    "é",
    "😀",
    "-",
    "1e999",
    "0",
    "99999999999999999999",
    "4294967295",
    "-9223372036854775808",
    "true",
    "null",
    "\"type\"",
    "\"enum\"",
    "\"const\"",
    "\"anyOf\"",
    "\"properties\"",
    "\"required\"",
    "\"items\"",
    "\"minItems\"",
    "\"maxLength\"",
    "\"minimum\"",
    "\"object\"",
    "\"array\"",
    "\"string\"",
    "\"integer\"",
    "\"$ref\"",
    "{\"type\":\"string\"}",
    "{\"anyOf\":[",
    "{\"type\":\"array\",\"items\":",
];

fn mutate(random: &mut Random, text: &mut Vec<char>) {
    // Some stay schemas, of other numbers.
    if random.one_in(3) {
        for c in text.iter_mut().filter(|c| c.is_ascii_digit()) {
            *c = random.one(&['0', '1', '9', *c, *c]);
        }
        return;
    }
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        let len = random.below(12).min(text.len() - at);
        let piece = random.one(&PIECES).chars();
        match random.below(5) {
            0 => text.truncate(at),
            1 => drop(text.drain(at..at + len)),
            2 => drop(text.splice(at..at, piece)),
            3 => drop(text.splice(at..at + len, piece)),
            _ => {
                let times = random.below(300);
                let piece: Vec<char> = piece.collect();
                drop(text.splice(at..at, piece.repeat(times)));
            }
        }
    }
}

#[test]
fn mutated_schemas() {
    let is_full = std::env::var_os("QLENS_FULL").is_some_and(|full| full == "1");
    let count = if is_full { 100_000 } else { 4_000 };
    let mut random = Random(0x5c4e_3a00);
    let mut memory = vec![0; Constraint::schema_words(1 << 16)];
    let (mut taken, mut slowest) = (0, Duration::ZERO);
    for i in 0..count {
        let depth = 1 + random.below(4);
        let text = Schema::random(&mut random, depth).text(&mut random);
        let mut text: Vec<char> = text.chars().collect();
        mutate(&mut random, &mut text);
        let text: String = text.into_iter().collect();
        let words = &mut memory[..Constraint::schema_words(text.len())];
        words.fill(random.next() as u32);
        let start = Instant::now();
        match Constraint::schema(&text, words) {
            Err(error) => {
                assert!(
                    !matches!(error, Error::Memory { .. }),
                    "mutation {i}: {error}: {text}"
                );
                let sentence = error.to_string();
                assert!((20..330).contains(&sentence.len()), "{sentence}");
            }
            Ok(constraint) => {
                taken += 1;
                let mut matcher = Matcher::new(&constraint, &SMALL.classes);
                for _ in 0..30 {
                    let allowed = SMALL.allowed(&matcher);
                    assert!(!allowed.is_empty(), "mutation {i}: {text}");
                    assert!(matcher.advance(random.one(&allowed)));
                }
            }
        }
        slowest = slowest.max(start.elapsed());
    }
    assert!(taken > count / 50, "{taken} were taken");
    assert!(
        slowest < Duration::from_secs(1),
        "the slowest took {slowest:?}"
    );
}

#[test]
fn the_longest_schemas_do_not_take_long() {
    let start = Instant::now();
    let mut memory = vec![0; Constraint::schema_words(1 << 15)];
    let fill = |room: usize, open: &str, one: &str, close: &str| {
        let count = (room - open.len() - close.len()) / (one.len() + 1);
        format!("{open}{}{close}", vec![one; count].join(","))
    };
    let deep = |inner: String, times| {
        (0..times).fold(inner, |inner, i| {
            format!(r#"{{"type":"object","properties":{{"{i}":{inner}}}}}"#)
        })
    };
    let any = |inner: String, times| {
        (0..times).fold(inner, |inner, _| format!(r#"{{"anyOf":[{inner}]}}"#))
    };
    let all = 1 << 15;
    let types = r#"{"type":["number","string","boolean","null"],"enum":["#;
    for text in [
        fill(all, r#"{"enum":["#, "1", "]}"),
        fill(all, r#"{"enum":["#, "\"\"", "]}"),
        fill(all, types, "1", "]}"),
        fill(all, r#"{"anyOf":["#, r#"{"const":1}"#, "]}"),
        fill(all, r#"{"anyOf":["#, r#"{"type":"null"}"#, "]}"),
        deep(fill(all - 700, r#"{"enum":["#, "1", "]}"), 16),
        any(fill(all - 500, types, "1", "]}"), 31),
        any(
            fill(all - 500, r#"{"anyOf":["#, r#"{"type":"null"}"#, "]}"),
            30,
        ),
    ] {
        assert!(text.len() > all - 300, "{}", text.len());
        let words = &mut memory[..Constraint::schema_words(text.len())];
        let constraint =
            Constraint::schema(&text, words).unwrap_or_else(|e| panic!("{e}: {text:.60}"));
        let matcher = Matcher::new(&constraint, &SMALL.classes);
        assert!(!SMALL.allowed(&matcher).is_empty());
    }
    assert!(start.elapsed() < Duration::from_secs(8));
}
