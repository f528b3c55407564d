//! A model's manifest.

use qlens_models::Manifest;

use super::{Outcome, refused};
use crate::mutate::Words;

pub static WORDS: Words = Words {
    pieces: &[
        "[[source]]\n",
        "[[board]]\n",
        "[source]\n",
        "kind = \"python\"\n",
        "kind = \"hugging-face\"\n",
        "name = \"\"\n",
        "size = 0\n",
        "size = -1\n",
        "size = 18446744073709551616\n",
        "context = 4294967296\n",
        "=",
        "\"",
        "\"\"\"",
        "'''",
        "\\u",
        "#",
        ".",
        "..",
        "/",
        "../../x",
        "[",
        "]",
        "{",
        "}",
        ",",
        "1979-05-27T07:32:00Z",
        "inf",
        "nan",
        "0x",
        "1_0",
    ],
    brackets: &[
        ("[", "]"),
        ("{a = ", "}"),
        ("\"", "\""),
        ("a.", ""),
        ("[[", "]]\n"),
    ],
};

pub fn run(text: &str) -> Outcome {
    match Manifest::parse(text) {
        Ok(manifest) => {
            // What will be a name in a folder is one.
            assert!(!manifest.file.contains(['/', '\\', '\0']) && manifest.file != "..");
            Outcome::Taken
        }
        Err(error) => refused(error),
    }
}
