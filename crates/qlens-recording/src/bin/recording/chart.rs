//! A recording over time, in columns: what pictures are made of.

use qlens_recording::events::events;
use qlens_recording::file::File;
use qlens_recording::wire::Decoder;
use qlens_recording::{Record, Sample};
use qlens_sense::samples::{
    ACCEL_COUNTS_PER_G, TOUCH_PRESSURE_MAX, TOUCH_X_MAX, TOUCH_Y_MAX, centilux,
};
use qlens_sense::{Settings, touch, wear};

/// Microseconds between two samples of the slowest sensor, with their jitter, and of a finger that stays.
const SLOWEST_US: u64 = 150_000;
const FINGER_US: u64 = 30_000;

/// The least and the greatest value of what falls into a column, as shares of the track's height.
pub type Column = Option<(f64, f64)>;

/// One quantity over time.
pub struct Line {
    pub name: &'static str,
    low: f64,
    high: f64,
    pub columns: Vec<Column>,
    /// At most so many columns lie between samples of one movement.
    pub bridge: usize,
}

impl Line {
    fn new(name: &'static str, (low, high): (f64, f64), columns: usize, bridge: usize) -> Self {
        let columns = vec![None; columns];
        Self {
            name,
            low,
            high,
            columns,
            bridge,
        }
    }

    fn share(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn put(&mut self, column: usize, value: f64) {
        let share = self.share(value);
        if let Some(column) = self.columns.get_mut(column) {
            let (low, high) = column.get_or_insert((share, share));
            *low = low.min(share);
            *high = high.max(share);
        }
    }
}

/// What one sensor measured.
pub struct Track {
    pub name: &'static str,
    pub lines: Vec<Line>,
    /// Heights at which the hub decides, as shares.
    pub thresholds: Vec<f64>,
}

impl Track {
    fn new(name: &'static str, lines: Vec<Line>, thresholds: &[f64]) -> Self {
        let thresholds = thresholds.iter().map(|&value| lines[0].share(value));
        Self {
            name,
            thresholds: thresholds.collect(),
            lines,
        }
    }
}

/// A recording over time.
pub struct Chart {
    pub seconds: f64,
    pub tracks: [Track; 5],
    /// What a hub tells, when (seconds): words and marks are among it.
    pub labels: Vec<(f64, String)>,
}

impl Chart {
    /// In so many columns.
    pub fn new(file: &File, columns: usize) -> Self {
        let end_us = file
            .frames()
            .map(|frame| frame.at_us)
            .max()
            .unwrap_or(0)
            .max(1);
        let bridge = |us: u64| 1 + (us * columns as u64 / end_us) as usize;
        let line = |name, low, high| Line::new(name, (low, high), columns, bridge(SLOWEST_US));
        let place =
            |name, high| Line::new(name, (0.0, f64::from(high)), columns, bridge(FINGER_US));
        let settings = Settings::DEFAULT;
        let degrees = |hundredths: i16| f64::from(hundredths) / 100.0;
        let mut chart = Self {
            seconds: end_us as f64 / 1e6,
            tracks: [
                Track::new(
                    "touch",
                    vec![
                        line("pressure", 0.0, f64::from(TOUCH_PRESSURE_MAX)),
                        place("x", TOUCH_X_MAX),
                        place("y", TOUCH_Y_MAX),
                    ],
                    &[f64::from(touch::PRESS)],
                ),
                Track::new(
                    "motion",
                    vec![
                        line("pitch ±90°", -90.0, 90.0),
                        line("force 0 to 2 g", 0.0, 2.0),
                    ],
                    &[
                        degrees(settings.head_up_centidegrees),
                        degrees(settings.head_down_centidegrees),
                    ],
                ),
                Track::new(
                    "proximity",
                    vec![line("counts to 6000", 0.0, 6000.0)],
                    &[f64::from(wear::NEAR), f64::from(wear::FAR)],
                ),
                // Each step up is twice as bright: from 1/8 to 131,072 lux.
                Track::new("light", vec![line("lux, log scale", -3.0, 17.0)], &[]),
                Track::new("sound", vec![line("amplitude", -32_768.0, 32_768.0)], &[]),
            ],
            labels: Vec::new(),
        };
        let mut decoder = Decoder::new();
        for frame in file.frames() {
            if let Ok(record) = frame.record(&mut decoder) {
                let column = u128::from(record.at_us) * columns as u128 / u128::from(end_us);
                chart.put((column as usize).min(columns - 1), &record);
            }
        }
        let told = events(file.frames()).into_iter();
        chart.labels = told
            .map(|told| (told.at_us as f64 / 1e6, told.what.to_string()))
            .collect();
        // An utterance is told later than it began.
        chart.labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        chart
    }

    fn put(&mut self, column: usize, record: &Record<'_>) {
        let [touch, motion, proximity, light, sound] = &mut self.tracks;
        match record.sample {
            Sample::Touch(sample) => {
                touch.lines[0].put(column, f64::from(sample.pressure));
                // Elsewhere the place means nothing.
                if sample.pressure >= touch::PRESS {
                    touch.lines[1].put(column, f64::from(sample.x));
                    touch.lines[2].put(column, f64::from(sample.y));
                }
            }
            Sample::Imu(sample) => {
                let [x, y, z] = sample
                    .accel
                    .map(|n| f64::from(n) / f64::from(ACCEL_COUNTS_PER_G));
                motion.lines[0].put(column, x.atan2(y.hypot(z)).to_degrees());
                motion.lines[1].put(column, x.hypot(y).hypot(z));
            }
            Sample::Proximity(counts) => proximity.lines[0].put(column, f64::from(counts)),
            Sample::Light(word) => {
                if let Some(centilux) = centilux(word) {
                    light.lines[0].put(column, (f64::from(centilux) / 100.0).log2());
                }
            }
            Sample::Microphone(samples) => {
                for sample in samples.iter() {
                    sound.lines[0].put(column, f64::from(sample));
                }
            }
            _ => {}
        }
    }
}
