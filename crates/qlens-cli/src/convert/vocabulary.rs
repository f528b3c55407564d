//! The vocabulary of `tokenizer.json`, and the keys that it becomes.

use std::path::Path;

use qlens::gguf::Value;
use qlens::model::Architecture;
use serde_json::Value as Json;

use super::checkpoint::{json, json_if_any, text};
use super::shape::Shape;
use super::special::Specials;
use crate::failure::Failure;
use crate::gguf_writer::Directory;

/// Types of tokens, by their numbers in `tokenizer.ggml.token_type`.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// The expressions that cut a text into words, and the names that they have in GGUF files.
const PRE_TOKENIZERS: [(&str, &str); 2] = [
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "qwen2",
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "qwen35",
    ),
];

/// Writes the keys.
pub fn state(
    folder: &Path,
    config: &Json,
    shape: &Shape,
    directory: &mut Directory<'_>,
) -> Result<(), Failure> {
    let path = folder.join("tokenizer.json");
    let tokenizer = json(&path)?;
    let settings = json_if_any(&folder.join("tokenizer_config.json"))?;
    let refuse = |what: String| Failure::of_file(&path, what);
    let pre = pre_tokenizer(&tokenizer, shape.architecture).map_err(refuse)?;
    let tokens = tokens(&tokenizer, &settings, shape.n_vocab).map_err(refuse)?;
    let merges = merges(&tokenizer["model"]["merges"]).map_err(refuse)?;
    let (texts, types): (Vec<_>, Vec<_>) = tokens.into_iter().unzip();
    directory.set("tokenizer.ggml.model", Value::Str("gpt2"));
    directory.set("tokenizer.ggml.pre", Value::Str(pre));
    directory.set_texts("tokenizer.ggml.tokens", &texts);
    directory.set_i32s("tokenizer.ggml.token_type", &types);
    directory.set_texts("tokenizer.ggml.merges", &merges);

    let specials = Specials::read(&tokenizer, &settings);
    for (name, text, key) in [
        ("bos", &specials.bos, "bos_token_id"),
        ("eos", &specials.eos, "eos_token_id"),
        ("eot", &specials.eot, "eot_token_id"),
        ("padding", &specials.pad, "pad_token_id"),
    ] {
        let found = text.as_ref().and_then(|text| id_of(text, &texts, &types));
        if let Some(id) = found.or_else(|| stated(config, key, shape.n_vocab)) {
            let key = format!("tokenizer.ggml.{name}_token_id");
            directory.set(&key, Value::U32(id));
        }
    }
    for (name, adds) in [("bos", specials.adds_bos), ("eos", specials.adds_eos)] {
        if let Some(adds) = adds {
            let key = format!("tokenizer.ggml.add_{name}_token");
            directory.set(&key, Value::Bool(adds));
        }
    }
    if let Some(template) = template(folder, &settings)? {
        directory.set("tokenizer.chat_template", Value::Str(&template));
    }
    Ok(())
}

/// The name of how a text is cut into words: by the tokenizer's expression, if it has one.
fn pre_tokenizer(tokenizer: &Json, architecture: Architecture) -> Result<&'static str, String> {
    let pre = &tokenizer["pre_tokenizer"];
    let parts = pre["pretokenizers"].as_array();
    let parts = parts.map_or(std::slice::from_ref(pre), Vec::as_slice);
    let expression = parts
        .iter()
        .find_map(|part| part["pattern"]["Regex"].as_str());
    let known = PRE_TOKENIZERS
        .iter()
        .find(|(known, _)| expression == Some(known));
    match (known, expression, architecture) {
        (Some((_, name)), ..) => Ok(name),
        (None, Some(found), _) => Err(format!(
            "it cuts text into words by an expression that is not Qwen's: {found:?}"
        )),
        (None, None, Architecture::Qwen35) => Ok("qwen35"),
        (None, None, _) => Ok("qwen2"),
    }
}

