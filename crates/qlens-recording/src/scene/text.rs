//! The text of a scene.

use core::ops::Range;
use std::format;
use std::path::Path;
use std::string::String;
use std::vec::Vec;

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::steps::Timeline;
use super::{Scene, SceneError, Touch};

/// dB of full scale of a microphone in a quiet room.
const QUIET_DB: f64 = -80.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    about: String,
    start: Spanned<Datetime>,
    noise: Option<Spanned<f64>>,
    #[serde(default)]
    seed: u64,
    background: Option<Spanned<f64>>,
    #[serde(default, rename = "do")]
    entries: Vec<Spanned<Entry>>,
}

/// One `[[do]]`: when, and one of the rest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub at: Option<Spanned<f64>>,
    pub after: Option<Spanned<f64>>,
    pub wear: Option<Spanned<bool>>,
    pub look: Option<Spanned<Look>>,
    pub touch: Option<Spanned<Touch>>,
    pub swipe: Option<Spanned<Way>>,
    pub speak: Option<Spanned<Speak>>,
    pub walk: Option<Spanned<bool>>,
    pub light: Option<Spanned<f64>>,
    pub battery: Option<Spanned<Battery>>,
    pub temperature: Option<Spanned<f64>>,
    pub wait: Option<Spanned<String>>,
    pub end: Option<Spanned<bool>>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "`look` is \"up\", \"down\" or degrees over the horizon, for instance 45"
)]
pub(super) enum Look {
    Named(Gaze),
    Degrees(f64),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Gaze {
    Up,
    Down,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Way {
    Forward,
    Back,
    Up,
    Down,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Speak {
    pub sound: Spanned<String>,
    pub words: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Battery {
    pub percent: Spanned<f64>,
    #[serde(default)]
    pub charging: bool,
}

/// The text and the folder of a scene, for what has to be said of it.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub text: &'a str,
    pub folder: &'a Path,
}

impl Source<'_> {
    pub fn error(self, at: &Range<usize>, what: String) -> SceneError {
        SceneError::new(self.text, at, what)
    }

    /// A number that has to be in a range.
    pub fn within(
        self,
        name: &str,
        unit: &str,
        value: &Spanned<f64>,
        range: core::ops::RangeInclusive<f64>,
    ) -> Result<f64, SceneError> {
        let number = *value.get_ref();
        // Which is also false for what is no number.
        if range.contains(&number) {
            return Ok(number);
        }
        let (low, high) = range.into_inner();
        let what = format!("`{name}` is {number}: it goes from {low} to {high}{unit}");
        Err(self.error(&value.span(), what))
    }
}

pub(super) fn parse(text: &str, folder: &Path) -> Result<Scene, SceneError> {
    let document: Document =
        toml::from_str(text).map_err(|error| SceneError::toml(text, &error))?;
    let source = Source { text, folder };
    let start_unix_s = unix_seconds(document.start.get_ref()).ok_or_else(|| {
        let what = "`start` is the local date and time, from 1970 on and without a zone: \
                    write for instance 2026-05-04T09:41:00";
        source.error(&document.start.span(), what.into())
    })?;
    let number = |name, unit, value: Option<Spanned<f64>>, default, range| match value {
        None => Ok(default),
        Some(value) => source.within(name, unit, &value, range),
    };
    let noise = number("noise", "", document.noise, 1.0, 0.0..=2.0)?;
    let background = document.background;
    let background_db = number("background", " dB", background, QUIET_DB, -96.0..=-10.0)?;
    let mut timeline = Timeline::new(source);
    for entry in document.entries {
        timeline.add(entry)?;
    }
    let (steps, length_us) = timeline.finish()?;
    Ok(Scene {
        about: document.about,
        start_unix_s,
        noise,
        seed: document.seed,
        background_db,
        steps,
        length_us,
    })
}

/// Seconds since 1970 of a date and time without a zone; `None` for anything else.
fn unix_seconds(start: &Datetime) -> Option<u64> {
    let (Some(date), Some(time), None) = (start.date, start.time, start.offset) else {
        return None;
    };
    let year = u64::from(date.year.checked_sub(1970)?) + 1970;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let leaps = |year: u64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let months = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::from(date.month.checked_sub(1)?);
    let mut days = (year - 1970) * 365 + leaps(year) - leaps(1970);
    days += months.get(..before)?.iter().sum::<u64>();
    days += u64::from(before > 1 && is_leap(year));
    days += u64::from(date.day.checked_sub(1)?);
    let second = u64::from(time.second.unwrap_or(0));
    Some(days * 86_400 + u64::from(time.hour) * 3600 + u64::from(time.minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_those_of_the_clock_on_the_wall() {
        // As `date -u -d … +%s` says.
        for (text, seconds) in [
            ("1970-01-01T00:00:00", Some(0)),
            ("2000-02-29T23:59:59", Some(951_868_799)),
            ("2000-03-01T00:00", Some(951_868_800)),
            ("2026-11-26T16:12:23", Some(1_795_709_543)),
            ("2100-03-01T00:00:00", Some(4_107_542_400)),
            ("1969-12-31T00:00:00", None),
            ("2026-11-26", None),
            ("16:12:23", None),
            ("2026-11-26T16:12:23Z", None),
        ] {
            let start: Datetime = text.parse().expect("TOML");
            assert_eq!(unix_seconds(&start), seconds, "{text}");
        }
    }
}
