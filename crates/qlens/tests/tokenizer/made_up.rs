//! Vocabularies that are made up: what encoding does by definition, and what is refused.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use qlens::gguf::Gguf;
use qlens::tokenizer::{EncodeError, Error, MAX_TOKEN_BYTES, Special, Tokenizer};

use super::{QWEN_TOKENIZER, decode, encode, encode_with, scratch};

/// A GGUF file with a vocabulary and nothing else.
#[derive(Debug, Clone, Default)]
pub(super) struct File {
    tokens: Vec<Vec<u8>>,
    types: Option<Vec<i32>>,
    merges: Vec<Vec<u8>>,
    model: Option<&'static str>,
    pre: Option<&'static str>,
    ids: Vec<(&'static str, u32)>,
}

impl File {
    /// All single bytes, as real vocabularies have them, and no merges.
    pub(super) fn bytes() -> Self {
        let tokens = (0..151_643)
            .filter_map(|id| {
                let mut bytes = QWEN_TOKENIZER.token_bytes(id)?;
                let byte = bytes.next()?;
                bytes.next().is_none().then_some(byte)
            })
            .map(|byte| spelled(&[byte]).into_bytes())
            .collect();
        Self {
            tokens,
            model: Some("gpt2"),
            pre: Some("qwen2"),
            ..Self::default()
        }
    }

    pub(super) fn token(mut self, text: &str, kind: i32) -> Self {
        let types = self.types.get_or_insert_with(|| vec![1; self.tokens.len()]);
        self.tokens.push(text.into());
        types.push(kind);
        self
    }

    /// Adds a merge, and the token that it makes if there is none.
    pub(super) fn merge(mut self, left: &str, right: &str) -> Self {
        let merged = [left, right].concat().into_bytes();
        if !self.tokens.contains(&merged) {
            self.tokens.push(merged);
            if let Some(types) = &mut self.types {
                types.push(1);
            }
        }
        self.merges.push(format!("{left} {right}").into_bytes());
        self
    }

    pub(super) fn gguf(&self) -> Vec<u8> {
        fn string(text: &[u8]) -> Vec<u8> {
            [&(text.len() as u64).to_le_bytes(), text].concat()
        }
        fn array(ty: u32, elements: &[Vec<u8>]) -> Vec<u8> {
            let len = elements.len() as u64;
            let head = [
                &9_u32.to_le_bytes()[..],
                &ty.to_le_bytes(),
                &len.to_le_bytes(),
            ];
            [head.concat(), elements.concat()].concat()
        }
        let strings = |texts: &[Vec<u8>]| {
            array(
                8,
                &texts.iter().map(|text| string(text)).collect::<Vec<_>>(),
            )
        };
        let text = |text: &str| [&8_u32.to_le_bytes()[..], &string(text.as_bytes())].concat();
        let mut metadata = vec![
            ("tokenizer.ggml.tokens", strings(&self.tokens)),
            ("tokenizer.ggml.merges", strings(&self.merges)),
        ];
        metadata.extend(self.model.map(|name| ("tokenizer.ggml.model", text(name))));
        metadata.extend(self.pre.map(|name| ("tokenizer.ggml.pre", text(name))));
        if let Some(types) = &self.types {
            let types: Vec<_> = types.iter().map(|ty| ty.to_le_bytes().to_vec()).collect();
            metadata.push(("tokenizer.ggml.token_type", array(5, &types)));
        }
        for (key, id) in &self.ids {
            metadata.push((key, [4_u32.to_le_bytes(), id.to_le_bytes()].concat()));
        }
        let mut file = b"GGUF".to_vec();
        file.extend(3_u32.to_le_bytes());
        file.extend(0_u64.to_le_bytes());
        file.extend((metadata.len() as u64).to_le_bytes());
        for (key, value) in metadata {
            file.extend(string(key.as_bytes()));
            file.extend(value);
        }
        file
    }

    pub(super) fn with<T>(&self, use_it: impl FnOnce(Result<Tokenizer<'_, '_>, Error>) -> T) -> T {
        let file = self.gguf();
        let gguf = Gguf::parse(&file).expect("the file is GGUF");
        match Tokenizer::index_bytes(&gguf) {
            Err(error) => use_it(Err(error)),
            Ok(needed) => {
                let mut index = vec![0xaaaa_aaaa_u32; needed / 4];
                use_it(Tokenizer::new(&gguf, bytemuck::cast_slice_mut(&mut index)))
            }
        }
    }

