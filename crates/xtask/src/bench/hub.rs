//! Figures of the sensor hub: what its firmware takes, and what it does in a second of a wearer's life.
//!
//! Virtual time is instructions (`-icount shift=0`), a nanosecond each, and the hub counts the time that it was awake with a
//! timer of 20 MHz, 50 instructions a tick. It says how much at each mark of the scene that is lived, at the pace at which it
//! would be lived, so that the link's heartbeat has its share.

use std::fs;

use anyhow::{Context as _, Result};

use super::figure::Figure;
use crate::boards;
use crate::emulator::{Console, Drive, Machine};
use crate::glasses::{self, Glasses, Pace, Recording};
use crate::setup::{self, Need};
use crate::test::bench::Bench;
use crate::{image, sections};

/// What is lived: off, worn and still, in use, each up to a mark.
const SCENE: &str = "bench";
const PHASES: [&str; 3] = ["glasses off", "worn, nothing happens", "in use"];
/// Instructions a second of a core that does one a cycle.
const CORE: f64 = 200e6;

const OF: &str = "sensor hub";

pub fn figures() -> Result<Vec<Figure>> {
    setup::make_sure_of(&[Need::Program(&setup::QEMU_SYSTEM)])?;
    let hub = glasses::hub_image()?;
    let mut figures = sizes(&fs::read(&hub)?)?;
    eprintln!("{OF}: counting its instructions, for half a minute");
    let board = boards::find(boards::DEFAULT)?;
    let firmware = image::firmware(&board)?.path;
    // Nobody asks it anything.
    let model = Bench::fixture("qwen2-q8_0")?;
    let recording = Recording::of_repository(SCENE)?;
    let machine = Machine {
        hub: true,
        replay: Some(recording.start_unix_s()),
        ..Machine::of(&board, &firmware, Drive::File(&model))
    };
    let mut glasses = Glasses::start(&machine, &hub, true, &Console::kept())?;
    glasses.wait_until_ready(&mut |_, _| {})?;
    glasses.play(&recording, Pace::Lived, &mut |_| {}, &mut |_, _| Ok(()))?;
    let marks = glasses.hub.figures();
    glasses.quit()?;
    for (phase, pair) in PHASES.iter().zip(marks.windows(2)) {
        let [from, to] = pair else { continue };
        let seconds = (to.at_us - from.at_us) as f64 / 1e6;
        let a_second = (to.instructions - from.instructions) as f64 / seconds;
        figures.push(Figure::measured(
            OF,
            phase,
            a_second / 1e6,
            "M instructions/s",
        ));
        let share = a_second / CORE * 100.0;
        figures.push(Figure::measured(OF, phase, share, "% of a 200 MHz core"));
    }
    let deepest = marks.last().context("the hub passed no mark")?;
    figures.push(Figure::measured(
        OF,
        "stack, deepest",
        deepest.stack_bytes as f64,
        "bytes of RAM",
    ));
    Ok(figures)
}

fn sizes(elf: &[u8]) -> Result<Vec<Figure>> {
    let sections = sections::of_elf(elf)?;
    let flash: u64 = sections.iter().map(sections::Section::flash).sum();
    let ram: u64 = sections.iter().map(sections::Section::ram).sum();
    Ok(vec![
        Figure::exact(OF, "firmware", flash as f64, "bytes of flash"),
        Figure::exact(OF, "variables", ram as f64, "bytes of RAM"),
    ])
}
