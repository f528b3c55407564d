//! The pages other than the answer's: what is on each, and where.

use core::fmt::Write as _;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::Gray8;
use embedded_graphics::primitives::Rectangle;
use heapless::String;

use super::Footer;
use super::canvas::{Align, BLACK, BRIGHT, Canvas, DIM, FAINT};
use super::geometry::{GAUGE_HEIGHT, Geometry};
use crate::assistant::{Assistant, Entry, Fault, Progress, State};
use crate::typeface::LINE_HEIGHT;

/// What is left of `area` below its first `pixels`.
fn below(area: Rectangle, pixels: u32) -> Rectangle {
    Rectangle::new(
        area.top_left + Size::new(0, pixels.min(area.size.height)),
        Size::new(area.size.width, area.size.height.saturating_sub(pixels)),
    )
}

/// `lines` lines in the middle of `area`, or its top if there are not as many.
fn middle(area: Rectangle, lines: u32) -> Rectangle {
    let height = lines * LINE_HEIGHT;
    below(area, area.size.height.saturating_sub(height) / 2)
}

/// The frame of a gauge in the line at the top of `area`.
fn gauge_in(area: Rectangle) -> Rectangle {
    let above = (LINE_HEIGHT - GAUGE_HEIGHT) / 2;
    Rectangle::new(
        area.top_left + Size::new(0, above),
        Size::new(
            area.size.width,
            GAUGE_HEIGHT.min(area.size.height.saturating_sub(above)),
        ),
    )
}

/// Where the model's progress stands: a gauge, and below it the bytes.
fn loading_progress(geometry: Geometry) -> Rectangle {
    below(middle(geometry.answer(), 5), 3 * LINE_HEIGHT)
}

/// The model being loaded. If `known` is what is drawn already, only its progress is drawn.
pub(super) fn loading<D, N>(
    geometry: Geometry,
    assistant: &Assistant<N>,
    known: Option<Progress>,
    canvas: &mut Canvas<'_, D>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    let progress = assistant.loading();
    if known == Some(progress) {
        return Ok(());
    }
    let area = loading_progress(geometry);
    if known.is_none() {
        let text = middle(geometry.answer(), 5);
        canvas.line(text, "Loading", Align::Left, DIM)?;
        let name = Rectangle::new(
            below(text, LINE_HEIGHT).top_left,
            Size::new(text.size.width, 2 * LINE_HEIGHT),
        );
        canvas.text(name, assistant.model_name(), Align::Left, BRIGHT)?;
    } else {
        canvas.fill(area, BLACK)?;
    }
    canvas.gauge(gauge_in(area), progress.percent())?;
    if progress.total > 0 {
        let mut bytes = String::<64>::new();
        let _ = write!(
            bytes,
            "{} of {} MB",
            progress.done / 1_000_000,
            progress.total / 1_000_000
        );
        canvas.line(below(area, LINE_HEIGHT), &bytes, Align::Left, BRIGHT)?;
    }
    Ok(())
}

/// The invitation to talk, low and dim: the wearer is looking at the world.
pub(super) fn idle<D>(
    geometry: Geometry,
    answered: bool,
    canvas: &mut Canvas<'_, D>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    let hint = if answered {
        "Hold to talk, tap to read"
    } else {
        "Hold to talk, swipe for more"
    };
    let all = geometry.answer();
    let footer = geometry.footer();
    let area = if footer.size.height > 0 { footer } else { all };
    canvas.line(area, hint, Align::Center, DIM)
}

/// Somebody listens.
pub(super) fn listening<D>(geometry: Geometry, canvas: &mut Canvas<'_, D>) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    let area = middle(geometry.answer(), 3);
    if area.size.height >= 3 * LINE_HEIGHT {
        let line = Point::new(area.size.width as i32 / 2, LINE_HEIGHT as i32 / 2);
        canvas.disc(area.top_left + line, 24)?;
        canvas.line(
            below(area, LINE_HEIGHT * 3 / 2),
            "Listening",
            Align::Center,
            BRIGHT,
        )?;
    } else {
        canvas.line(area, "Listening", Align::Center, BRIGHT)?;
    }
    canvas.line(
        geometry.footer(),
        "Double-tap to cancel",
        Align::Center,
        DIM,
    )
}

/// The heading, dimmer than what stands below it, with a rule between them.
pub(super) fn heading<D>(
    geometry: Geometry,
    heading: &str,
    canvas: &mut Canvas<'_, D>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    let area = geometry.question();
    if geometry.question_lines() == 0 {
        return Ok(());
    }
    let text = geometry.question_lines() * LINE_HEIGHT;
    canvas.text(
        Rectangle::new(area.top_left, Size::new(area.size.width, text)),
        heading,
        Align::Left,
        DIM,
    )?;
    let rule = below(area, text + 2);
    canvas.fill(
        Rectangle::new(rule.top_left, Size::new(rule.size.width, 2)),
        FAINT,
    )
}

/// That the model reads the question, without its progress.
pub(super) fn thinking<D>(geometry: Geometry, canvas: &mut Canvas<'_, D>) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    canvas.fill(geometry.footer(), BLACK)?;
    canvas.line(
        geometry.footer(),
        "Double-tap to cancel",
        Align::Center,
        DIM,
    )?;
    canvas.line(
        middle(geometry.answer(), 2),
        "Thinking",
        Align::Center,
        BRIGHT,
    )
}

