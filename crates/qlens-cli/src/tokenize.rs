//! `qlens tokenize`: texts to token ids, a line each, so that another tokenizer can be compared with
//! ours over a pipe.

use std::io::{self, BufRead as _};

use qlens::tokenizer::{SCRATCH_BYTES, Special, Tokenizer};

use crate::failure::{Failure, reason};
use crate::model_file::ModelArg;
use crate::output::Output;

/// Turn JSON strings, one a line on stdin, into JSON arrays of token ids, one a line on stdout
#[derive(clap::Args, Debug)]
pub struct TokenizeArgs {
    #[command(flatten)]
    model: ModelArg,
    /// Take special tokens in a text for text like any other
    #[arg(long)]
    no_special: bool,
}

/// Runs the verb.
pub fn run(args: &TokenizeArgs) -> Result<(), Failure> {
    let file = args.model.open()?;
    let gguf = file.gguf()?;
    let bytes = Tokenizer::index_bytes(&gguf).map_err(|error| file.refuse(error))?;
    // Words, because the tokenizer wants its memory aligned to four bytes.
    let mut index = vec![0_u32; bytes.div_ceil(4)];
    let tokenizer = Tokenizer::new(&gguf, bytemuck::cast_slice_mut(&mut index))
        .map_err(|error| file.refuse(error))?;
    let mut scratch = vec![0_u32; SCRATCH_BYTES.div_ceil(4)];
    let special = if args.no_special {
        Special::Plain
    } else {
        Special::Parse
    };

    let (mut input, mut output) = (io::stdin().lock(), Output::stdout());
    let (mut line, mut ids) = (Vec::new(), Vec::new());
    for number in 1_u64.. {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        if read.map_err(|error| {
            Failure::new(format_args!("stdin cannot be read: {}", reason(&error)))
        })? == 0
        {
            break;
        }
        let text = parse(&line)
            .map_err(|fault| Failure::new(format_args!("line {number} of stdin {fault}")))?;
        ids.clear();
        let encoded = tokenizer.encode(
            &text,
            special,
            bytemuck::cast_slice_mut(&mut scratch),
            &mut |id| {
                ids.push(id);
                Ok(())
            },
        );
        encoded.map_err(|error| Failure::new(format_args!("line {number} of stdin: {error}")))?;
        output.json(&ids)?;
    }
    Ok(())
}

/// The text that a line of JSON stands for.
fn parse(line: &[u8]) -> Result<String, String> {
    if line.trim_ascii().is_empty() {
        return Err("is empty; a JSON string is needed, \"\" for an empty text".into());
    }
    serde_json::from_slice(line).map_err(|error| {
        let what = error.to_string();
        // The line is counted by us, and a column counts bytes of JSON: of use to nobody.
        let what = what.split(" at line ").next().unwrap_or(&what);
        if what.contains("surrogate") || what.contains("hex escape") {
            format!(
                "has half of a surrogate pair, which is no text ({what}); write the character whole"
            )
        } else {
            format!("is not a JSON string: {what}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lines_are_json_strings() {
        assert_eq!(
            parse(b"\"a\\n\\u4f60 \\ud83d\\ude00\"\n").unwrap(),
            "a\n\u{4f60} \u{1f600}"
        );
        assert_eq!(parse(b" \"\" \r\n").unwrap(), "");
    }

    #[test]
    fn what_is_not_says_why() {
        for (line, says) in [
            (&b"\n"[..], "is empty"),
            (b"hello", "is not a JSON string"),
            (b"[1]", "is not a JSON string"),
            (b"\"a\" \"b\"", "is not a JSON string"),
            (b"\"cut", "is not a JSON string"),
            (b"\"\xff\"", "is not a JSON string"),
            (b"\"\\ud83d\"", "surrogate"),
            (b"\"\\ud83dx\"", "surrogate"),
            (b"\"\\ude00\"", "surrogate"),
            (b"\"\\ud83d\\ud83d\"", "surrogate"),
        ] {
            let said = parse(line).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
    }
}
