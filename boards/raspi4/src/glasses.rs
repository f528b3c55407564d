//! The parts of the glasses that this board is.

use core::cell::RefCell;

use qlens_firmware::channel::OnConsole;
use qlens_firmware::cores::Cores;
use qlens_firmware::glasses::Glasses;
use qlens_firmware::sensors::Typed;
use qlens_firmware::wishes::Wishes;

use crate::card::Card;
use crate::framebuffer::{DisplayError, Framebuffer};
use crate::settings::Settings;
use crate::thermometer::PiPower;
use crate::{board, start};

/// What the card says is wanted, while the parts are made.
#[derive(Default)]
pub struct PiGlasses {
    asked: Settings,
}

impl Glasses for PiGlasses {
    type Display = Framebuffer;
    type Channel = OnConsole;
    type Sensors<'c> = Typed;
    type Store = Card;
    type Power = PiPower;
    type Fault = DisplayError;

    fn display(&mut self) -> Result<Framebuffer, DisplayError> {
        Framebuffer::new()
    }

    fn cores(&mut self) -> Cores {
        Cores {
            cores: board::CORES,
            switch_on: start::switch_on,
        }
    }

    fn store(&mut self) -> Card {
        match Card::settings() {
            Ok(Some(asked)) => self.asked = asked,
            Ok(None) => {}
            // It is said again when the model is asked for.
            Err(error) => log::warn!("{error}"),
        }
        Card
    }

    fn wishes(&mut self) -> Wishes {
        core::mem::take(&mut self.asked.wishes)
    }

    fn channel(&mut self) -> Option<OnConsole> {
        self.asked.report.then(OnConsole::new)
    }

    fn sensors(&mut self, _channel: &RefCell<Option<OnConsole>>) -> Typed {
        Typed::new()
    }

    fn power(&mut self) -> PiPower {
        PiPower
    }
}
