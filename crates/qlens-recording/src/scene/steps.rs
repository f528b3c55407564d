//! What a scene's entries mean: when each is done, and that one body can do them.

use core::ops::Range;
use std::format;
use std::string::String;
use std::vec::Vec;

use qlens_board::Direction;
use qlens_board::event::UTTERANCE_BYTES;
use toml::Spanned;

use super::text::{Battery, Entry, Gaze, Look, Source, Speak, Way};
use super::{Action, LONGEST_US, SceneError, Step};
use crate::render;
use crate::sound::mu_law;

/// Seconds from the end of one thing to the beginning of the next, where a scene says nothing else.
const PAUSE_S: f64 = 1.0;

/// Pitch of a head that looks up, and of one that does not, in degrees.
const UP: f64 = 45.0;
const DOWN: f64 = 0.0;

/// An action is one of them, and its name in the text.
const ACTIONS: &str =
    "wear, look, touch, swipe, speak, walk, light, battery, temperature, wait or end";

/// What an entry says is done.
enum Done {
    Action(Action),
    End,
}

/// The entries so far.
pub(super) struct Timeline<'a> {
    source: Source<'a>,
    steps: Vec<Step>,
    /// When the last began and when it is over, in microseconds.
    begun_us: u64,
    over_us: u64,
    end_us: Option<u64>,
    worn: bool,
    /// Until when the finger, the head and the voice have something to do.
    finger_us: u64,
    head_us: u64,
    voice_us: u64,
}

impl<'a> Timeline<'a> {
    pub const fn new(source: Source<'a>) -> Self {
        Self {
            source,
            steps: Vec::new(),
            begun_us: 0,
            over_us: 0,
            end_us: None,
            worn: false,
            finger_us: 0,
            head_us: 0,
            voice_us: 0,
        }
    }

    pub fn add(&mut self, entry: Spanned<Entry>) -> Result<(), SceneError> {
        let span = entry.span();
        let entry = entry.into_inner();
        if self.end_us.is_some() {
            let what = "nothing is done after `end`: move it to the end, or leave it out";
            return Err(self.source.error(&span, what.into()));
        }
        let at_us = self.time(&span, &entry)?;
        let (at, done) = self.the_one(&span, entry)?;
        self.begun_us = at_us;
        let Done::Action(action) = done else {
            self.end_us = Some(at_us);
            return Ok(());
        };
        self.do_one_thing_at_a_time(at_us, &at, &action)?;
        self.over_us = self.over_us.max(at_us + render::takes_us(&action));
        self.steps.push(Step { at_us, action });
        Ok(())
    }

    /// What is done, and when all of it is over.
    pub fn finish(self) -> Result<(Vec<Step>, u64), SceneError> {
        let length_us = self.end_us.unwrap_or(self.over_us + micros(PAUSE_S));
        if length_us < self.over_us || length_us > LONGEST_US {
            let what = format!(
                "it is over after {} s, where what is done takes {} s: at most {} s, and not before all is done",
                seconds(length_us),
                seconds(self.over_us),
                seconds(LONGEST_US)
            );
            let all = self.source.text.len();
            return Err(self.source.error(&(all..all), what));
        }
        Ok((self.steps, length_us))
    }

    /// When an entry begins.
    fn time(&self, span: &Range<usize>, entry: &Entry) -> Result<u64, SceneError> {
        let longest = seconds(LONGEST_US);
        match (&entry.at, &entry.after) {
            (Some(at), None) => {
                let at_us = micros(self.source.within("at", " s", at, 0.0..=longest)?);
                if at_us < self.begun_us {
                    let what = format!(
                        "`at` is {}, before the entry above, which begins at {}: entries stand in the order of time",
                        at.get_ref(),
                        seconds(self.begun_us)
                    );
                    return Err(self.source.error(&at.span(), what));
                }
                Ok(at_us)
            }
            (None, Some(after)) => {
                let after = self.source.within("after", " s", after, 0.0..=longest)?;
                Ok(self.over_us.max(self.begun_us) + micros(after))
            }
            (None, None) if self.steps.is_empty() => Ok(0),
            (None, None) => Ok(self.over_us.max(self.begun_us) + micros(PAUSE_S)),
            (Some(_), Some(_)) => {
                let what = "`at` or `after`, not both: seconds from the beginning, or from the end of the entry above";
                Err(self.source.error(span, what.into()))
            }
        }
    }