    fn error(&self) -> Error {
        self.with(|result| result.map(|_| ()).expect_err("it is refused"))
    }
}

/// Bytes in the alphabet of byte-level BPE, by its definition.
fn spelled(bytes: &[u8]) -> String {
    let mut moved = 0x100..;
    let alphabet: Vec<char> = (0..=255_u8)
        .map(|byte| match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
            _ => moved.next().and_then(char::from_u32).unwrap(),
        })
        .collect();
    bytes
        .iter()
        .map(|&byte| alphabet[usize::from(byte)])
        .collect()
}

#[test]
fn a_vocabulary_of_bytes_alone_encodes_everything() {
    let file = File::bytes();
    assert_eq!(file.tokens.len(), 256);
    file.with(|tokenizer| {
        let tokenizer = tokenizer.unwrap();
        let ids = encode(&tokenizer, "né<|im_end|>", Special::Parse);
        assert_eq!(ids.len(), "né<|im_end|>".len());
        assert_eq!(decode(&tokenizer, &ids), "né<|im_end|>");
        assert_eq!(tokenizer.eos(), None);
        assert!((0..256).all(|id| !tokenizer.is_end_of_turn(id)));
    });
}

#[test]
fn merges_go_by_their_own_order_and_not_by_that_of_ids() {
    // `bc` is the first token added and the last merge.
    let mut file = File::bytes()
        .merge("b", "c")
        .merge("a", "b")
        .merge("ab", "c");
    file.merges.rotate_left(1);
    assert_eq!(file.merges, [&b"a b"[..], b"ab c", b"b c"]);
    file.with(|tokenizer| {
        let tokenizer = tokenizer.unwrap();
        assert_eq!(encode(&tokenizer, "abc", Special::Plain), [258]);
        assert_eq!(encode(&tokenizer, "bc", Special::Plain), [256]);
    });
}

#[test]
fn of_special_tokens_that_begin_alike_the_longest_is_taken() {
    let file = File::bytes()
        .token("<a>", 3)
        .token("<a><b>", 4)
        .token("<<", 4)
        .token("<a><b><c>", 3)
        .token("[unused]", 5)
        .token("｜é｜", 3)
        .token("<a><d", 3);
    file.with(|tokenizer| {
        let tokenizer = tokenizer.unwrap();
        let ids = |text| encode(&tokenizer, text, Special::Parse);
        assert_eq!(ids("<a>"), [256]);
        assert_eq!(ids("<a><b><a><b><c>"), [257, 259]);
        assert_eq!(
            ids("<a><<<a><b><c"),
            [[256, 258, 257].as_slice(), &ids("<c")].concat()
        );
        assert_eq!(ids("<a><d<a><<"), [262, 256, 258]);
        assert_eq!(ids("｜é｜"), [261]);
        assert_eq!(ids("｜e\u{301}｜").len(), "｜é｜".len());
        assert_eq!(ids("[unused]").len(), 8);
        assert_eq!(encode(&tokenizer, "<a>", Special::Plain).len(), 3);
    });
}

