//! Two ends, a bad link between them, and a book of what was sent and what came.

pub mod ledger;
pub mod wire;

use qlens_link::{Command, Endpoint, FRAME_BYTES, Hub, Processor, State, Timing};

use self::ledger::Ledger;
use self::wire::{Chance, Faults, Wire};

/// The ends as a board would have them.
pub type HubEnd = Endpoint<Hub, 64, 256, 16>;
pub type ProcessorEnd = Endpoint<Processor, 32, 4096, 64>;

pub const TICK_US: u64 = 200;

/// Both machines and what is between them.
pub struct World {
    pub now_us: u64,
    pub hub: HubEnd,
    pub processor: ProcessorEnd,
    pub to_processor: Wire,
    pub to_hub: Wire,
    pub chance: Chance,
    pub events: Ledger,
    pub commands: Ledger,
    /// Frames that both sides gave to the link, those of sides that rebooted included.
    pub frames: u64,
    /// The application processor looks at the link this often.
    pub processor_poll_us: u64,
    processor_polls_us: u64,
}

impl World {
    pub fn new(seed: u64, faults: Faults) -> Self {
        let mut chance = Chance::new(seed);
        Self {
            now_us: 0,
            hub: Endpoint::new(chance.number(), Timing::DEFAULT),
            processor: Endpoint::new(chance.number(), Timing::DEFAULT),
            to_processor: Wire::new(chance.number(), faults),
            to_hub: Wire::new(chance.number(), faults),
            chance,
            events: Ledger::default(),
            commands: Ledger::default(),
            frames: 0,
            processor_poll_us: 2_000,
            processor_polls_us: 0,
        }
    }

    pub fn faults(&mut self, faults: Faults) {
        self.to_processor.faults = faults;
        self.to_hub.faults = faults;
    }

    pub fn cut(&mut self, cut: bool) {
        self.to_processor.cut = cut;
        self.to_hub.cut = cut;
    }

    pub fn both_up(&mut self) -> bool {
        self.hub.state() == State::Up && self.processor.state() == State::Up
    }

    /// One tick of both machines. The application processor is not always looking.
    pub fn tick(&mut self) {
        self.now_us += TICK_US;
        let now = self.now_us;
        while let Some(bytes) = self.to_hub.read(now) {
            self.hub.receive(now, &bytes);
        }
        self.frames += pump(&mut self.to_processor, now, |wire| {
            self.hub.transmit(now, wire).map(<[u8]>::len)
        });
        still(now, self.hub.due_us(), self.to_processor.free_us);
        if now >= self.processor_polls_us {
            self.processor_polls_us = now + self.processor_poll_us;
            while let Some(bytes) = self.to_processor.read(now) {
                self.processor.receive(now, &bytes);
            }
            self.frames += pump(&mut self.to_hub, now, |wire| {
                self.processor.transmit(now, wire).map(<[u8]>::len)
            });
            still(now, self.processor.due_us(), self.to_hub.free_us);
        }
    }

    pub fn run(&mut self, for_us: u64) {
        let until = self.now_us + for_us;
        while self.now_us < until {
            self.tick();
        }
    }

    /// Runs until it is so, which has to be within `limit_us`.
    pub fn run_until(&mut self, limit_us: u64, is: impl Fn(&mut Self) -> bool) {
        let began = self.now_us;
        while !is(self) {
            self.tick();
            let states = (self.hub.state(), self.processor.state());
            assert!(
                self.now_us - began < limit_us,
                "not within {limit_us} us: {states:?}"
            );
        }
    }

    /// The hub notices something.
    pub fn send_event(&mut self) {
        let number = self.events.next();
        let event = ledger::event(number);
        if self.hub.send(&event).is_ok() {
            self.events.sent(self.now_us);
        }
    }

    /// The hub notices something that fits one frame.
    pub fn send_short_event(&mut self) {
        while self.events.next() % 16 == 8 {
            self.events.skip();
        }
        self.send_event();
    }

    pub fn send_command(&mut self) {
        let unix_us = self.commands.next();
        if self.processor.send(&Command::Time { unix_us }).is_ok() {
            self.commands.sent(self.now_us);
        }
    }

    /// Both applications take what there is for them.
    pub fn take_all(&mut self) {
        while let Some(event) = self.processor.next_message() {
            assert_eq!(event, ledger::event(event.at_us), "a changed event");
            self.events.came(event.at_us, self.now_us);
        }
        while let Some(command) = self.hub.next_message() {
            let Command::Time { unix_us } = command else {
                panic!("nobody sent {command:?}");
            };
            self.commands.came(unix_us, self.now_us);
        }
    }

    pub fn reboot_hub(&mut self) {
        self.events.sender_rebooted(self.hub.unacknowledged());
        let mut lost = 0;
        while let Some(command) = self.hub.next_message() {
            if let Command::Time { unix_us } = command {
                self.commands.lost(unix_us);
                lost += 1;
            }
        }
        assert!(lost <= 256 / 3, "more than its queue holds");
        self.commands
            .receiver_rebooted(self.processor.unacknowledged());
        self.hub = Endpoint::new(self.chance.number(), Timing::DEFAULT);
    }

    pub fn reboot_processor(&mut self) {
        self.commands
            .sender_rebooted(self.processor.unacknowledged());
        while let Some(event) = self.processor.next_message() {
            self.events.lost(event.at_us);
        }
        self.events.receiver_rebooted(self.hub.unacknowledged());
        self.processor = Endpoint::new(self.chance.number(), Timing::DEFAULT);
    }

    pub fn report(&self) {
        self.events.report("events");
        self.commands.report("commands");
    }

    /// Lets everything arrive that will, and closes the books: nothing may be missing.
    pub fn settle(&mut self) {
        for _ in 0..20_000_000 / TICK_US {
            self.tick();
            self.take_all();
            if self.hub.unacknowledged() == 0 && self.processor.unacknowledged() == 0 {
                break;
            }
        }
        assert_eq!(self.hub.unacknowledged(), 0, "{:?}", self.hub.state());
        assert_eq!(self.processor.unacknowledged(), 0);
        self.events.close();
        self.commands.close();
    }
}

/// Gives frames to the line until it is busy; how many.
fn pump(
    wire: &mut Wire,
    now_us: u64,
    mut transmit: impl FnMut(&mut [u8; FRAME_BYTES]) -> Option<usize>,
) -> u64 {
    let mut frames = 0;
    let mut frame = [0; FRAME_BYTES];
    while wire.free_us <= now_us {
        let Some(length) = transmit(&mut frame) else {
            break;
        };
        assert!(length <= FRAME_BYTES);
        wire.write(now_us, &frame[..length]);
        frames += 1;
    }
    frames
}

/// An end that has nothing to say now does not ask to be called now: else its core would never sleep.
fn still(now_us: u64, due_us: Option<u64>, free_us: u64) {
    if free_us <= now_us {
        assert!(
            due_us.is_none_or(|due| due > now_us),
            "due at {due_us:?}, silent at {now_us}"
        );
    }
}
