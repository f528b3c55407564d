//! What the wearer sees. Drawing is slow on every display this runs on, real or emulated, so the HUD
//! remembers what it drew and touches only what changed: while an answer is written, that is its new
//! characters and, when a word no longer fits its line, that word.
//!
//! It draws on anything that takes grey pixels, of any size; black is transparent on such glasses, so a
//! page is mostly black and an idle one almost dark.

mod canvas;
mod geometry;
mod screens;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Size;
use embedded_graphics::pixelcolor::Gray8;

use crate::assistant::{Assistant, Progress, Readings, State, Stop};
use crate::layout::{Breaker, Step};
use crate::typeface::Typeface;

use canvas::{BLACK, BRIGHT, Canvas};
pub use geometry::Geometry;

/// What is on the display.
#[derive(Clone, Debug)]
enum Picture {
    /// Nothing.
    Dark,
    /// The dashboard with these readings, over this content.
    Dashboard(Readings, u32),
    /// The bar that shows the model being loaded.
    Loading { content: u32, progress: Progress },
    /// The page that invites to talk, and whether there is an answer to go back to.
    Idle(bool),
    /// The page that shows that somebody listens.
    Listening,
    /// A question, and below it what comes of it.
    Question { content: u32, body: Body },
    /// The error page with this content.
    Error(u32),
}

/// What is below a question.
#[derive(Clone, Debug)]
enum Body {
    /// The progress of reading it, in percent.
    Thinking(u32),
    /// A page of the answer.
    Answer {
        page: usize,
        breaker: Breaker,
        /// Whether the page is full: what comes after stands on the next one.
        full: bool,
        footer: Footer,
    },
}

/// The last line of a page of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Footer {
    page: usize,
    count: usize,
    writing: bool,
    cut_short: bool,
}

impl Footer {
    fn of(assistant: &Assistant) -> Self {
        Self {
            page: assistant.page(),
            count: assistant.pages().count(),
            writing: assistant.state() == State::Answering,
            cut_short: matches!(
                assistant.ended(),
                Some(Stop::MaxTokens | Stop::ContextFull | Stop::Deadline)
            ),
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
    pub fn draw<D>(&mut self, assistant: &Assistant, display: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget<Color = Gray8>,
    {
        let drawn = self.picture.take();
        let mut canvas = Canvas { display };
        self.picture = Some(self.paint(drawn, assistant, &mut canvas)?);
        Ok(())
    }

    fn paint<D>(
        &self,
        drawn: Option<Picture>,
        assistant: &Assistant,
        canvas: &mut Canvas<'_, D>,
    ) -> Result<Picture, D::Error>
    where
        D: DrawTarget<Color = Gray8>,
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
            let readings = assistant.readings();
            if !matches!(drawn, Some(Picture::Dashboard(old, of)) if old == readings && of == content)
            {
                canvas.fill(geometry.display(), BLACK)?;
                screens::dashboard(geometry, assistant, canvas)?;
            }
            return Ok(Picture::Dashboard(readings, content));
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
            State::Thinking | State::Answering | State::Paging => {
                let known = match drawn {
                    Some(Picture::Question { content: of, body }) if of == content => Some(body),
                    _ => None,
                };
                if known.is_none() {
                    canvas.fill(geometry.display(), BLACK)?;
                    screens::question(geometry, assistant.question(), canvas)?;
                }
                let body = if assistant.state() == State::Thinking {
                    self.thinking(known.as_ref(), assistant, canvas)?
                } else {
                    self.answer(known, assistant, canvas)?
                };
                Ok(Picture::Question { content, body })
            }
        }
    }

    fn thinking<D>(
        &self,
        known: Option<&Body>,
        assistant: &Assistant,
        canvas: &mut Canvas<'_, D>,
    ) -> Result<Body, D::Error>
    where
        D: DrawTarget<Color = Gray8>,
    {
        let percent = assistant.prefill().percent();
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

    fn answer<D>(
        &self,
        known: Option<Body>,
        assistant: &Assistant,
        canvas: &mut Canvas<'_, D>,
    ) -> Result<Body, D::Error>
    where
        D: DrawTarget<Color = Gray8>,
    {
        let area = self.geometry.answer();
        let current = assistant.page();
        let (mut breaker, mut full, old_footer) = match known {
            Some(Body::Answer {
                page,
                breaker,
                full,
                footer,
            }) if page == current => (breaker, full, Some(footer)),
            _ => {
                canvas.fill(area, BLACK)?;
                let start = assistant.pages().start(current).unwrap_or_default();
                (Breaker::new(self.geometry.page(), start), false, None)
            }
        };
        let mut result = Ok(());
        if !full {
            breaker.feed(assistant.answer(), &Typeface, &mut |step| {
                result = match step {
                    Step::Glyph { ch, line, x, .. } => canvas.character(area, ch, line, x, BRIGHT),
                    Step::Carry { line, x } => canvas.blank_from(area, line, x),
                    Step::Page { .. } => {
                        full = true;
                        return false;
                    }
                };
                result.is_ok()
            });
        }
        result?;
        let footer = Footer::of(assistant);
        if old_footer != Some(footer) {
            screens::footer(self.geometry, footer, canvas)?;
        }
        Ok(Body::Answer {
            page: current,
            breaker,
            full,
            footer,
        })
    }
}
