//! Files that bring their index along: the same tokens as without, and nothing worse than other tokens
//! from one that lies.

use std::sync::LazyLock;

use proptest::prelude::*;
use qlens::gguf::Gguf;
use qlens::tokenizer::{
    EncodeError, Error, INDEX_KEY, IndexFault, MAX_PIECE_BYTES, SCRATCH_BYTES, Special, Tokenizer,
    Utf8Stream, precompile,
};

use super::made_up::{File, vocabularies};
use super::{QWEN, QWEN_TOKENIZER, QWEN35, QWEN35_TOKENIZER, encode, encode_with, scratch};

/// Words of an index before its first part.
const HEADER: usize = 7;
const TEXT: &str = "abcabc<x>abé a<|im_end|> <|im_start|>b\n";

/// The words of a plain file's index.
fn words(file: &[u8]) -> Vec<u32> {
    let gguf = Gguf::parse(file).unwrap();
    let mut memory = vec![0_u32; Tokenizer::index_bytes(&gguf).unwrap() / 4];
    let memory = bytemuck::cast_slice_mut(&mut memory);
    precompile(&gguf, memory).unwrap().to_vec()
}

/// A file of metadata alone, aligned as a mapping would be.
struct Packed(Vec<u32>, usize);

impl Packed {
    /// A plain file, and a key with an array of this type and so many bytes of elements.
    fn new(plain: &[u8], element_type: u32, elements: impl FnOnce(usize) -> Vec<u8>) -> Self {
        let gguf = Gguf::parse(plain).unwrap();
        let mut file = plain[..8].to_vec();
        file.extend(0_u64.to_le_bytes());
        file.extend((gguf.metadata().len() as u64 + 1).to_le_bytes());
        file.extend(gguf.encoded_metadata().flat_map(|(_, entry)| entry));
        file.extend((INDEX_KEY.len() as u64).to_le_bytes());
        file.extend(INDEX_KEY.as_bytes());
        file.extend([9, element_type].iter().flat_map(|word| word.to_le_bytes()));
        let elements = elements(file.len() + 8);
        let size = if element_type == 4 { 4 } else { 1 };
        file.extend((elements.len() as u64 / size).to_le_bytes());
        file.extend(elements);
        let len = file.len();
        file.resize(len.next_multiple_of(4), 0);
        let words = file
            .as_chunks()
            .0
            .iter()
            .map(|word| u32::from_ne_bytes(*word));
        Self(words.collect(), len)
    }

    fn with(plain: &[u8], words: &[u32]) -> Self {
        Self::new(plain, 0, |at| {
            let mut bytes = vec![0; at.next_multiple_of(4) - at];
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            bytes
        })
    }

    fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.0)[..self.1]
    }

    /// Its tokenizer, which gets no memory.
    fn tokenizer(&self) -> Result<Tokenizer<'_, '_>, Error> {
        let gguf = Gguf::parse(self.bytes()).expect("the file is GGUF");
        let tokenizer = Tokenizer::new(&gguf, &mut []);
        if tokenizer.is_ok() {
            assert_eq!(Tokenizer::index_bytes(&gguf), Ok(0));
        }
        tokenizer
    }

    fn fault(&self) -> IndexFault {
        let error = self.tokenizer().expect_err("it is refused");
        assert!(error.to_string().contains("qlens pack"));
        match error {
            Error::StoredIndex(fault) => fault,
            error => panic!("{error}"),
        }
    }
}

static QWEN_WORDS: LazyLock<Vec<u32>> = LazyLock::new(|| words(&QWEN));

/// A vocabulary with all that there is, of 259 tokens.
fn small() -> Vec<u8> {
    let file = File::bytes().token("<x>", 3).merge("a", "b");
    file.merge("ab", "c").gguf()
}

/// Uses an index that may lie: whatever comes out is a token, and text.
fn use_it(tokenizer: &Tokenizer<'_, '_>) {
    let mut ids = Vec::new();
    for special in [Special::Parse, Special::Plain] {
        match encode_with(tokenizer, TEXT, special, &mut scratch(SCRATCH_BYTES)) {
            Ok(more) => ids.extend(more),
            Err(error) => assert!(matches!(error, EncodeError::Undecided { .. }), "{error}"),
        }
    }
    let n_vocab = tokenizer.n_vocab() as u32;
    assert!(ids.iter().all(|&id| id < n_vocab));
    ids.extend(["a", "ab", "<x>", "Ġ", ""].map(|text| {
        let id = tokenizer.id_of(text);
        assert!(id.is_none_or(|id| id < n_vocab));
        id.unwrap_or(0)
    }));
    let mut stream = Utf8Stream::default();
    for id in ids.into_iter().chain([n_vocab - 1, n_vocab]) {
        let mut piece = String::new();
        let bytes = tokenizer.token_bytes(id).into_iter().flatten();
        stream.push(bytes, &mut piece).unwrap();
        assert!(piece.len() <= MAX_PIECE_BYTES, "{id}");
        tokenizer.kind(id);
    }
}