#[test]
fn what_is_wrong_with_a_vocabulary_is_said_with_its_place() {
    let good = File::bytes().merge("a", "b").merge("c", "d");
    good.with(|tokenizer| assert!(tokenizer.is_ok()));
    let changed = |change: &dyn Fn(&mut File)| {
        let mut file = good.clone();
        change(&mut file);
        let error = file.error();
        assert!(!error.to_string().is_empty());
        error
    };

    assert!(matches!(
        changed(&|file| file.model = None),
        Error::Key {
            key: "tokenizer.ggml.model",
            ..
        }
    ));
    let error = changed(&|file| file.model = Some("llama"));
    assert!(error.to_string().contains("\"llama\""), "{error}");
    assert!(matches!(
        changed(&|file| file.pre = None),
        Error::Key {
            key: "tokenizer.ggml.pre",
            ..
        }
    ));
    let error = changed(&|file| file.pre = Some("a-pre-tokenizer-of-a-very-long-näme"));
    assert!(
        error
            .to_string()
            .contains("\"a-pre-tokenizer-of-a-very-long-n\""),
        "{error}"
    );
    let error = changed(&|file| file.pre = Some("Qwen35")).to_string();
    assert!(
        error.contains("\"Qwen35\"") && error.contains("\"qwen2\" and \"qwen35\" are supported"),
        "{error}"
    );

    assert_eq!(
        changed(&|file| file.types = Some(vec![1; 3])),
        Error::TypeCount {
            found: 3,
            expected: 258
        }
    );
    assert_eq!(
        changed(&|file| {
            let mut types = vec![1; 258];
            types[77] = -2;
            file.types = Some(types);
        }),
        Error::TokenType {
            token: 77,
            found: -2
        }
    );
    assert_eq!(
        changed(&|file| file.tokens[256] = b"a b".to_vec()),
        Error::TokenText { token: 256 }
    );
    assert_eq!(
        changed(&|file| file.tokens[256] = vec![0xc4]),
        Error::TokenText { token: 256 }
    );
    assert_eq!(
        changed(&|file| *file = file.clone().token("", 3)),
        Error::TokenText { token: 258 }
    );
    assert_eq!(
        changed(&|file| file.tokens[257] = vec![b'a'; MAX_TOKEN_BYTES + 1]),
        Error::TokenLength {
            token: 257,
            found: MAX_TOKEN_BYTES + 1,
            most: MAX_TOKEN_BYTES
        }
    );
    assert_eq!(
        changed(&|file| file.tokens.push(b"ab".to_vec())),
        Error::DuplicateToken {
            token: 258,
            first: 256
        }
    );
    assert_eq!(
        changed(&|file| file.tokens[usize::from(b'!') - 33] = b"!!".to_vec()),
        Error::NoByte { byte: b'!' }
    );
    assert_eq!(
        changed(&|file| file.tokens.clear()),
        Error::NoByte { byte: 0 }
    );

    for form in [&b"ab"[..], b"a b c", b""] {
        assert_eq!(
            changed(&|file| file.merges[1] = form.to_vec()),
            Error::MergeForm { merge: 1 }
        );
    }
    assert_eq!(
        changed(&|file| file.merges[1] = b"d c".to_vec()),
        Error::MergeToken { merge: 1 }
    );
    assert_eq!(
        changed(&|file| file.merges.push(b"a b".to_vec())),
        Error::DuplicateMerge { merge: 2, first: 0 }
    );
    assert_eq!(
        changed(&|file| file.ids.push(("tokenizer.ggml.eos_token_id", 258))),
        Error::TokenId {
            key: "tokenizer.ggml.eos_token_id",
            found: 258,
            tokens: 258
        }
    );
}

#[test]
fn a_file_without_a_vocabulary_or_with_one_of_numbers_is_refused() {
    let mut file = b"GGUF".to_vec();
    file.extend(3_u32.to_le_bytes());
    file.extend([0; 16]);
    let gguf = Gguf::parse(&file).unwrap();
    assert!(matches!(
        Tokenizer::index_bytes(&gguf),
        Err(Error::Key { .. })
    ));
    assert!(matches!(
        Tokenizer::new(&gguf, &mut []),
        Err(Error::Key { .. })
    ));
}

/// Encodes by the definition: while there is a pair in the list, merge the first of lowest rank.
fn naive(file: &File, text: &str) -> Vec<u32> {
    let id = |text: &str| {
        let found = file
            .tokens
            .iter()
            .position(|token| token == text.as_bytes());
        found.unwrap() as u32
    };
    let ranks: HashMap<String, usize> = (file.merges.iter().enumerate())
        .map(|(rank, merge)| (String::from_utf8(merge.clone()).unwrap(), rank))
        .collect();
    let mut symbols: Vec<String> = text.bytes().map(|byte| spelled(&[byte])).collect();
    loop {
        let best = symbols
            .windows(2)
            .enumerate()
            .filter_map(|(at, pair)| Some((*ranks.get(&pair.join(" "))?, at)))
            .min();
        let Some((_, at)) = best else {
            return symbols.iter().map(|symbol| id(symbol)).collect();
        };
        let right = symbols.remove(at + 1);
        symbols[at] += &right;
    }
}

