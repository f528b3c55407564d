//! Words that are longer than what is looked at together.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use qlens::gguf::Gguf;
use qlens::tokenizer::{SCRATCH_BYTES, Special};
use unicode_normalization::UnicodeNormalization as _;

use super::{QWEN, QWEN_TOKENIZER, decode, encode, encode_with, scratch};

/// How far back the end of a word can matter (see `tokenizer::bpe`): the longest chain of merges of
/// ascending rank in which each joins a token to the left of what the one before it may change.
#[test]
fn the_end_of_a_word_reaches_back_less_than_half_a_window() {
    let gguf = Gguf::parse(&QWEN).unwrap();
    let merges = gguf
        .get("tokenizer.ggml.merges")
        .unwrap()
        .as_array()
        .unwrap();
    let mut reach: HashMap<String, usize> = HashMap::new();
    let mut made = HashSet::new();
    for merge in merges.strings().unwrap() {
        let (left, right) = str::from_utf8(merge).unwrap().split_once(' ').unwrap();
        let bytes = |text: &str| text.chars().count();
        // Ranks ascend only if both tokens are there by now, and this is the only way to the third.
        assert!(
            [left, right]
                .iter()
                .all(|&text| bytes(text) == 1 || made.contains(text))
        );
        let merged = [left, right].concat();
        assert!(made.insert(merged.clone()));

        let of = |text: &str| reach.get(text).copied().unwrap_or(bytes(text));
        let through_right = of(right) + bytes(left);
        let left_reach = of(left).max(through_right);
        reach.insert(left.to_owned(), left_reach);
        reach.insert(merged, left_reach);
    }
    let longest = reach.values().max().unwrap();
    assert_eq!(*longest, 236);
    assert!(*longest < SCRATCH_BYTES / 14 / 2);
}

/// Words of no natural length: each of these is one word, or nearly.
fn long_words(len: usize) -> Vec<String> {
    let mut noise = 1_u64;
    let mut next = || {
        noise = noise.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (noise >> 33) as usize
    };
    let mut random = |alphabet: &str| -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..len)
            .map(|_| alphabet[next() % alphabet.len()])
            .collect()
    };
    vec![
        "a".repeat(len),
        " ".repeat(len),
        "-".repeat(len),
        "=".repeat(len) + "\n",
        "ab".repeat(len / 2),
        "\n\t ".repeat(len / 3),
        "的".repeat(len / 3),
        "e\u{301}\u{336}".repeat(len / 5),
        random("ab"),
        random("aeilnorst"),
        random("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        random("/*-=_#.(){}<>"),
        random("的一是不了在人有我他这个中大来上国"),
        random("กขคงจฉชซญณดตถทธนบปผฝพฟมยรลวศษสหอฮะา"),
    ]
}

#[test]
fn long_words_have_the_same_tokens_however_little_of_them_is_seen_at_a_time() {
    // The whole word fits into the first scratch; half a window of the second is no longer than what
    // the word's end can matter to.
    let mut whole = scratch(20_000 * 14);
    let mut small = scratch(4 * 128 * 14);
    for word in long_words(20_000) {
        let tokenizer = &*QWEN_TOKENIZER;
        let expected = encode_with(tokenizer, &word, Special::Plain, &mut whole).unwrap();
        let start: String = word.chars().take(20).collect();
        assert_eq!(
            encode(tokenizer, &word, Special::Plain),
            expected,
            "{start}"
        );
        let windows = encode_with(tokenizer, &word, Special::Plain, &mut small).unwrap();
        assert_eq!(windows, expected, "{start}");
        assert_eq!(decode(tokenizer, &expected), word.nfc().collect::<String>());
    }
}

#[test]
fn a_word_of_a_hundred_kilobytes_takes_well_under_a_second() {
    for word in long_words(100_000) {
        let start = Instant::now();
        let ids = encode(&QWEN_TOKENIZER, &word, Special::Parse);
        // Generous: the tests may run unoptimized and beside others.
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
        assert!(ids.len() > 500);
    }
}
