//! A file's own chat template, run: for models whose template is none of those that the runtime has.
//!
//! ```
//! use qlens::chat::Chat;
//! use qlens::gguf::Gguf;
//! use qlens_jinja::Jinja;
//!
//! # let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../qlens/tests/data/qwen2-q4_0.gguf"))?;
//! let file = Gguf::parse(&bytes)?;
//! let template = Jinja::new(&file, "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}");
//! assert_eq!(template.render(&Chat::new().user("Hi"))?, "user: Hi");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Templates come with models from anywhere, so that one may loop, double a text forty times or be no
//! template at all. Instructions, time, output and memory are limited, and what people said in a
//! conversation cannot become a special token: where it spells one, a character is put into it that no
//! text has, and taken out again once the special tokens of the template are found.

mod limits;
mod memory;
pub mod python_json;

use std::fmt::Display;
use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, Value, context};
use qlens::chat::{Chat, Piece, Role, Template};
use qlens::gguf::Gguf;
use qlens::tokenizer::Tokenizer;

pub use memory::Heap;

/// Instructions that rendering may take; the longest conversation takes a hundredth.
const FUEL: u64 = 1_000_000;
/// Bytes that a template may have, and a prompt.
const SOURCE_BYTES: usize = 1 << 20;
const OUTPUT_BYTES: usize = 8 << 20;
/// What it is called among templates.
const NAME: &str = "chat_template";

/// Tags that a model's own words may have as special tokens.
const TAGS: [&str; 4] = ["<think>", "</think>", "<tool_call>", "</tool_call>"];

/// A file's own template.
pub struct Jinja<'f> {
    source: &'f str,
    bos: String,
    eos: String,
}

/// A prompt that a template made.
pub struct Prompt {
    text: String,
    /// Stands in what is no special token.
    guard: char,
}

impl<'f> Jinja<'f> {
    /// The template of a file, and what else it knows of the file.
    pub fn new(gguf: &Gguf<'f>, source: &'f str) -> Self {
        let token = |key| {
            let id = usize::try_from(gguf.get(key)?.as_u64()?).ok()?;
            let tokens = gguf.get("tokenizer.ggml.tokens")?.as_array()?;
            Some(tokens.get(id)?.as_str()?.to_owned())
        };
        Self {
            source,
            bos: token("tokenizer.ggml.bos_token_id").unwrap_or_default(),
            eos: token("tokenizer.ggml.eos_token_id").unwrap_or_default(),
        }
    }

    /// Whether the word is anywhere in it.
    pub fn mentions(&self, word: &str) -> bool {
        self.source.contains(word)
    }

    /// Whether it gives conversations of every kind the same text as `template` does.
    ///
    /// Fails if the template cannot even render a question.
    ///
    /// # Errors
    /// A sentence.
    pub fn renders_like(&self, template: &Template) -> Result<bool, String> {
        let conversations = [Chat::new().user("Hello")].into_iter();
        let mut conversations = conversations
            .chain(probes(template.takes_tools()))
            .map(|chat| Ok((self.variables(&chat)?, built_in(template, &chat))))
            .collect::<Result<Vec<_>, String>>()?
            .into_iter();
        self.within_limits(move |environment| {
            let is_same = |(variables, text): (Value, String)| {
                rendered(environment, &variables).map(|own| own == text)
            };
            let is_question_same = conversations.next().map_or(Ok(true), is_same)?;
            Ok(is_question_same && conversations.all(|other| is_same(other) == Ok(true)))
        })
    }

    /// The text of the prompt for the assistant's next turn.
    ///
    /// # Errors
    /// A sentence.
    pub fn render(&self, chat: &Chat<'_>) -> Result<String, String> {
        let variables = self.variables(chat)?;
        self.within_limits(move |environment| rendered(environment, &variables))
    }

