//! One question, asked the way a person asks it: hold the touchpad, speak, watch the answer come.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::emulator::{Emulator, Key, Report};

/// Longest silence while the firmware boots and reads the model: it reports progress all the while.
const BOOT: Duration = Duration::from_mins(2);
/// Longest silence after a key or a word.
const TURN: Duration = Duration::from_mins(1);
/// Longest silence while the model thinks: a long prompt takes minutes in emulation and is not reported.
const THINK: Duration = Duration::from_mins(20);

/// What came of a question; its fields are those of `--json`, in this order.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Answer {
    /// The question.
    pub question: String,
    /// Ids of the whole context that was fed.
    pub prompt_tokens: Vec<u32>,
    /// Ids that were generated, without the one that ended the turn.
    pub tokens: Vec<u32>,
    /// The text that was shown.
    pub text: String,
    /// Seconds from the end of the question to the end of the answer.
    pub seconds: f64,
    /// Speed of decoding alone, by the board's own clock.
    pub tokens_per_second: f64,
}

/// Waits until a board that was just started is at its prompt.
pub fn wait_until_ready(emulator: &mut Emulator, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
    emulator.wait_for(
        "the board to come to its prompt",
        BOOT,
        |report| match report {
            Report::Loading { done, total } => {
                progress(*done, *total);
                None
            }
            report => (*report == Report::Ready).then_some(()),
        },
    )
}

/// Asks a board that is at its prompt; `watch` sees the text as it comes. Returns when the answer is done.
pub fn ask(
    emulator: &mut Emulator,
    question: &str,
    watch: &mut dyn FnMut(&mut Emulator, Moment<'_>),
) -> Result<Answer> {
    if emulator.has_touchpad() {
        emulator.hold(Key::ENTER)?;
        emulator.wait_for("the assistant to listen", TURN, |report| {
            is_state(report, "listening")
        })?;
        watch(emulator, Moment::Listening);
    }
    emulator.say(question)?;
    let start = Instant::now();
    emulator.wait_for("the assistant to take the question", TURN, |report| {
        is_state(report, "thinking")
    })?;
    watch(emulator, Moment::Thinking);

    let mut answer = Answer {
        question: question.into(),
        ..Answer::default()
    };
    let done = loop {
        let report = emulator.wait_for("the answer", THINK, |report| match report {
            Report::Prompt(_) | Report::Token(_) | Report::Text(_) | Report::Done(_) => {
                Some(report.clone())
            }
            _ => None,
        })?;
        match report {
            Report::Prompt(ids) => answer.prompt_tokens = ids,
            Report::Token(id) => answer.tokens.push(id),
            Report::Text(text) => {
                watch(emulator, Moment::Text(&text));
                answer.text.push_str(&text);
            }
            Report::Done(done) => break done,
            _ => {}
        }
    };
    answer.seconds = start.elapsed().as_secs_f64();
    if done.decode_us > 0 {
        answer.tokens_per_second = done.tokens as f64 * 1e6 / done.decode_us as f64;
    }
    Ok(answer)
}

/// What happens between a question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment<'a> {
    /// The assistant listens.
    Listening,
    /// It has the question.
    Thinking,
    /// It answers.
    Text(&'a str),
}

fn is_state(report: &Report, name: &str) -> Option<()> {
    matches!(report, Report::State(state) if state == name).then_some(())
}
