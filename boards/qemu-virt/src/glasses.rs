//! The parts of the glasses that this machine is.

use core::cell::RefCell;

use qlens_board::Clock;
use qlens_board::settings::Wishes;
use qlens_firmware::clock::CounterClock;
use qlens_firmware::cores::Cores;
use qlens_firmware::glasses::Glasses;
use qlens_firmware::power::Mains;
use qlens_firmware::sensors::{Spoken, Typed};
use qlens_link::HubSource;

use crate::fw_cfg::Settings;
use crate::port::Port;
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
    type Sensors<'c> = (
        Option<HubSource<Port>>,
        (Option<Keyboard>, (Spoken<'c, Speech>, Typed)),
    );
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
        // The time since power came is another at each start.
        let seed = CounterClock.now_us();
        let hub = Port::find(1, "sensor hub").map(|port| HubSource::new(port, seed));
        let keyboard = Keyboard::find();
        if hub.is_none() && keyboard.is_none() {
            log::warn!("no touchpad: the machine has neither a sensor hub nor a virtio keyboard");
        }
        (hub, (keyboard, (Spoken::new(channel), Typed::new())))
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
