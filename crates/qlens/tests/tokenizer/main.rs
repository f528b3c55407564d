//! The tokenizer against the reference's own results on the vocabulary of Qwen2.5 (`qwen`), on words
//! of no natural length (`words`), and on vocabularies that are made up, some of them to do harm
//! (`made_up`); and all of it by an index that the file brings along (`stored`).

mod made_up;
mod qwen;
mod stored;
mod words;

use std::io::Read as _;
use std::sync::LazyLock;

use qlens::gguf::Gguf;
use qlens::tokenizer::{
    EncodeError, MAX_PIECE_BYTES, SCRATCH_BYTES, Special, Tokenizer, Utf8Stream,
};

/// The vocabulary of Qwen2.5; `data/tokenizer-README.md` says how it was cut from a model.
static QWEN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let packed = include_bytes!("../data/tokenizer/qwen2.5-vocabulary.gguf.zst");
    let mut file = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(&packed[..])
        .expect("the vocabulary is zstd")
        .read_to_end(&mut file)
        .expect("the vocabulary is whole");
    file
});

/// The same with the pre-tokenizer of Qwen3.5.
static QWEN35: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let gguf = Gguf::parse(&QWEN).expect("the vocabulary is GGUF");
    let string = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    // Behind the magic, the version and two counts there is metadata alone.
    let mut file = QWEN[..24].to_vec();
    for (key, entry) in gguf.encoded_metadata() {
        if key == "tokenizer.ggml.pre" {
            let kept = entry.strip_suffix(&string("qwen2")[..]);
            file.extend(kept.expect("it is qwen2's"));
            file.extend(string("qwen35"));
        } else {
            file.extend(entry);
        }
    }
    file
});

/// Its index, for the tests that do not build one themselves.
static QWEN_TOKENIZER: LazyLock<Tokenizer<'static, 'static>> = LazyLock::new(|| tokenizer(&QWEN));
static QWEN35_TOKENIZER: LazyLock<Tokenizer<'static, 'static>> =
    LazyLock::new(|| tokenizer(&QWEN35));

fn tokenizer(file: &'static [u8]) -> Tokenizer<'static, 'static> {
    let gguf = Gguf::parse(file).expect("the vocabulary is GGUF");
    let needed = Tokenizer::index_bytes(&gguf).expect("it has a vocabulary");
    let index = vec![0_u32; needed.div_ceil(4)].leak();
    Tokenizer::new(&gguf, bytemuck::cast_slice_mut(index)).expect("it is a good vocabulary")
}

fn scratch(bytes: usize) -> Vec<u32> {
    vec![0xdead_beef; bytes / 4]
}

fn encode_with(
    tokenizer: &Tokenizer<'_, '_>,
    text: &str,
    special: Special,
    scratch: &mut [u32],
) -> Result<Vec<u32>, EncodeError> {
    let mut ids = Vec::new();
    let scratch = bytemuck::cast_slice_mut(scratch);
    let count = tokenizer.encode(text, special, scratch, &mut |id| {
        ids.push(id);
        Ok(())
    })?;
    assert_eq!(count, ids.len());
    Ok(ids)
}

fn encode(tokenizer: &Tokenizer<'_, '_>, text: &str, special: Special) -> Vec<u32> {
    encode_with(tokenizer, text, special, &mut scratch(SCRATCH_BYTES)).expect("it is encoded")
}

fn decode(tokenizer: &Tokenizer<'_, '_>, ids: &[u32]) -> String {
    let mut stream = Utf8Stream::default();
    let mut text = String::new();
    for &id in ids {
        let bytes = tokenizer.token_bytes(id).expect("the id is one");
        let before = text.len();
        stream.push(bytes, &mut text).unwrap();
        assert!(text.len() - before <= MAX_PIECE_BYTES);
    }
    stream.finish(&mut text).unwrap();
    text
}