    /// The only thing that an entry says is done, and where it says so.
    fn the_one(
        &mut self,
        span: &Range<usize>,
        entry: Entry,
    ) -> Result<(Range<usize>, Done), SceneError> {
        let source = self.source;
        let mut said: Option<(Range<usize>, &str, Done)> = None;
        let mut say = |at: Range<usize>, name: &'static str, done: Done| match &said {
            None => {
                said = Some((at, name, done));
                Ok(())
            }
            Some((_, other, _)) => {
                let what =
                    format!("`{other}` and `{name}` in one entry: give each a [[do]] of its own");
                Err(source.error(&at, what))
            }
        };
        if let Some(wear) = entry.wear {
            say(
                wear.span(),
                "wear",
                Done::Action(Action::Wear(*wear.get_ref())),
            )?;
        }
        if let Some(look) = entry.look {
            let pitch = match look.get_ref() {
                Look::Named(Gaze::Up) => UP,
                Look::Named(Gaze::Down) => DOWN,
                Look::Degrees(degrees) => {
                    let degrees = Spanned::new(look.span(), *degrees);
                    source.within("look", " degrees", &degrees, -80.0..=80.0)?
                }
            };
            say(look.span(), "look", Done::Action(Action::Look { pitch }))?;
        }
        if let Some(touch) = entry.touch {
            say(
                touch.span(),
                "touch",
                Done::Action(Action::Touch(*touch.get_ref())),
            )?;
        }
        if let Some(swipe) = entry.swipe {
            let direction = match swipe.get_ref() {
                Way::Forward => Direction::Forward,
                Way::Back => Direction::Back,
                Way::Up => Direction::Up,
                Way::Down => Direction::Down,
            };
            say(
                swipe.span(),
                "swipe",
                Done::Action(Action::Swipe(direction)),
            )?;
        }
        if let Some(speak) = entry.speak {
            let action = speech(source, speak.get_ref())?;
            say(speak.span(), "speak", Done::Action(action))?;
        }
        if let Some(walk) = entry.walk {
            say(
                walk.span(),
                "walk",
                Done::Action(Action::Walk(*walk.get_ref())),
            )?;
        }
        if let Some(light) = entry.light {
            // What the part measures.
            let lux = source.within("light", " lux", &light, 0.0..=83_000.0)?;
            say(light.span(), "light", Done::Action(Action::Light { lux }))?;
        }
        if let Some(battery) = entry.battery {
            let Battery { percent, charging } = battery.get_ref();
            let percent = source.within("percent", "", percent, 0.0..=100.0)?;
            let charging = *charging;
            say(
                battery.span(),
                "battery",
                Done::Action(Action::Battery { percent, charging }),
            )?;
        }
        if let Some(temperature) = entry.temperature {
            let celsius = source.within("temperature", " degrees", &temperature, -55.0..=150.0)?;
            say(
                temperature.span(),
                "temperature",
                Done::Action(Action::Temperature { celsius }),
            )?;
        }
        if let Some(wait) = entry.wait {
            let name = self.name(&wait)?;
            let waits = self
                .steps
                .iter()
                .filter(|step| matches!(step.action, Action::Wait { .. }));
            let number = 1 + waits.count() as u32;
            say(
                wait.span(),
                "wait",
                Done::Action(Action::Wait { number, name }),
            )?;
        }
        if let Some(end) = entry.end {
            if !end.get_ref() {
                let what = "`end` is always true: leave the entry out if it is not to end here";
                return Err(source.error(&end.span(), what.into()));
            }
            say(end.span(), "end", Done::End)?;
        }
        let Some((at, _, done)) = said else {
            let what = format!("nothing is done in this entry: say one of {ACTIONS}");
            return Err(source.error(span, what));
        };
        Ok((at, done))
    }

    /// The name of a wait, which pictures can be called after.
    fn name(&self, wait: &Spanned<String>) -> Result<String, SceneError> {
        let name = wait.get_ref();
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.starts_with('-') || !name.chars().all(is_plain) {
            let what = format!(
                "{name:?} cannot be the name of a wait: small letters, digits and hyphens, for instance \"answer\""
            );
            return Err(self.source.error(&wait.span(), what));
        }
        let is_it =
            |step: &Step| matches!(&step.action, Action::Wait { name: other, .. } if other == name);
        if self.steps.iter().any(is_it) {
            let what = format!("there is a wait {name:?} before: give each a name of its own");
            return Err(self.source.error(&wait.span(), what));
        }
        Ok(name.clone())
    }

    fn do_one_thing_at_a_time(
        &mut self,
        at_us: u64,
        at: &Range<usize>,
        action: &Action,
    ) -> Result<(), SceneError> {
        if let Action::Wear(on) = *action {
            if on == self.worn {
                let what = format!("the glasses are {} already", if on { "on" } else { "off" });
                return Err(self.source.error(at, what));
            }
            self.worn = on;
        }
        let (who, busy_us) = match action {
            Action::Touch(_) | Action::Swipe(_) => ("finger", &mut self.finger_us),
            Action::Look { .. } => ("head", &mut self.head_us),
            Action::Speak { .. } => ("voice", &mut self.voice_us),
            _ => return Ok(()),
        };
        if at_us < *busy_us {
            let what = format!(
                "the {who} is busy until {} s with something before, and this begins at {} s",
                seconds(*busy_us),
                seconds(at_us)
            );
            return Err(self.source.error(at, what));
        }
        *busy_us = at_us + render::takes_us(action);
        Ok(())
    }
}

fn speech(source: Source<'_>, speak: &Speak) -> Result<Action, SceneError> {
    let name = speak.sound.get_ref();
    let path = source.folder.join(name);
    let bytes = std::fs::read(&path).map_err(|error| {
        let what = format!("the sound {} cannot be read: {error}", path.display());
        source.error(&speak.sound.span(), what)
    })?;
    if path.extension().is_none_or(|end| end != "ul") || bytes.is_empty() {
        let what = format!(
            "{name:?} is no sound: a file.ul has mu-law without a header, one channel at 16 kHz; \
             `sox IN -r 16000 -c 1 -b 8 -e mu-law -t raw OUT.ul` makes one"
        );
        return Err(source.error(&speak.sound.span(), what));
    }
    let words = speak.words.as_ref().map(|words| {
        let length = words.get_ref().len();
        if (1..=UTTERANCE_BYTES).contains(&length) {
            return Ok(words.get_ref().clone());
        }
        let what = format!("`words` of {length} bytes: an utterance has 1 to {UTTERANCE_BYTES}; say the rest in another");
        Err(source.error(&words.span(), what))
    });
    Ok(Action::Speak {
        sound: mu_law(&bytes),
        words: words.transpose()?,
    })
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
