//! What the wearer sees. Drawing is slow on every display this runs on, real or emulated, so the HUD
//! remembers what it drew and touches only what changed: while an answer is written, that is its new
//! characters and, when a word no longer fits its line, that word.
//!
//! It draws on anything that takes grey pixels, of any size; black is transparent on such glasses, so a
//! page is mostly black and an idle one almost dark.

mod canvas;
mod captions;
mod geometry;
mod screens;

use core::ops::Range;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Size;
use embedded_graphics::pixelcolor::Gray8;
use qlens_board::NoteStore;

use crate::assistant::{Assistant, Entry, Progress, Readings, Sheet, State, TimeOfDay};
use crate::layout::{Breaker, Step};
use crate::typeface::Typeface;

use canvas::{BLACK, BRIGHT, Canvas, DIM};
use captions::Captions;
pub use geometry::Geometry;

/// What is on the display.
#[derive(Clone, Debug)]
enum Picture {
    /// Nothing.
    Dark,
    /// The dashboard with these readings at this time, over this content.
    Dashboard(Readings, Option<TimeOfDay>, u32),
    /// The bar that shows the model being loaded.
    Loading { content: u32, progress: Progress },
    /// The page that invites to talk, and whether there is an answer to go back to.
    Idle(bool),
    /// The page that shows that somebody listens.
    Listening,
    /// A heading, and below it what comes of it.
    Sheet { content: u32, body: Body },
    /// The menu at this entry.
    Menu(Entry),
    /// Captions.
    Captions(Captions),
    /// The page that asks whether to forget so many notes.
    Forgetting(usize),
    /// The error page with this content.
    Error(u32),
}

/// What is below a heading.
#[derive(Clone, Debug)]
enum Body {
    /// The model's progress of reading the question, in percent.
    Thinking(u32),
    /// A page of text.
    Text {
        page: usize,
        breaker: Breaker,
        /// The byte of the text before which it is dim.
        read: usize,
        /// Whether the page is full: what comes after stands on the next one.
        full: bool,
        footer: Footer,
    },
}

/// The last line of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Footer {
    hint: &'static str,
    /// Utterances that wait to be translated.
    waiting: usize,
    lost: u32,
    page: usize,
    /// Pages; their number is shown if there is more than one.
    count: usize,
}

impl Footer {
    fn of(sheet: &Sheet<'_>) -> Self {
        Self {
            hint: sheet.hint,
            waiting: 0,
            lost: sheet.lost,
            page: sheet.page,
            count: sheet.pages.count(),
        }
    }
}

/// Draws what an assistant shows, and remembers what is drawn already.
#[derive(Clone, Debug)]
pub struct Hud {
    geometry: Geometry,
    /// `None` if nothing is known about the display.
    picture: Option<Picture>,
}

impl Hud {
    /// For a display of `display` pixels, of which nothing is known to be drawn. It has to be the size
    /// that the [`Assistant`] was made for, or its pages will be cut off.
    pub const fn new(display: Size) -> Self {
        Self {
            geometry: Geometry::new(display),
            picture: None,
        }
    }

    /// Where things stand.
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Forgets what is drawn, so that the next [`draw`](Self::draw) draws everything: for a display that
    /// lost its picture.
    pub fn invalidate(&mut self) {
        self.picture = None;
    }