#[test]
fn the_vocabulary_of_qwen_is_the_same_with_its_index_in_the_file() {
    same_with_its_index_in_the_file(&QWEN, &QWEN_TOKENIZER);
}

/// An index does not depend on the pre-tokenizer.
#[test]
fn the_index_is_that_of_qwen35_as_well() {
    same_with_its_index_in_the_file(&QWEN35, &QWEN35_TOKENIZER);
}

fn same_with_its_index_in_the_file(file: &[u8], plain: &Tokenizer<'_, '_>) {
    let packed = Packed::with(file, &QWEN_WORDS);
    let packed = packed.tokenizer().unwrap();
    let file = include_str!("../data/tokenizer/qwen2.5-cases.json");
    let cases: serde_json::Value = serde_json::from_str(file).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    assert!(cases.len() >= 1545);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        for special in [Special::Parse, Special::Plain] {
            let ids = encode(plain, text, special);
            assert_eq!(encode(&packed, text, special), ids, "{text:?}");
        }
    }
    assert_eq!(packed.n_vocab(), plain.n_vocab());
    for id in 0..=plain.n_vocab() as u32 {
        assert_eq!(packed.kind(id), plain.kind(id));
        let [packed, plain] = [&packed, plain].map(|t| t.token_bytes(id).map(Vec::from_iter));
        assert_eq!(packed, plain, "{id}");
    }
    assert_eq!((packed.eos(), packed.bos()), (plain.eos(), plain.bos()));
}

#[test]
fn an_index_that_cannot_be_the_vocabularys_is_refused_by_name() {
    let plain = small();
    let good = words(&plain);
    assert!(Packed::with(&plain, &good).tokenizer().is_ok());
    let changed = |change: &dyn Fn(&mut Vec<u32>)| {
        let mut words = good.clone();
        change(&mut words);
        Packed::with(&plain, &words).fault()
    };
    assert_eq!(
        changed(&|words| words[0] = 7),
        IndexFault::Version {
            found: 7,
            expected: 1
        }
    );
    for count in [1, 2] {
        assert_eq!(changed(&|words| words[count] += 1), IndexFault::Vocabulary);
    }
    for half in [5, 6] {
        assert_eq!(changed(&|words| words[half] ^= 1), IndexFault::Vocabulary);
    }
    assert_eq!(changed(&|words| words[3] = 1 << 31), IndexFault::Specials);
    for found in [0, 513, u32::MAX] {
        assert_eq!(
            changed(&|words| words[4] = found),
            IndexFault::LongestToken {
                found: found as usize,
                most: 512
            }
        );
    }
    let needed = good.len();
    for found in [0, 1, HEADER, needed - 1, needed + 1] {
        assert_eq!(
            changed(&|words| words.resize(found, 0)),
            IndexFault::Length {
                found,
                needed: if found < HEADER { HEADER } else { needed },
            }
        );
    }
    // The last word is the only special token, and before it are the bytes' tokens.
    let specials = needed - 1;
    for id in [0, 259, u32::MAX] {
        assert_eq!(changed(&|words| words[specials] = id), IndexFault::Specials);
    }
    let bytes = specials - 256;
    assert_eq!(
        changed(&|words| words.swap(bytes + 7, bytes + 8)),
        IndexFault::ByteToken { byte: 7 }
    );
    assert_eq!(
        changed(&|words| words[bytes + 255] = u32::MAX),
        IndexFault::ByteToken { byte: 255 }
    );
}

#[test]
fn special_tokens_in_disorder_are_refused() {
    let plain = File::bytes().token("<x>", 3).token("<y>", 4).gguf();
    let mut words = words(&plain);
    let len = words.len();
    assert!(Packed::with(&plain, &words).tokenizer().is_ok());
    words.swap(len - 2, len - 1);
    assert_eq!(Packed::with(&plain, &words).fault(), IndexFault::Specials);
    words[len - 2] = words[len - 1];
    assert_eq!(Packed::with(&plain, &words).fault(), IndexFault::Specials);
}