    /// What a template is given.
    fn variables(&self, chat: &Chat<'_>) -> Result<Value, String> {
        let messages: Vec<Value> = chat
            .turns()
            .iter()
            .map(|(role, text)| context! { role => role.name(), content => *text })
            .collect();
        let tools = chat
            .tools()
            .lines()
            .map(serde_json::from_str::<serde_json::Value>);
        let tools = tools
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("a tool's definition is not JSON: {error}"))?;
        let mut variables = serde_json::Map::new();
        if let Some(thinking) = chat.thinking() {
            variables.insert("enable_thinking".into(), thinking.into());
        }
        if !tools.is_empty() {
            variables.insert("tools".into(), tools.into());
        }
        Ok(context! {
            messages,
            add_generation_prompt => true,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
            ..Value::from(Serde(variables))
        })
    }

    /// Does something with the template, if it is one and not too long, within limits.
    fn within_limits<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Environment<'_>) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        if self.source.len() > SOURCE_BYTES {
            return Err(format!(
                "its chat template has {} bytes, and at most {SOURCE_BYTES} are run",
                self.source.len()
            ));
        }
        let source = self.source.to_owned();
        match limits::within(move || work(&environment(&source)?)) {
            Ok(done) => done,
            Err(limits::Fault::Time) => Err(fails(
                None,
                format_args!("it takes longer than {} ms", limits::TIME.as_millis()),
            )),
            Err(limits::Fault::Ended) => Err(fails(None, "it cannot be run")),
            Err(limits::Fault::Thread) => {
                Err("there is no memory to run its chat template in".to_owned())
            }
        }
    }

    /// The prompt for the assistant's next turn, in which only the template's own special tokens are any.
    ///
    /// # Errors
    /// A sentence.
    pub fn prompt(&self, chat: &Chat<'_>, tokenizer: &Tokenizer<'_, '_>) -> Result<Prompt, String> {
        let is_free = |guard: &char| {
            !chat.tools().contains(*guard)
                && chat.turns().iter().all(|(_, text)| !text.contains(*guard))
        };
        // Characters that Unicode keeps from ever being any.
        let guard = ('\u{fdd0}'..='\u{fdef}').find(is_free).ok_or(
            "the conversation has every one of 32 characters that no text has, so that none is left to mark it with",
        )?;
        let texts: Vec<(Role, String)> = chat
            .turns()
            .iter()
            .map(|&(role, text)| {
                (
                    role,
                    guarded(text, role == Role::Assistant, guard, tokenizer),
                )
            })
            .collect();
        let tools = guarded(chat.tools(), false, guard, tokenizer);
        let chat = texts
            .iter()
            .fold(Chat::new(), |chat, (role, text)| chat.turn(*role, text))
            .with_tools(&tools)
            .with_thinking(chat.thinking());
        Ok(Prompt {
            text: self.render(&chat)?,
            guard,
        })
    }
}

impl Prompt {
    /// Its pieces, as a session takes them.
    pub fn pieces<'p>(&'p self, tokenizer: &Tokenizer<'_, '_>) -> Vec<Piece<'p>> {
        let (mut pieces, mut from) = (Vec::new(), 0);
        while let Some(found) = tokenizer.find_special(&self.text, from) {
            let before = &self.text[from..found.start];
            pieces.extend(before.split(self.guard).map(Piece::Text));
            pieces.push(Piece::Special(&self.text[found.clone()]));
            from = found.end;
        }
        pieces.extend(self.text[from..].split(self.guard).map(Piece::Text));
        pieces
    }
}

/// The text with `guard` behind the first character of all that would be taken for a special token; a
/// model's own words may have the tags of thoughts and calls.
fn guarded(text: &str, is_models: bool, guard: char, tokenizer: &Tokenizer<'_, '_>) -> String {
    let (mut safe, mut from) = (String::new(), 0);
    while let Some(found) = tokenizer.find_special(text, from) {
        safe += &text[from..found.start];
        let special = &text[found.clone()];
        if is_models && TAGS.contains(&special) {
            safe += special;
            from = found.end;
        } else {
            let first = special.chars().next().map_or(0, char::len_utf8);
            safe += &special[..first];
            safe.push(guard);
            from = found.start + first;
        }
    }
    safe + &text[from..]
}

