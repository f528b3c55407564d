//! The sensor hub as the application takes it: a [`SensorSource`], at the application processor's end of the link.

use embedded_io::{Error as _, Read, ReadReady, Write, WriteReady};
use qlens_board::queue::EventSink;
use qlens_board::{SensorEvent, SensorKind, SensorSource};

use crate::driver::Driver;
use crate::endpoint::{Endpoint, State, Timing};
use crate::message::{Command, Event, EventKind, HubConfig, HubStats, VERSION};
use crate::side::Processor;

/// Frames of commands that wait to be sent.
const TX: usize = 16;
/// Bytes of events that wait until the application takes them: seven utterances of the longest kind.
const RX: usize = 8192;
/// Items of each stream that wait.
const STREAM: usize = 256;

/// Most calls of [`Driver::poll`] in one of [`SensorSource::poll`]: whatever babbles, the model goes on.
const ROUNDS: usize = 8;

/// Nobody wears the glasses, and a message of the hub woke this chip: so long after the last of it, in microseconds,
/// it sleeps again.
const LINGER_US: u64 = 100_000;

/// The hub behind a link `L`.
///
/// An event is acknowledged once it is in this end's queue, and leaves that only while the application's has room: none
/// is lost between the chips, and an application that is slow slows the hub. Sound and motion are sent only if somebody
/// asks for them ([`HubSource::configure`]), which nobody does yet; what comes is counted and dropped.
///
/// While nobody wears the glasses ([`SensorSource::sleep`]) the link sleeps. There is no line to wake this chip but the
/// link's own: the hub sends a zero, which ends no frame and only makes the UART raise its interrupt.
#[derive(Debug)]
pub struct HubSource<L> {
    driver: Driver<L, Processor, TX, RX, STREAM>,
    /// The state that was told last, and how often the hub had been joined then.
    told: (State, u32),
    /// Nobody wears the glasses.
    is_off: bool,
    /// When a message last came, or what woke this chip.
    heard_us: u64,
    /// The time of the last event, on the hub's clock.
    event_us: u64,
    stats: Option<HubStats>,
    chunks: u64,
    wanted: HubConfig,
    /// The hub that is joined was told so.
    is_configured: bool,
}

impl<L: Read + ReadReady + Write + WriteReady> HubSource<L> {
    /// A hub that is looked for. `seed` as for [`Endpoint::new`].
    pub const fn new(link: L, seed: u64) -> Self {
        Self {
            driver: Driver::new(link, Endpoint::new(seed, Timing::DEFAULT)),
            told: (State::Joining, 0),
            is_off: false,
            heard_us: 0,
            event_us: 0,
            stats: None,
            chunks: 0,
            wanted: HubConfig {
                audio: false,
                ..HubConfig::DEFAULT
            },
            is_configured: false,
        }
    }

    /// What the hub is to send, and when to call something a gesture: from the next join on, and at once if it is joined.
    pub fn configure(&mut self, wanted: HubConfig) {
        self.wanted = wanted;
        self.is_configured = false;
    }

    /// This end of the link: its counters, its state, and what is sent to the hub.
    pub fn endpoint(&mut self) -> &mut Endpoint<Processor, TX, RX, STREAM> {
        &mut self.driver.endpoint
    }

    /// The link.
    pub fn link(&mut self) -> &mut L {
        self.driver.link()
    }

    /// How the hub is, as it said last.
    pub const fn stats(&self) -> Option<HubStats> {
        self.stats
    }

    /// Pieces of sound that came.
    pub const fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Moves bytes both ways.
    fn exchange(&mut self, now_us: u64) {
        let asleep = |state| matches!(state, State::Asleep | State::FallingAsleep);
        if self.driver.endpoint.state() == State::Asleep
            && self.driver.link().read_ready().unwrap_or(false)
        {
            self.heard_us = now_us;
            self.driver.endpoint.wake(now_us);
        }
        for _ in 0..ROUNDS {
            match self.driver.poll(now_us) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    log::warn!("sensor hub: the link reports {:?}", error.kind());
                    break;
                }
            }
        }
        if self.driver.endpoint.state() == State::Up && !self.is_configured {
            let command = Command::Configure(self.wanted);
            self.is_configured = self.driver.endpoint.send(&command).is_ok();
        }
        let quiet = self.driver.endpoint.waiting() == 0
            && self.driver.endpoint.unacknowledged() == 0
            && now_us.saturating_sub(self.heard_us) >= LINGER_US;
        if self.is_off && quiet && !asleep(self.driver.endpoint.state()) {
            self.driver.endpoint.sleep(now_us);
        }
    }

    /// Tells what became of the link since the last call.
    fn tell(&mut self, events: &mut dyn EventSink) {
        let state = self.driver.endpoint.state();
        // A hub that starts again may be joined anew between two looks.
        let joins = self.driver.endpoint.counters().joins.0;
        let before = core::mem::replace(&mut self.told, (state, joins));
        self.is_configured &= before.1 == joins;
        if before == self.told {
            return;
        }
        match state {
            State::Up if before.1 == joins => {}
            State::Up | State::PeerAsleep => log::info!("sensor hub: joined"),
            State::Joining if self.is_off => {}
            State::Joining => {
                log::warn!("sensor hub: silent");
                events.push(SensorEvent::new(self.event_us, SensorKind::Lost));
            }
            State::OtherVersion { theirs } => log::error!(
                "sensor hub: it speaks version {theirs} of the protocol, this firmware version {VERSION}; \
                 both chips need firmware of one build"
            ),
            State::FallingAsleep | State::Asleep => log::debug!("sensor hub: {state:?}"),
        }
    }

    fn take(&mut self, event: Event, events: &mut dyn EventSink) {
        match event.into_sensor() {
            Ok(event) => {
                self.event_us = event.at_us;
                events.push(event);
            }
            Err(Event {
                kind: EventKind::Stats(stats),
                ..
            }) => {
                log::debug!("sensor hub: {stats:?}");
                self.stats = Some(stats);
            }
            Err(event) => log::debug!("sensor hub: {:?}", event.kind),
        }
    }
}

impl<L: Read + ReadReady + Write + WriteReady> SensorSource for HubSource<L> {
    fn poll(&mut self, now_us: u64, events: &mut dyn EventSink) {
        self.exchange(now_us);
        while !events.is_full()
            && let Some(event) = self.driver.endpoint.next_message()
        {
            self.heard_us = now_us;
            self.take(event, events);
        }
        while self.driver.endpoint.next_audio().is_some() {
            self.chunks += 1;
        }
        while self.driver.endpoint.next_imu().is_some() {}
        if !events.is_full() {
            self.tell(events);
        }
    }

    fn due_us(&self) -> Option<u64> {
        let endpoint = &self.driver.endpoint;
        if endpoint.waiting() > 0 {
            return Some(0);
        }
        let again = self.is_off && endpoint.state() != State::Asleep;
        let again = again.then_some(self.heard_us.saturating_add(LINGER_US));
        [endpoint.due_us(), again].into_iter().flatten().min()
    }

    fn sleep(&mut self, now_us: u64) {
        self.is_off = true;
        self.heard_us = now_us;
    }

    fn wake(&mut self, now_us: u64) {
        self.is_off = false;
        self.driver.endpoint.wake(now_us);
    }
}