    /// Makes the display show `assistant`. Touches only what changed since the last call.
    ///
    /// # Errors
    /// Whatever the display reports. The next call then draws everything.
    pub fn draw<D, N>(&mut self, assistant: &Assistant<N>, display: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget<Color = Gray8>,
        N: NoteStore,
    {
        let drawn = self.picture.take();
        let mut canvas = Canvas { display };
        self.picture = Some(self.paint(drawn, assistant, &mut canvas)?);
        Ok(())
    }

    fn paint<D, N>(
        &self,
        drawn: Option<Picture>,
        assistant: &Assistant<N>,
        canvas: &mut Canvas<'_, D>,
    ) -> Result<Picture, D::Error>
    where
        D: DrawTarget<Color = Gray8>,
        N: NoteStore,
    {
        let geometry = self.geometry;
        let content = assistant.content();
        if assistant.asleep() {
            if !matches!(drawn, Some(Picture::Dark)) {
                canvas.fill(geometry.display(), BLACK)?;
            }
            return Ok(Picture::Dark);
        }
        if assistant.dashboard() {
            let (readings, time) = (assistant.readings(), assistant.time_of_day());
            if !matches!(drawn, Some(Picture::Dashboard(old, then, of))
                if old == readings && then == time && of == content)
            {
                canvas.fill(geometry.display(), BLACK)?;
                screens::dashboard(geometry, assistant, canvas)?;
            }
            return Ok(Picture::Dashboard(readings, time, content));
        }
        match assistant.state() {
            State::Loading => {
                let progress = assistant.loading();
                let known = match drawn {
                    Some(Picture::Loading {
                        content: of,
                        progress,
                    }) if of == content => Some(progress),
                    _ => None,
                };
                if known.is_none() {
                    canvas.fill(geometry.display(), BLACK)?;
                }
                screens::loading(geometry, assistant, known, canvas)?;
                Ok(Picture::Loading { content, progress })
            }
            State::Idle => {
                let answered = !assistant.answer().is_empty();
                if !matches!(drawn, Some(Picture::Idle(old)) if old == answered) {
                    canvas.fill(geometry.display(), BLACK)?;
                    screens::idle(geometry, answered, canvas)?;
                }
                Ok(Picture::Idle(answered))
            }
            State::Listening => {
                if !matches!(drawn, Some(Picture::Listening)) {
                    canvas.fill(geometry.display(), BLACK)?;
                    screens::listening(geometry, canvas)?;
                }
                Ok(Picture::Listening)
            }
            State::Error => {
                if !matches!(drawn, Some(Picture::Error(of)) if of == content) {
                    canvas.fill(geometry.display(), BLACK)?;
                    screens::error(geometry, assistant, canvas)?;
                }
                Ok(Picture::Error(content))
            }
            State::Menu => {
                let chosen = assistant.chosen();
                if !matches!(drawn, Some(Picture::Menu(_))) {
                    canvas.fill(geometry.display(), BLACK)?;
                }
                if !matches!(drawn, Some(Picture::Menu(old)) if old == chosen) {
                    screens::menu(geometry, chosen, canvas)?;
                }
                Ok(Picture::Menu(chosen))
            }
            State::Captions | State::Translating => {
                let known = match drawn {
                    Some(Picture::Captions(captions)) => Some(captions),
                    _ => None,
                };
                let drawn = captions::draw(geometry, known, assistant, canvas)?;
                Ok(Picture::Captions(drawn))
            }
            State::Forgetting => {
                let count = assistant.notes().count();
                if !matches!(drawn, Some(Picture::Forgetting(old)) if old == count) {
                    canvas.fill(geometry.display(), BLACK)?;
                    screens::forgetting(geometry, count, canvas)?;
                }
                Ok(Picture::Forgetting(count))
            }
            State::Thinking
            | State::Answering
            | State::Paging
            | State::Notes
            | State::Summarizing
            | State::Summary
            | State::Teleprompter => {
                let known = match drawn {
                    Some(Picture::Sheet { content: of, body }) if of == content => Some(body),
                    _ => None,
                };
                let sheet = assistant.sheet();
                if known.is_none() {
                    canvas.fill(geometry.display(), BLACK)?;
                    screens::heading(geometry, sheet.heading, canvas)?;
                }
                let body = if assistant.is_thinking() {
                    let percent = assistant.prefill().percent();
                    self.thinking(known.as_ref(), percent, canvas)?
                } else {
                    self.text(known, &sheet, canvas)?
                };
                Ok(Picture::Sheet { content, body })
            }
        }
    }

    fn thinking<D>(
        &self,
        known: Option<&Body>,
        percent: u32,
        canvas: &mut Canvas<'_, D>,
    ) -> Result<Body, D::Error>
    where
        D: DrawTarget<Color = Gray8>,
    {
        match known {
            Some(&Body::Thinking(old)) if old == percent => {}
            Some(&Body::Thinking(old)) if old < percent => {
                screens::prefill(self.geometry, percent, canvas)?;
            }
            _ => {
                canvas.fill(self.geometry.answer(), BLACK)?;
                screens::thinking(self.geometry, canvas)?;
                screens::prefill(self.geometry, percent, canvas)?;
            }
        }
        Ok(Body::Thinking(percent))
    }

    fn text<D>(
        &self,
        known: Option<Body>,
        sheet: &Sheet<'_>,
        canvas: &mut Canvas<'_, D>,
    ) -> Result<Body, D::Error>
    where
        D: DrawTarget<Color = Gray8>,
    {
        let area = self.geometry.answer();
        let read = if sheet.is_empty {
            usize::MAX
        } else {
            sheet.read
        };
        let start = sheet.pages.start(sheet.page).unwrap_or_default();
        let known = match known {
            Some(Body::Text {
                page,
                breaker,
                read: old,
                full,
                footer,
            }) if page == sheet.page && old <= read => Some((breaker, old, full, footer)),
            _ => None,
        };
        let old_footer = known.as_ref().map(|&(.., footer)| footer);
        let (mut breaker, old_read, mut full) = if let Some((breaker, old, full, _)) = known {
            (breaker, old, full)
        } else {
            canvas.fill(area, BLACK)?;
            (Breaker::new(self.geometry.page(), start), read, false)
        };
        if old_read < read {
            // Laid out as it was, so that every character is where it was.
            let whole = sheet.text.get(..breaker.consumed()).unwrap_or_default();
            let mut again = Breaker::new(self.geometry.page(), start);
            self.lay_out(&mut again, whole, old_read..read, read, canvas)?;
        }
        if !full {
            full = self.lay_out(&mut breaker, sheet.text, 0..usize::MAX, read, canvas)?;
        }
        let footer = Footer::of(sheet);
        if old_footer != Some(footer) {
            screens::footer(self.geometry, footer, canvas)?;
        }
        Ok(Body::Text {
            page: sheet.page,
            breaker,
            read,
            full,
            footer,
        })
    }

    /// Lays out what `text` has grown by, and draws what of that is in `part`, dim if it is before byte `read`.
    /// Returns whether the page is full.
    fn lay_out<D>(
        &self,
        breaker: &mut Breaker,
        text: &str,
        part: Range<usize>,
        read: usize,
        canvas: &mut Canvas<'_, D>,
    ) -> Result<bool, D::Error>
    where
        D: DrawTarget<Color = Gray8>,
    {
        let area = self.geometry.answer();
        let (mut result, mut full) = (Ok(()), false);
        breaker.feed(text, &Typeface, &mut |step| {
            match step {
                Step::Glyph { at, ch, line, x } if part.contains(&at) => {
                    let level = if at < read { DIM } else { BRIGHT };
                    result = canvas.character(area, ch, line, x, level);
                }
                Step::Glyph { .. } => {}
                Step::Carry { line, x } => result = canvas.blank_from(area, line, x),
                Step::Page { .. } => full = true,
            }
            result.is_ok() && !full
        });
        result.map(|()| full)
    }
}
