//! What is in a recording.

use std::fmt;

use qlens_recording::Sample;
use qlens_recording::file::{Cut, File};
use qlens_recording::wire::Decoder;
use serde_json::{Value, json};

/// Names of the kinds of records, in the order of their numbers in the format.
const KINDS: [&str; 10] = [
    "start",
    "touch",
    "imu",
    "proximity",
    "light",
    "microphone",
    "battery",
    "temperature",
    "words",
    "mark",
];

pub struct Info {
    start_unix_s: u64,
    length_us: u64,
    bytes: usize,
    records: [u64; KINDS.len()],
    /// When, which, and whether the player waits.
    marks: Vec<(u64, u32, bool)>,
    damaged: u64,
    /// Records that are older than the one before them.
    backwards: u64,
    cut: Option<Cut>,
}

const fn kind(sample: &Sample<'_>) -> usize {
    match sample {
        Sample::Start { .. } => 0,
        Sample::Touch(_) => 1,
        Sample::Imu(_) => 2,
        Sample::Proximity(_) => 3,
        Sample::Light(_) => 4,
        Sample::Microphone(_) => 5,
        Sample::Battery { .. } => 6,
        Sample::Temperature(_) => 7,
        Sample::Words(_) => 8,
        Sample::Mark { .. } => 9,
    }
}

impl Info {
    pub fn new(file: &File) -> Self {
        let mut info = Self {
            start_unix_s: file.start_unix_s(),
            length_us: 0,
            bytes: 0,
            records: [0; KINDS.len()],
            marks: Vec::new(),
            damaged: 0,
            backwards: 0,
            cut: file.cut(),
        };
        let mut decoder = Decoder::new();
        let mut last_us = 0;
        for frame in file.frames() {
            info.bytes += frame.bytes.len();
            let Ok(record) = frame.record(&mut decoder) else {
                info.damaged += 1;
                continue;
            };
            info.records[kind(&record.sample)] += 1;
            info.backwards += u64::from(record.at_us < last_us);
            last_us = record.at_us;
            info.length_us = info.length_us.max(record.at_us);
            if let Sample::Mark { number, wait } = record.sample {
                info.marks.push((record.at_us, number, wait));
            }
        }
        info
    }

    /// Records a second.
    fn rate(&self, kind: usize) -> f64 {
        self.records[kind] as f64 * 1e6 / self.length_us.max(1) as f64
    }

    pub fn json(&self) -> Value {
        let sensors = KINDS.iter().enumerate().map(|(kind, name)| {
            let count = json!({ "records": self.records[kind], "hz": self.rate(kind) });
            ((*name).to_string(), count)
        });
        let marks = self
            .marks
            .iter()
            .map(|(at_us, number, wait)| json!({ "at_us": at_us, "number": number, "wait": wait }));
        json!({
            "start_unix_s": self.start_unix_s,
            "length_us": self.length_us,
            "frame_bytes": self.bytes,
            "kinds": sensors.collect::<serde_json::Map<_, _>>(),
            "marks": marks.collect::<Vec<_>>(),
            "damaged": self.damaged,
            "backwards": self.backwards,
            "cut_at_byte": self.cut.map(|cut| cut.offset),
        })
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |us: u64| us as f64 / 1e6;
        writeln!(f, "length      {:.3} s", seconds(self.length_us))?;
        writeln!(
            f,
            "start       {} s after 1970-01-01, local time",
            self.start_unix_s
        )?;
        writeln!(f, "frames      {} bytes", self.bytes)?;
        for (kind, name) in KINDS.iter().enumerate().skip(1) {
            let rate = self.rate(kind);
            let count = self.records[kind];
            if rate >= 1.0 {
                writeln!(f, "{name:<11} {count}, {rate:.1} a second")?;
            } else {
                writeln!(f, "{name:<11} {count}")?;
            }
        }
        for &(at_us, number, wait) in &self.marks {
            let waits = if wait { ", the player waits" } else { "" };
            writeln!(f, "mark {number:<6} at {:.3} s{waits}", seconds(at_us))?;
        }
        if self.damaged > 0 {
            writeln!(f, "damaged     {} frames", self.damaged)?;
        }
        if self.backwards > 0 {
            writeln!(
                f,
                "backwards   {} records are older than the one before them",
                self.backwards
            )?;
        }
        Ok(())
    }
}
