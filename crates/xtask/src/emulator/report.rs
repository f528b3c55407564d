//! What a board says to programs, on the channel that speech comes in by: one event a line, the first word
//! names it.

/// One line of the board's report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The model is being read.
    Loading {
        /// Bytes read.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The board is at its prompt.
    Ready,
    /// The assistant changed to this state.
    State(String),
    /// Ids of all tokens in the context when an answer begins.
    Prompt(Vec<u32>),
    /// A token was generated.
    Token(u32),
    /// A piece of the answer's text.
    Text(String),
    /// The answer is complete.
    Done(Done),
    /// Something failed; the board shows it and lives on.
    Error(String),
    /// All that a recording has before this mark is done, and shown.
    Mark(u32),
    /// The board changed its pace.
    Pace(Pace),
    /// So many instructions were executed while nothing happened for so many microseconds.
    Idle {
        /// Instructions of the boot core.
        instructions: u64,
        /// Microseconds.
        us: u64,
    },
    /// Events that were lost since the start, because more came than could wait.
    Dropped(u32),
    /// A line of a board that is newer than this, or damaged.
    Other(String),
}

/// The end of an answer, with times that the board took.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// Why it ended.
    pub reason: String,
    /// Microseconds from the question to the first token.
    pub prompt_us: u64,
    /// Microseconds of decoding alone.
    pub decode_us: u64,
    /// Tokens that were fed.
    pub prompt_tokens: u64,
    /// Tokens that were generated.
    pub tokens: u64,
}

/// How fast a board writes and how bright it shines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Share of the time in which the model may work, in per cent.
    pub duty: u8,
    /// Brightness of the display; 0 is dark.
    pub brightness: u8,
    /// What limits them.
    pub reason: String,
}

impl Report {
    /// Reads a line.
    pub fn parse(line: &str) -> Self {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let report = match name {
            "loading" => rest.split_once(' ').and_then(|(done, total)| {
                Some(Self::Loading {
                    done: done.parse().ok()?,
                    total: total.parse().ok()?,
                })
            }),
            "ready" => Some(Self::Ready),
            "state" => Some(Self::State(rest.into())),
            "prompt" => rest
                .split_whitespace()
                .map(str::parse)
                .collect::<Result<_, _>>()
                .map(Self::Prompt)
                .ok(),
            "token" => rest.parse().map(Self::Token).ok(),
            "text" => serde_json::from_str(rest).map(Self::Text).ok(),
            "done" => Done::parse(rest).map(Self::Done),
            "error" => Some(Self::Error(rest.into())),
            "mark" => rest.parse().map(Self::Mark).ok(),
            "pace" => Pace::parse(rest).map(Self::Pace),
            "idle" => idle(rest),
            "dropped" => rest.parse().map(Self::Dropped).ok(),
            _ => None,
        };
        report.unwrap_or_else(|| Self::Other(line.into()))
    }
}

impl Done {
    fn parse(rest: &str) -> Option<Self> {
        let (reason, fields) = rest.split_once(' ')?;
        let mut done = Self {
            reason: reason.into(),
            ..Self::default()
        };
        for field in fields.split_whitespace() {
            let (name, value) = field.split_once('=')?;
            let value = value.parse().ok()?;
            match name {
                "prompt_us" => done.prompt_us = value,
                "decode_us" => done.decode_us = value,
                "prompt_tokens" => done.prompt_tokens = value,
                "tokens" => done.tokens = value,
                _ => {}
            }
        }
        Some(done)
    }
}

impl Pace {
    fn parse(rest: &str) -> Option<Self> {
        Some(Self {
            duty: field(rest, "duty")?.parse().ok()?,
            brightness: field(rest, "brightness")?.parse().ok()?,
            reason: field(rest, "reason")?.into(),
        })
    }
}

fn idle(rest: &str) -> Option<Report> {
    Some(Report::Idle {
        instructions: field(rest, "instructions")?.parse().ok()?,
        us: field(rest, "us")?.parse().ok()?,
    })
}

/// The value of `name=value` among these words.
fn field<'r>(words: &'r str, name: &str) -> Option<&'r str> {
    let mut words = words.split(' ');
    words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let done = Done {
            reason: "end_of_turn".into(),
            prompt_us: 12,
            decode_us: 345,
            prompt_tokens: 6,
            tokens: 7,
        };
        for (line, report) in [
            (
                "loading 512 1024",
                Report::Loading {
                    done: 512,
                    total: 1024,
                },
            ),
            ("ready", Report::Ready),
            ("state listening", Report::State("listening".into())),
            (
                "prompt 151644 8948 198",
                Report::Prompt(vec![151_644, 8948, 198]),
            ),
            ("token 42", Report::Token(42)),
            (
                r#"text "a\n\"b\" \u00e9 中""#,
                Report::Text("a\n\"b\" é 中".into()),
            ),
            (
                "done end_of_turn prompt_us=12 decode_us=345 prompt_tokens=6 tokens=7",
                Report::Done(done),
            ),
            (
                "error the drive failed at byte 512",
                Report::Error("the drive failed at byte 512".into()),
            ),
            ("mark 4294967295", Report::Mark(u32::MAX)),
            (
                "pace duty=25 brightness=160 reason=heat+battery",
                Report::Pace(Pace {
                    duty: 25,
                    brightness: 160,
                    reason: "heat+battery".into(),
                }),
            ),
            (
                "idle instructions=4321 us=14000000",
                Report::Idle {
                    instructions: 4321,
                    us: 14_000_000,
                },
            ),
            ("dropped 17", Report::Dropped(17)),
        ] {
            assert_eq!(Report::parse(line), report);
        }
        for odd in [
            "",
            "loading",
            "loading 1",
            "token -1",
            "token",
            "text oops",
            "done",
            "done x tokens",
            "mark",
            "mark 4294967296",
            "dropped -1",
            "idle",
            "idle instructions=1",
            "pace",
            "pace duty=25 brightness=256 reason=heat",
            "pace duty=25 brightness=25",
            "hello",
        ] {
            assert_eq!(Report::parse(odd), Report::Other(odd.into()));
        }
    }
}
