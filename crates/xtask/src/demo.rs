//! `cargo xtask demo`: from nothing to a pair of glasses that is worn, asked, read and taken off, both chips in QEMU, with
//! a picture of each step. It succeeds only if an answer came and the big chip's cores sleep in the end.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::emulate;
use crate::emulator::{Console, Drive, Machine, Report};
use crate::glasses::{self, Glasses, Pace, Recording};
use crate::setup::{self, Need};
use crate::{boards, image, interrupt, model, workspace};

/// What is lived.
pub const SCENE: &str = "demo";
/// Longest answer, in tokens: more than a page.
const MAX_TOKENS: u32 = 112;
/// For so long the cores are looked at when nobody wears the glasses.
const REST: Duration = Duration::from_secs(3);
/// Time of this machine that they may take then.
pub const REST_MOST: Duration = Duration::from_millis(60);

pub fn run() -> Result<()> {
    let board = boards::find(boards::DEFAULT)?;
    setup::make_sure_of(&[
        Need::Target(&board.triple),
        Need::Program(&setup::QEMU_SYSTEM),
    ])?;
    let model = model::default()?;
    let image = image::firmware(&board)?;
    let hub = glasses::hub_image()?;
    let recording = Recording::of_repository(SCENE)?;
    let pictures = workspace::output_folder("demo")?;

    let machine = Machine {
        max_tokens: Some(MAX_TOKENS),
        hub: true,
        replay: Some(recording.start_unix_s()),
        ..Machine::of(&board, &image.path, Drive::File(&model))
    };
    eprintln!(
        "booting the sensor hub, and {} with {}",
        board.name, model.name
    );
    let console = Console::kept();
    let mut glasses = Glasses::start(&machine, &hub, false, &console)?;
    emulate::loading(&mut |progress| glasses.wait_until_ready(progress))?;

    let mut answer = String::new();
    let mut heard = |report: &Report| match report {
        Report::Text(text) => {
            emulate::print(text);
            answer.push_str(text);
        }
        Report::Done(_) => println!("\n"),
        _ => {}
    };
    let mut at_mark = |glasses: &mut Glasses, number: u32| {
        let name = recording.name(number);
        let picture = pictures.join(format!("{number}-{name}.png"));
        glasses.processor.save_picture(&picture)?;
        eprintln!("{name}: {}", picture.display());
        Ok(())
    };
    glasses.play(&recording, Pace::AtOnce, &mut heard, &mut at_mark)?;
    ensure!(
        !answer.trim().is_empty(),
        "no answer came{}",
        console.last_lines()
    );
    let took = resting(&mut glasses)?;
    ensure!(
        took <= REST_MOST,
        "nobody wears the glasses, and their cores took {took:?} of {REST:?}"
    );
    eprintln!("nobody wears them: the cores sleep ({took:?} of {REST:?})");
    glasses.quit()
}

/// Time that the big chip's cores take of this machine while they should sleep.
pub fn resting(glasses: &mut Glasses) -> Result<Duration> {
    // The chips part: the last word that one of them said may still be on its way.
    sleep(Duration::from_secs(1));
    interrupt::check()?;
    let before = glasses.processor.core_time()?;
    sleep(REST);
    Ok(glasses.processor.core_time()?.saturating_sub(before))
}
