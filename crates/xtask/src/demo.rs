//! `cargo xtask demo`: from nothing to an answer on the display of emulated glasses, with a picture of each
//! step. It succeeds only if an answer came.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::ask::{self, Moment};
use crate::emulator::{Console, Drive, Emulator, Machine};
use crate::setup::{self, Need};
use crate::{boards, emulate, image, model, workspace};

const QUESTION: &str = "What is a mutex? Answer in two sentences.";

pub fn run() -> Result<()> {
    let board = boards::find(boards::DEFAULT)?;
    setup::make_sure_of(&[
        Need::Target(&board.triple),
        Need::Program(&setup::QEMU_SYSTEM),
    ])?;
    let model = model::default()?;
    let image = image::firmware(&board)?;
    let pictures = workspace::output_folder("demo")?;

    let machine = Machine {
        max_tokens: Some(96),
        ..Machine::of(&board, &image.path, Drive::File(&model))
    };
    eprintln!("booting {} with {}", board.name, model.name);
    let mut emulator = Emulator::start(&machine, Console::kept())?;
    emulate::boot(&mut emulator)?;
    save(&mut emulator, &pictures, "idle")?;

    println!("> {QUESTION}");
    let mut pieces = 0;
    let mut failed: Option<anyhow::Error> = None;
    let answer = ask::ask(&mut emulator, QUESTION, &mut |emulator, moment| {
        let name = match moment {
            Moment::Listening => "listening",
            Moment::Thinking => "thinking",
            Moment::Text(text) => {
                print!("{text}");
                let _ = std::io::stdout().flush();
                pieces += 1;
                if pieces != 12 {
                    return;
                }
                "answering"
            }
        };
        failed = failed
            .take()
            .or_else(|| save(emulator, &pictures, name).err());
    })?;
    println!("\n");
    if let Some(fault) = failed {
        return Err(fault);
    }
    if answer.text.trim().is_empty() {
        bail!("no answer came{}", emulator.console().last_lines());
    }
    save(&mut emulator, &pictures, "answer")?;
    emulator.quit()?;
    println!(
        "{} tokens, {:.2} tokens/s decoding in emulation",
        answer.tokens.len(),
        answer.tokens_per_second
    );
    println!("pictures of the display: {}", pictures.display());
    Ok(())
}

fn save(emulator: &mut Emulator, folder: &Path, name: &str) -> Result<()> {
    if name != "answering" {
        emulator.settled_pixels()?;
    }
    emulator
        .save_picture(&folder.join(format!("{name}.png")))
        .context("no picture of the display")
}
