//! Scenes: what a wearer does, in a file that people write, which is [rendered](crate::render) into a recording.
//!
//! `traces/README.md` in the repository describes the file and has an example.

mod error;
mod steps;
mod text;

use std::path::Path;
use std::string::String;
use std::vec::Vec;

use qlens_board::Direction;

pub use error::SceneError;

/// Longest scene, in microseconds: an hour.
pub const LONGEST_US: u64 = 3_600_000_000;

/// What a wearer does, and around them.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// What it is about, for people.
    pub about: String,
    /// Seconds since 1970-01-01, where the glasses are worn, at its beginning.
    pub start_unix_s: u64,
    /// Noise of the sensors, and how much the wearer fidgets, in that of usual parts and people: 0 to 2.
    pub noise: f64,
    /// Other noise for another number.
    pub seed: u64,
    /// Noise of the room and the microphone, which is white, in dB of full scale.
    pub background_db: f64,
    /// What is done, in the order of time.
    pub steps: Vec<Step>,
    /// When it is over, in microseconds.
    pub length_us: u64,
}

/// Something that is done, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When it begins, in microseconds.
    pub at_us: u64,
    /// What is done.
    pub action: Action,
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The glasses are put on, or taken off.
    Wear(bool),
    /// The head turns to a pitch.
    Look {
        /// Degrees over the horizon.
        pitch: f64,
    },
    /// A finger touches the pad and stays where it is.
    Touch(Touch),
    /// A finger is drawn over the pad.
    Swipe(Direction),
    /// The wearer begins to walk, or stops.
    Walk(bool),
    /// Something is said.
    Speak {
        /// Samples at 16 kHz.
        sound: Vec<i16>,
        /// The words of it, which a recogniser would hear.
        words: Option<String>,
    },
    /// It gets brighter or darker.
    Light {
        /// Illuminance.
        lux: f64,
    },
    /// The battery says how it is.
    Battery {
        /// Charge left, 0 to 100.
        percent: f64,
        /// On the charger.
        charging: bool,
    },
    /// The chip gets warmer or colder.
    Temperature {
        /// Degrees.
        celsius: f64,
    },
    /// Whoever plays it waits here until all that came before is done.
    Wait {
        /// Number of the mark in the recording: the first is 1.
        number: u32,
        /// What it is called, for instance for the picture that is taken there.
        name: String,
    },
}

/// How a finger touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Touch {
    /// Once, shortly.
    Tap,
    /// Twice, shortly one after the other.
    DoubleTap,
    /// For so long that it is no tap.
    LongPress,
}

impl Scene {
    /// Reads a scene and the sounds that it names, which are looked for where it is.
    ///
    /// # Errors
    /// What cannot be read, or followed: the file, the line, and what can stand there.
    pub fn read(path: &Path) -> Result<Self, SceneError> {
        let text = std::fs::read_to_string(path).map_err(|error| SceneError::file(path, &error))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|error| error.in_file(path))
    }

    /// The same from its text; sounds are looked for in `folder`.
    ///
    /// # Errors
    /// As [`Scene::read`].
    pub fn parse(text: &str, folder: &Path) -> Result<Self, SceneError> {
        text::parse(text, folder)
    }

    /// Where whoever plays it waits: the numbers of the marks and their names, in the order of time.
    pub fn waits(&self) -> impl Iterator<Item = (u32, &str)> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Wait { number, name } => Some((*number, name.as_str())),
            _ => None,
        })
    }
}