/// The text of the runtime's own form.
fn built_in(template: &Template, chat: &Chat<'_>) -> String {
    let mut text = String::new();
    let rendered = template.render(chat, &mut |piece| {
        let (Piece::Special(part) | Piece::Text(part)) = piece;
        text += part;
        Ok::<(), std::convert::Infallible>(())
    });
    rendered.map_or_else(|never| match never {}, |()| text)
}

/// Conversations in which templates differ.
fn probes(with_tools: bool) -> Vec<Chat<'static>> {
    let mut probes = Vec::new();
    for thinking in [None, Some(true), Some(false)] {
        let begun = [Chat::new(), Chat::new().system(" Be\n brief. ")];
        for chat in begun.map(|chat| chat.with_thinking(thinking)) {
            let long = chat
                .clone()
                .user(" 1 ")
                .assistant("<think>\n a \n</think>\n\n b ")
                .user("<|im_end|>\n");
            let tools = long
                .clone()
                .assistant("<think>\nc\n</think>\n\n\nd\n<tool_call>\n{}\n</tool_call>")
                .turn(Role::Tool, " e ")
                .turn(Role::Tool, "")
                .assistant("f");
            probes.push(chat.user(""));
            probes.push(long.clone());
            probes.push(tools.clone());
            if with_tools {
                let definitions = "{\"type\": \"function\", \"function\": {\"name\": \"g\", \"x\": [1.5, \"<é'>\"]}}\n{\"a\": {}}";
                probes.push(long.with_tools(definitions));
                probes.push(tools.with_tools(definitions));
            }
        }
    }
    probes
}

/// What a template makes of its variables.
fn rendered(environment: &Environment<'_>, variables: &Value) -> Result<String, String> {
    let mut output = Bounded(Vec::new());
    let done = environment.get_template(NAME).and_then(|template| {
        template
            .render_captured_to(variables, &mut output)
            .map(drop)
    });
    match done {
        Ok(()) => String::from_utf8(output.0).map_err(|_| fails(None, "what it makes is no text")),
        Err(_) if output.0.len() >= OUTPUT_BYTES => Err(fails(
            None,
            format_args!("the prompt has more than {OUTPUT_BYTES} bytes"),
        )),
        Err(error) => Err(failed(&error)),
    }
}

/// Where and why it fails.
fn failed(error: &Error) -> String {
    fails(error.line(), what(error))
}

/// What makes it fail, in words.
fn what(error: &Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => {
            format!("it takes more than {FUEL} steps: it may be an endless loop")
        }
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

fn fails(line: Option<usize>, what: impl Display) -> String {
    let what = what.to_string();
    let what = what.lines().next().unwrap_or_default();
    match line {
        Some(line) => format!("its chat template fails in line {line}: {what}"),
        None => format!("its chat template fails: {what}"),
    }
}

/// The template in what templates are written for: Python's Jinja, as Hugging Face's transformers set it up.
fn environment(source: &str) -> Result<Environment<'_>, String> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    if let Ok(syntax) = syntax.build() {
        environment.set_syntax(syntax);
    }
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function(
        "raise_exception",
        |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        },
    );
    environment.add_filter("tojson", |value: Value, options: Kwargs| {
        let indent: Option<usize> = options.get("indent")?;
        let json = match indent {
            Some(spaces) => python_json::indented(&value, spaces),
            None => python_json::line(&value),
        };
        json.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
    });
    let added = environment.add_template(NAME, source);
    added.map_err(|error| failed(&error))?;
    Ok(environment)
}

/// Output of a limited length.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = OUTPUT_BYTES - self.0.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.0.extend_from_slice(taken);
        if taken.is_empty() && !bytes.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