#[test]
fn an_index_of_another_form_is_refused() {
    let plain = small();
    let bytes = || bytemuck::cast_slice(&words(&plain)).to_vec();
    // As words, as a text, and a byte beside where it should be.
    let as_words = Packed::new(&plain, 4, |_| bytes());
    assert_eq!(as_words.fault(), IndexFault::Form);
    let crooked = Packed::new(&plain, 0, |at| {
        let padding = at.next_multiple_of(4) - at;
        [vec![0; (padding + 1) % 4], bytes()].concat()
    });
    assert_eq!(crooked.fault(), IndexFault::Form);
    // The file itself is where no mapping would put it.
    let packed = Packed::with(&plain, &words(&plain));
    let mut memory = vec![0_u32; packed.0.len() + 1];
    let memory: &mut [u8] = bytemuck::cast_slice_mut(&mut memory);
    let file = &mut memory[1..=packed.1];
    file.copy_from_slice(packed.bytes());
    let gguf = Gguf::parse(file).unwrap();
    let refused = Tokenizer::new(&gguf, &mut []).unwrap_err();
    assert_eq!(refused, Error::FileAlignment);
}

#[test]
fn a_vocabulary_that_changed_behind_its_index_is_refused() {
    let before = words(&small());
    let one_more = File::bytes().token("<x>", 3).merge("a", "b");
    let same_counts = one_more.merge("ab", "d").gguf();
    let other_type = File::bytes().token("<x>", 4).merge("a", "b");
    let other_type = other_type.merge("ab", "c").gguf();
    for file in [same_counts, other_type] {
        let fault = Packed::with(&file, &before).fault();
        assert_eq!(fault, IndexFault::Vocabulary);
    }
}

#[test]
fn any_word_may_lie() {
    let plain = small();
    let good = words(&plain);
    let mut packed = Packed::with(&plain, &good);
    let start = packed.0.len() - good.len();
    assert_eq!(&packed.0[start..], good);
    for (at, &word) in good.iter().enumerate() {
        for lie in [
            0,
            1,
            258,
            259,
            260,
            1 << 29,
            u32::MAX,
            word ^ 1,
            word.wrapping_add(1),
        ] {
            packed.0[start + at] = lie;
            if let Ok(tokenizer) = packed.tokenizer() {
                use_it(&tokenizer);
            }
        }
        packed.0[start + at] = word;
    }
}

#[test]
fn tables_without_an_empty_slot_do_not_hold_up_anything() {
    let plain = small();
    let good = words(&plain);
    let slots = HEADER + 259..good.len() - 257 - 3 * 2;
    assert_eq!(slots.len(), 259 + 259 / 2 + 1 + 4);
    for lie in [1, 2, 259, 260, u32::MAX] {
        let mut words = good.clone();
        words[slots.clone()].fill(lie);
        let packed = Packed::with(&plain, &words);
        use_it(&packed.tokenizer().unwrap());
    }
}

#[test]
fn texts_of_tokens_begin_anywhere() {
    let plain = small();
    let good = words(&plain);
    for offset in 0..3000 {
        let mut words = good.clone();
        let bytes = good.len() - 257;
        // The bytes' tokens are looked at when the file is opened.
        for (token, entry) in words[HEADER..HEADER + 259].iter_mut().enumerate() {
            if !good[bytes..].contains(&(token as u32)) {
                *entry = *entry >> 29 << 29 | offset;
            }
        }
        if let Ok(tokenizer) = Packed::with(&plain, &words).tokenizer() {
            use_it(&tokenizer);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_vocabulary_is_the_same_with_its_index_in_the_file(
        file in vocabularies(),
        text in "[abc]{0,300}",
    ) {
        let plain = file.gguf();
        let packed = Packed::with(&plain, &words(&plain));
        let packed = packed.tokenizer().unwrap();
        file.with(|tokenizer| {
            let expected = encode(&tokenizer.unwrap(), &text, Special::Plain);
            prop_assert_eq!(encode(&packed, &text, Special::Plain), expected);
            Ok(())
        })?;
    }

    #[test]
    fn bytes_anywhere_make_an_error_or_tokens(
        lies in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..400),
        header in any::<bool>(),
    ) {
        let plain = small();
        let mut words = words(&plain);
        let from = if header { 0 } else { 4 * HEADER };
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        for (at, lie) in lies {
            // What is looked at when the file is opened would hide the rest.
            let end = bytes.len() - 4 * 257;
            bytes[from + at.index(end - from)] = lie;
        }
        if let Ok(tokenizer) = Packed::with(&plain, &words).tokenizer() {
            use_it(&tokenizer);
        }
    }
}

proptest! {
    // Each of them copies ten megabytes.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn words_anywhere_in_the_index_of_qwen_make_tokens(
        lies in prop::collection::vec((0.0..1.0_f64, any::<u32>()), 2000),
    ) {
        let mut words = QWEN_WORDS.clone();
        let end = words.len() - 256 - 30;
        for (at, lie) in lies {
            words[HEADER + (at * (end - HEADER) as f64) as usize] = lie;
        }
        if let Ok(tokenizer) = Packed::with(&QWEN, &words).tokenizer() {
            use_it(&tokenizer);
        }
    }
}
