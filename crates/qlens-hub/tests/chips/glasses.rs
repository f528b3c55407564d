//! Two chips on two wires, in a time that the test moves.

use embedded_io::Write;
use qlens_board::wire::{WireEnd, wire};
use qlens_board::{EventQueue, SensorEvent, SensorKind, SensorSource};
use qlens_hub::{Figures, Hub};
use qlens_link::HubSource;
use qlens_recording::{FRAME_BYTES, Record, Sample, VERSION, wire as frames};
use qlens_sense::samples::TouchSample;

/// A pair of glasses, with the time in microseconds.
pub struct Glasses {
    pub hub: Option<Hub<WireEnd>>,
    pub source: HubSource<WireEnd>,
    pub queue: EventQueue<16>,
    pub came: Vec<SensorKind>,
    pub now_us: u64,
    /// Times at which the application processor was awake.
    pub awake: u64,
    /// Whether the application takes events.
    pub takes: bool,
    ends: [WireEnd; 2],
    boots: u64,
}

impl Glasses {
    pub fn new() -> Self {
        let ends = wire();
        let mut glasses = Self {
            hub: None,
            source: HubSource::new(ends[1].clone(), 2),
            queue: EventQueue::new(),
            came: Vec::new(),
            now_us: 0,
            awake: 0,
            takes: true,
            ends,
            boots: 10,
        };
        glasses.start_hub();
        glasses
    }

    /// The hub starts, or starts again.
    pub fn start_hub(&mut self) {
        self.boots += 1;
        self.hub = Some(Hub::new(self.ends[0].clone(), self.boots));
    }

    /// What is on the wires.
    pub fn wires(&self) -> &[WireEnd; 2] {
        &self.ends
    }

    /// Lets so many milliseconds pass.
    pub fn pass(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.now_us += 1000;
            if let Some(hub) = &mut self.hub {
                while hub.poll(self.now_us, &mut Figures::default).unwrap() {}
                if hub.wake_line() {
                    let Ok(_) = self.ends[0].write(&[0]);
                }
            }
            // An interrupt, or the alarm: otherwise it sleeps.
            let due = self.source.due_us().is_some_and(|due| due <= self.now_us);
            if !due && self.ends[1].waiting() == 0 {
                continue;
            }
            self.awake += 1;
            self.source.poll(self.now_us, &mut self.queue);
            while self.takes
                && let Some(SensorEvent { kind, .. }) = self.queue.pop()
            {
                match kind {
                    SensorKind::Removed => self.source.sleep(self.now_us),
                    SensorKind::Worn => self.source.wake(self.now_us),
                    _ => {}
                }
                self.came.push(kind);
            }
        }
    }

    /// Gives the hub a sample; `false` if it does not take one now.
    pub fn sample(&mut self, at_us: u64, sample: Sample<'_>) -> bool {
        let mut frame = [0; FRAME_BYTES];
        let frame = frames::encode(&Record::new(at_us, sample), &mut frame).unwrap();
        let hub = self.hub.as_mut().expect("it runs");
        if !hub.takes() {
            return false;
        }
        for &byte in frame {
            hub.take(byte, &mut |_| {});
        }
        true
    }

    pub fn begin(&mut self) {
        let start = Sample::Start {
            version: VERSION,
            unix_s: 0,
        };
        assert!(self.sample(0, start));
    }

    /// The proximity sensor says for three seconds that the glasses are on, or are not.
    pub fn wear(&mut self, from_us: u64, worn: bool) {
        let counts = if worn { 4500 } else { 300 };
        for step in 0..60 {
            self.sample(from_us + step * 50_000, Sample::Proximity(counts));
            self.pass(50);
        }
    }

    /// A finger for so long.
    pub fn touch(&mut self, from_us: u64, held_ms: u64) {
        for step in 0..held_ms / 10 + 10 {
            let pressure = if step < held_ms / 10 { 500 } else { 0 };
            let (x, y) = (1000, 300);
            let finger = TouchSample { x, y, pressure };
            self.sample(from_us + step * 10_000, Sample::Touch(finger));
            self.pass(10);
        }
    }
}
