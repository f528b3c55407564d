//! The parts of the glasses that this machine is.

use core::cell::RefCell;

use qlens_firmware::cores::Cores;
use qlens_firmware::glasses::Glasses;
use qlens_firmware::power::Mains;
use qlens_firmware::sensors::{Spoken, Typed};
use qlens_firmware::wishes::Wishes;

use crate::fw_cfg::Settings;
use crate::ramfb::{DisplayError, Ramfb};
use crate::speech::Speech;
use crate::store::BoardStore;
use crate::touchpad::Keyboard;
use crate::{machine, psci};

/// What the machine is asked through, while its parts are made.
pub struct VirtGlasses {
    /// The firmware configuration device.
    pub asked: Settings,
}

impl Glasses for VirtGlasses {
    type Display = Ramfb;
    type Channel = Speech;
    type Sensors<'c> = (Option<Keyboard>, (Spoken<'c, Speech>, Typed));
    type Store = BoardStore;
    type Power = Mains;
    type Fault = DisplayError;

    fn display(&mut self) -> Result<Ramfb, DisplayError> {
        let (display, fault) = Ramfb::new(&mut self.asked)?;
        if let Some(fault) = fault {
            log::warn!("{fault}");
        }
        Ok(display)
    }

    fn cores(&mut self) -> Cores {
        Cores {
            cores: machine::found().cores.len(),
            switch_on: psci::switch_on,
        }
    }

    fn channel(&mut self) -> Option<Speech> {
        Speech::find()
    }

    fn sensors<'c>(&mut self, channel: &'c RefCell<Option<Speech>>) -> Self::Sensors<'c> {
        let keyboard = Keyboard::find();
        if keyboard.is_none() {
            log::warn!("no touchpad: the machine has no virtio keyboard");
        }
        (keyboard, (Spoken::new(channel), Typed::new()))
    }

    fn store(&mut self) -> BoardStore {
        BoardStore::new(&mut self.asked)
    }

    fn power(&mut self) -> Mains {
        Mains
    }

    fn wishes(&mut self) -> Wishes {
        self.asked.wishes()
    }
}
