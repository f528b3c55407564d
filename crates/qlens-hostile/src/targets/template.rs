//! A chat template: recognized, and run.

use std::convert::Infallible;
use std::fs;
use std::sync::LazyLock;

use qlens::chat::{Chat, Piece, Role, Template};
use qlens::gguf::Gguf;
use qlens::tokenizer::Tokenizer;
use qlens_jinja::Jinja;

use super::{Outcome, refused};
use crate::mutate::Words;
use crate::{Aligned, seeds};

pub static WORDS: Words = Words {
    pieces: &[
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{%- ",
        " -%}",
        "(",
        ")",
        "[",
        "]",
        "'",
        "\"",
        "\\",
        "|",
        "~",
        "+",
        "*",
        "**",
        "//",
        "%",
        "in",
        "not",
        "is",
        "and",
        "or",
        "if",
        "else",
        "==",
        "!=",
        ":",
        "[::-1]",
        "[1:]",
        "loop.index0",
        "loop.last",
        "messages",
        "tools",
        "message",
        "message.content",
        "none",
        "true",
        "1",
        "0",
        "-1",
        "99999",
        "9223372036854775807",
        "1e308",
        "'x'",
        "'<|im_start|>'",
        "<think>",
        "|tojson",
        "|length",
        "|trim",
        "|list",
        "|join",
        "|sort",
        "|reverse",
        "|batch(2)",
        "|string",
        "|tojson(indent=4)",
        ".split('\\n')",
        ".strip()",
        ".rstrip('\\n')",
        ".startswith('<')",
        ".replace('', 'xx')",
        ".items()",
        "range(99999)",
        "range(9)",
        "namespace(a=1)",
        "{%- set x = x ~ x %}",
        "{%- set m = messages * 999 %}",
        "raise_exception('no')",
        "{% endfor %}",
        "{% endif %}",
        "{%- for m in messages %}",
        "{%- for i in range(9999) %}",
        "{%- if tools %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{%- break %}",
        "{{ 'x' * 99999 }}",
    ],
    brackets: &[
        ("(", ")"),
        ("[", "]"),
        ("{'a': ", "}"),
        ("{% if true %}", "{% endif %}"),
        ("{% for a in range(9) %}", "{% endfor %}"),
        ("{{ ", " }}"),
        ("not ", ""),
        ("-", ""),
        ("'a' ~ ", ""),
        ("range(", ")"),
    ],
};

const TOOLS: &str =
    "{\"type\": \"function\", \"function\": {\"name\": \"f\", \"x\": [1, 2.5, null, \"\\n<é\"]}}";

/// A file with a small vocabulary.
static FILE: LazyLock<Gguf<'static>> = LazyLock::new(|| {
    let file = fs::read(seeds::fixture("qwen3-q4_k_m.gguf")).expect("the fixture is there");
    Gguf::parse(Box::leak(Box::new(Aligned::from(&*file)))).expect("it is sound")
});

static TOKENIZER: LazyLock<Tokenizer<'static, 'static>> = LazyLock::new(|| {
    let bytes = Tokenizer::index_bytes(&FILE).expect("it has a vocabulary");
    let index = Box::leak(Box::new(Aligned::from(&*vec![0; bytes])));
    Tokenizer::new(&FILE, index).expect("which can be indexed")
});

pub fn run(source: &str) -> Outcome {
    let chat = Chat::new()
        .system("s")
        .user("u <|im_end|>")
        .assistant("<think>\nt\n</think>\n\na")
        .turn(Role::Tool, "r")
        .with_tools(TOOLS);
    let template = Template::from_jinja(source);
    for thinking in [None, Some(true), Some(false)] {
        let chat = chat.clone().with_thinking(thinking);
        let rendered = template.render(&chat, &mut |_| Ok::<(), Infallible>(()));
        rendered.unwrap_or_else(|never| match never {});
    }
    let jinja = Jinja::new(&FILE, source);
    // Whoever opens a file asks this first, and goes no further if it fails.
    if let Err(sentence) = jinja.renders_like(&template) {
        return refused(sentence);
    }
    match jinja.prompt(&chat, &TOKENIZER) {
        Err(sentence) => refused(sentence),
        Ok(prompt) => {
            for piece in prompt.pieces(&TOKENIZER) {
                if let Piece::Special(text) = piece {
                    assert!(TOKENIZER.special(text).is_some(), "{text:?} is no token");
                }
            }
            Outcome::Taken
        }
    }
}