/// Vocabularies of few letters and many merges, in any order: nothing that training would make.
pub(super) fn vocabularies() -> impl Strategy<Value = File> {
    let picks = prop::collection::vec(
        (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        1..40,
    );
    (picks, any::<prop::sample::Index>()).prop_map(|(picks, turn)| {
        let mut file = File::bytes();
        let mut texts: Vec<String> = ["a", "b", "c"].map(String::from).into();
        for (left, right) in picks {
            let (left, right) = (left.get(&texts).clone(), right.get(&texts).clone());
            let merge = format!("{left} {right}").into_bytes();
            if left.len() + right.len() > 16 || file.merges.contains(&merge) {
                continue;
            }
            file = file.merge(&left, &right);
            texts.push(left + &right);
        }
        let turn = turn.index(file.merges.len());
        file.merges.rotate_left(turn);
        file
    })
}

/// The pairs of this word have lower ranks the further right they are, and no pair comes twice, so
/// that its end decides for the whole word which letters go together.
#[test]
fn a_word_whose_end_decides_about_its_beginning_is_encoded_whole_or_not_at_all() {
    let mut word = "a".to_owned();
    let mut pairs = HashSet::new();
    for step in 0..400_u32 {
        let last = word.chars().next_back().unwrap();
        let next = ('a'..='z')
            .map(|c| char::from((c as u8 - b'a' + (step * 7 % 26) as u8) % 26 + b'a'))
            .find(|&next| next != last && pairs.insert((last, next)));
        word.extend(next);
    }
    assert_eq!(word.len(), 401);
    let letters: Vec<char> = word.chars().collect();
    let file = letters.windows(2).rev().fold(File::bytes(), |file, pair| {
        file.merge(&pair[0].to_string(), &pair[1].to_string())
    });
    file.with(|tokenizer| {
        let tokenizer = tokenizer.unwrap();
        let mut refused = 0;
        for len in 390..=401 {
            let text = &word[401 - len..];
            let expected = naive(&file, text);
            assert_eq!(expected.len(), len.div_ceil(2));
            assert_eq!(encode(&tokenizer, text, Special::Plain), expected);
            match encode_with(&tokenizer, text, Special::Plain, &mut scratch(14 * 64)) {
                Ok(ids) => assert_eq!(ids, expected),
                Err(EncodeError::Undecided { .. }) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(refused > 0);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_list_of_merges_is_followed_by_the_definition(
        file in vocabularies(),
        text in "[abc]{0,300}",
    ) {
        let expected = naive(&file, &text);
        file.with(|tokenizer| {
            let tokenizer = tokenizer.unwrap();
            prop_assert_eq!(&encode(&tokenizer, &text, Special::Plain), &expected);
            // Windows of little more than two tokens, and wider ones. With merges in an order that
            // training would not give them, what is behind a window may matter to its beginning:
            // then encoding stops, and never goes wrong.
            for bytes in [14 * 64, 14 * 100, 14 * 200] {
                match encode_with(&tokenizer, &text, Special::Plain, &mut scratch(bytes)) {
                    Ok(ids) => prop_assert_eq!(&ids, &expected),
                    Err(EncodeError::Undecided { .. }) => {}
                    Err(error) => prop_assert!(false, "{error}"),
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_mutilated_vocabulary_is_refused_or_works(
        at in 0.0..1.0_f64,
        with in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut file = File::bytes().merge("a", "b").token("<x>", 3).gguf();
        let at = (at * file.len() as f64) as usize;
        if cut {
            file.remove(at);
        } else {
            file[at] = with;
        }
        if let Ok(gguf) = Gguf::parse(&file)
            && let Ok(needed) = Tokenizer::index_bytes(&gguf)
        {
            let mut index = vec![0_u32; needed / 4];
            if let Ok(tokenizer) = Tokenizer::new(&gguf, bytemuck::cast_slice_mut(&mut index)) {
                let ids = encode(&tokenizer, "ab<x>é", Special::Parse);
                decode(&tokenizer, &ids);
            }
        }
    }
}