/// How much of the question the model has read.
pub(super) fn prefill<D>(
    geometry: Geometry,
    percent: u32,
    canvas: &mut Canvas<'_, D>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    let area = below(middle(geometry.answer(), 2), LINE_HEIGHT);
    canvas.gauge(gauge_in(area), percent)
}

/// The last line of a page.
pub(super) fn footer<D>(
    geometry: Geometry,
    footer: Footer,
    canvas: &mut Canvas<'_, D>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    let area = geometry.footer();
    canvas.fill(area, BLACK)?;
    let mut left = String::<64>::new();
    let _ = left.push_str(footer.hint);
    for (count, word) in [
        (footer.waiting as u64, "waiting"),
        (u64::from(footer.lost), "lost"),
    ] {
        if count > 0 {
            let apart = match left.chars().next_back() {
                None => "",
                Some('…') => " ",
                Some(_) => ", ",
            };
            let _ = write!(left, "{apart}{count} {word}");
        }
    }
    canvas.line(area, &left, Align::Left, DIM)?;
    if footer.count > 1 {
        let mut pages = String::<16>::new();
        let _ = write!(pages, "{}/{}", footer.page + 1, footer.count);
        canvas.line(area, &pages, Align::Right, DIM)?;
    }
    Ok(())
}

/// The menu. It may stand there already, at another entry.
pub(super) fn menu<D>(
    geometry: Geometry,
    chosen: Entry,
    canvas: &mut Canvas<'_, D>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    let all = Entry::ALL.len() as u32;
    let lines = geometry.page().lines.min(all);
    let area = middle(geometry.answer(), lines);
    let area = Rectangle::new(
        area.top_left,
        Size::new(area.size.width, area.size.height.min(lines * LINE_HEIGHT)),
    );
    canvas.fill(area, BLACK)?;
    // On a low display the chosen one is the last that fits, or above it.
    let first = (chosen as usize + 1).saturating_sub(lines as usize);
    for (line, entry) in Entry::ALL[first..].iter().take(lines as usize).enumerate() {
        let level = if *entry == chosen { BRIGHT } else { DIM };
        let row = below(area, line as u32 * LINE_HEIGHT);
        canvas.line(row, entry.name(), Align::Center, level)?;
    }
    canvas.line(geometry.footer(), "Swipe, tap to open", Align::Center, DIM)
}

/// Whether all notes are to be forgotten.
pub(super) fn forgetting<D>(
    geometry: Geometry,
    count: usize,
    canvas: &mut Canvas<'_, D>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    let mut question = String::<48>::new();
    let _ = match count {
        1 => write!(question, "Forget the note?"),
        _ => write!(question, "Forget all {count} notes?"),
    };
    let area = middle(geometry.answer(), 1);
    canvas.line(area, &question, Align::Center, BRIGHT)?;
    let hint = "Swipe up to forget, back to keep";
    canvas.line(geometry.footer(), hint, Align::Center, DIM)
}

/// What went wrong, and what to do about it.
pub(super) fn error<D, N>(
    geometry: Geometry,
    assistant: &Assistant<N>,
    canvas: &mut Canvas<'_, D>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    let advice = match assistant.fault() {
        Fault::Load => "Tap to try again.",
        _ if assistant.back() != State::Idle => "Tap to go back.",
        Fault::Generation => "Hold to ask again.",
        Fault::Speech => "Hold to say it again.",
    };
    let area = geometry.answer();
    let advice_height = if area.size.height >= 2 * LINE_HEIGHT {
        LINE_HEIGHT
    } else {
        0
    };
    let room = Rectangle::new(
        area.top_left,
        Size::new(
            area.size.width,
            area.size.height.saturating_sub(advice_height),
        ),
    );
    let height = canvas.text(room, assistant.sentence(), Align::Left, BRIGHT)?;
    let apart = if area.size.height >= height + 2 * LINE_HEIGHT {
        LINE_HEIGHT / 2
    } else {
        0
    };
    canvas.line(below(area, height + apart), advice, Align::Left, DIM)
}

/// The time of day, battery, temperature, and how the last answer began.
pub(super) fn dashboard<D, N>(
    geometry: Geometry,
    assistant: &Assistant<N>,
    canvas: &mut Canvas<'_, D>,
) -> Result<(), D::Error>
where
    D: DrawTarget<Color = Gray8>,
{
    let mut area = geometry.answer();
    let readings = assistant.readings();
    let mut text = String::<64>::new();
    if let Some(time) = assistant.time_of_day() {
        let _ = write!(text, "{time}");
        canvas.line(area, &text, Align::Left, BRIGHT)?;
        area = below(area, LINE_HEIGHT);
        text.clear();
    }
    match readings.battery_percent {
        Some(percent) => {
            let charging = if readings.charging { ", charging" } else { "" };
            let _ = write!(text, "Battery {percent}%{charging}");
        }
        None => {
            let _ = text.push_str("Battery unknown");
        }
    }
    canvas.line(area, &text, Align::Left, BRIGHT)?;
    text.clear();
    if let Some(celsius) = readings.celsius {
        let _ = write!(text, "{celsius} °C");
    }
    canvas.line(below(area, LINE_HEIGHT), &text, Align::Left, BRIGHT)?;
    // Models like to begin an answer with empty lines.
    let answer = assistant.conversation().last_answer();
    let first = answer.trim_start().lines().next();
    let rest = below(area, 3 * LINE_HEIGHT);
    let two = Rectangle::new(
        rest.top_left,
        Size::new(rest.size.width, rest.size.height.min(2 * LINE_HEIGHT)),
    );
    canvas.text(two, first.unwrap_or_default(), Align::Left, DIM)?;
    Ok(())
}
