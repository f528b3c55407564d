//! A file's vocabulary: the index made or brought along, and texts there and back.

use qlens::gguf::Gguf;
use qlens::tokenizer::{
    MAX_PIECE_BYTES, SCRATCH_BYTES, Special, Tokenizer, Utf8Stream, precompile,
};

use super::{Outcome, refused};
use crate::{Aligned, MOST_BYTES};

const TEXTS: [&str; 3] = [
    "<|im_start|>user\nWhere's the 2nd harbour?<|im_end|>\n",
    "e\u{301}\u{1100}\u{1161}\u{11a8} 東京  \t\n\n 12345 l'été 😀\u{0}\u{fdd0}",
    "",
];

pub fn run(input: &[u8]) -> Outcome {
    let file = Aligned::from(input);
    let gguf = match Gguf::parse(&file) {
        Ok(gguf) => gguf,
        Err(error) => return refused(error),
    };
    let bytes = match Tokenizer::index_bytes(&gguf) {
        Ok(bytes) => bytes,
        Err(error) => return refused(error),
    };
    if bytes > MOST_BYTES / 4 {
        return Outcome::TooLarge;
    }
    let mut memory = Aligned::from(&*vec![0xff; bytes]);
    // What `qlens pack` would store.
    if bytes > 0
        && let Err(error) = precompile(&gguf, &mut memory)
    {
        return refused(error);
    }
    let tokenizer = match Tokenizer::new(&gguf, &mut memory) {
        Ok(tokenizer) => tokenizer,
        Err(error) => return refused(error),
    };
    use_it(&tokenizer);
    Outcome::Taken
}

fn use_it(tokenizer: &Tokenizer<'_, '_>) {
    let n_vocab = tokenizer.n_vocab() as u32;
    let mut scratch = Aligned::from(&*vec![0xff; SCRATCH_BYTES]);
    let mut ids = vec![0; 512];
    let mut stream = Utf8Stream::default();
    for text in TEXTS {
        let mut from = 0;
        while let Some(found) = tokenizer.find_special(text, from) {
            assert!(from <= found.start && found.start < found.end);
            from = found.end;
        }
        for special in [Special::Parse, Special::Plain] {
            let Ok(count) = tokenizer.encode_into(text, special, &mut scratch, &mut ids) else {
                continue;
            };
            for &id in &ids[..count] {
                assert!(id < n_vocab, "token {id} of {n_vocab}");
                let mut piece = String::new();
                let bytes = tokenizer.token_bytes(id).into_iter().flatten();
                assert!(stream.push(bytes, &mut piece).is_ok());
                assert!(piece.len() <= MAX_PIECE_BYTES);
            }
        }
    }
    for id in [0, 1, n_vocab / 2, n_vocab - 1, n_vocab, u32::MAX] {
        let is_one = id < n_vocab;
        assert!(is_one || tokenizer.token_bytes(id).is_none());
        assert!(is_one || !tokenizer.is_special(id));
    }
}
