//! The parts of the glasses that this board is.

use core::cell::RefCell;

use qlens_board::Clock;
use qlens_board::settings::{Settings, Wishes};
use qlens_firmware::channel::OnConsole;
use qlens_firmware::clock::CounterClock;
use qlens_firmware::cores::Cores;
#[cfg(device = "gic-distributor")]
use qlens_firmware::gic as interrupts;
use qlens_firmware::glasses::Glasses;
use qlens_firmware::sensors::Typed;
use qlens_link::HubSource;

use crate::board::device;
use crate::card::Card;
use crate::framebuffer::{DisplayError, Framebuffer};
#[cfg(device = "local")]
use crate::local as interrupts;
use crate::mini_uart::MiniUart;
use crate::thermometer::PiPower;
use crate::{board, start};

/// Bits a second on the line to the sensor hub, which is what its UART divides its clock to.
const HUB_BAUD: u32 = 1_250_000;

/// What the card says is wanted, while the parts are made.
#[derive(Default)]
pub struct PiGlasses {
    asked: Settings,
}

impl Glasses for PiGlasses {
    type Display = Framebuffer;
    type Channel = OnConsole;
    type Sensors<'c> = (Option<HubSource<MiniUart>>, Typed);
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

    fn sensors(&mut self, _channel: &RefCell<Option<OnConsole>>) -> Self::Sensors<'_> {
        let hub = self.asked.hub.then(|| {
            let link = MiniUart::open(HUB_BAUD);
            if let Some(number) = device::AUX.interrupt {
                interrupts::enable_shared(number);
            }
            // The time since power came is another at each start.
            HubSource::new(link, CounterClock.now_us())
        });
        (hub, Typed::new())
    }

    fn power(&mut self) -> PiPower {
        PiPower
    }
}