/// Every token's text and type. What no token has is filled up.
fn tokens(tokenizer: &Json, settings: &Json, n_vocab: usize) -> Result<Vec<(String, i32)>, String> {
    let vocab = tokenizer["model"]["vocab"].as_object();
    let vocab = vocab.ok_or("it has no vocabulary of byte-pair encoding")?;
    let mut tokens = vec![None; n_vocab];
    let mut put = |text: &str, id: Option<u64>, kind: i32| {
        let place = id.and_then(|id| usize::try_from(id).ok());
        let place = place.and_then(|id| tokens.get_mut(id)).ok_or_else(|| {
            format!(
                "token {text:?} has no id below {n_vocab}, which is the vocab_size in config.json"
            )
        })?;
        *place = Some((text.to_owned(), kind));
        Ok::<_, String>(())
    };
    for (text, id) in vocab {
        put(text, id.as_u64(), NORMAL)?;
    }
    // In the settings ids are keys.
    let settings = settings["added_tokens_decoder"].as_object();
    let in_settings = settings.into_iter().flatten();
    let in_settings = in_settings.map(|(id, token)| (id.parse().ok(), token));
    let added = tokenizer["added_tokens"].as_array().into_iter().flatten();
    let added = added.map(|token| (token["id"].as_u64(), token));
    for (id, token) in in_settings.chain(added) {
        let text = token["content"].as_str();
        let text = text.ok_or("an added token has no content")?;
        let is_control = token["special"] == true || is_framed(text);
        put(text, id, if is_control { CONTROL } else { USER_DEFINED })?;
    }
    let filled =
        |(id, token): (usize, Option<_>)| token.unwrap_or_else(|| (format!("[PAD{id}]"), UNUSED));
    Ok(tokens.into_iter().enumerate().map(filled).collect())
}

/// Whether a token looks like one that steers a model, whatever is said of it: `<|fim_prefix|>` is not called
/// special by the tokenizers that have it.
fn is_framed(text: &str) -> bool {
    [("<|", "|>"), ("<\u{ff5c}", "\u{ff5c}>")]
        .iter()
        .any(|(begin, end)| text.starts_with(begin) && text.ends_with(end))
}

/// The pairs that become one token, as lines of two texts.
fn merges(list: &Json) -> Result<Vec<String>, String> {
    let list = list.as_array().ok_or("it has no merges")?;
    let merge = |found: &Json| {
        let pair = match found {
            Json::String(pair) => Some(pair.clone()),
            Json::Array(pair) => match &pair[..] {
                [left, right] => left
                    .as_str()
                    .zip(right.as_str())
                    .map(|(left, right)| format!("{left} {right}")),
                _ => None,
            },
            _ => None,
        };
        pair.filter(|pair| pair.split(' ').count() == 2)
            .ok_or_else(|| format!("one of its merges is {found}, which is not two texts"))
    };
    list.iter().map(merge).collect()
}

/// The added token of this text.
fn id_of(text: &str, texts: &[String], types: &[i32]) -> Option<u32> {
    let is_added = |kind| kind == CONTROL || kind == USER_DEFINED;
    let found = texts
        .iter()
        .zip(types)
        .position(|(found, &kind)| is_added(kind) && found == text);
    found.map(|id| id as u32)
}

/// The id that `config.json` has under this key, the first one if there are several.
fn stated(config: &Json, key: &str, n_vocab: usize) -> Option<u32> {
    let stated = config.get(key).or(config["text_config"].get(key))?;
    let id = stated.as_u64().or(stated[0].as_u64())?;
    u32::try_from(id).ok().filter(|&id| (id as usize) < n_vocab)
}

/// The chat template, the one that is called `default` if there are several.
fn template(folder: &Path, settings: &Json) -> Result<Option<String>, Failure> {
    if let Some(found) = settings.get("chat_template") {
        let named = found.as_array().and_then(|templates| {
            let is_default = |template: &&Json| template["name"] == "default";
            templates.iter().find(is_default)?["template"].as_str()
        });
        return Ok(found.as_str().or(named).map(str::to_owned));
    }
    let path = folder.join("chat_template.jinja");
    if path.exists() {
        return text(&path).map(Some);
    }
    let found = json_if_any(&folder.join("chat_template.json"))?;
    Ok(found["chat_template"].as_str().map(str::to_owned))
}
