//! The real model, booted bare metal, answers a question typed into its sensors with the very tokens that
//! the host tool generates, and the display is read back as a picture.

use anyhow::{Result, ensure};

use super::Counts;
use super::bench::{Bench, Checks};
use crate::ask;
use crate::emulator::{Drive, Key, Machine};
use crate::model::{self, Model};

const QUESTION: &str = "What is the capital of France? Answer in one short sentence.";

/// Its answer takes more than the sixteen lines of a page.
const LONG_QUESTION: &str = "Write the letters A to T, each on its own line.";

pub fn run(_: bool) -> Result<Counts> {
    let bench = Bench::prepare()?;
    let model = model::default()?;
    let mut checks = Checks::default();
    checks.run("the real model gives the host's tokens", || {
        let machine = Machine {
            context: None,
            max_tokens: Some(48),
            cpu: Some("cortex-a76"),
            memory: Some("1G"),
            ..bench.machine(Drive::File(&model))
        };
        let mut emulator = Bench::boot(&machine)?;
        let answer = ask::ask(&mut emulator, QUESTION, &mut |_, _| {})?;
        let shown = emulator.settled_pixels()?;
        emulator.save_picture(&bench.scratch("end to end.png"))?;
        emulator.quit()?;
        println!("{}", answer.text);
        println!(
            "{} tokens, {:.2} tokens/s",
            answer.tokens.len(),
            answer.tokens_per_second
        );
        bench.same_as_host(&machine, &model, &answer)?;
        ensure!(
            answer.text.contains("Paris"),
            "the answer is {:?}",
            answer.text
        );
        ensure!(
            shown.is_all_green() && shown.lines() >= 2,
            "no text on the display"
        );
        Ok(())
    })?;
    checks.run("swipes turn the pages of a long answer", || {
        swipes(&bench, &model)
    })?;
    Ok(checks.counts)
}

fn swipes(bench: &Bench, model: &Model) -> Result<()> {
    let machine = Machine {
        context: None,
        max_tokens: Some(80),
        memory: Some("1G"),
        ..bench.machine(Drive::File(model))
    };
    let mut emulator = Bench::boot(&machine)?;
    ask::ask(&mut emulator, LONG_QUESTION, &mut |_, _| {})?;
    emulator.tap(Key::FORWARD)?;
    let later = emulator.settled_pixels()?;
    emulator.tap(Key::BACKWARD)?;
    let earlier = emulator.settled_pixels()?;
    ensure!(earlier != later, "a swipe back shows the same page");
    emulator.tap(Key::FORWARD)?;
    let again = emulator.settled_pixels()?;
    ensure!(again == later, "a swipe forward does not undo one back");
    emulator.quit()
}
