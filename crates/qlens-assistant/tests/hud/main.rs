//! The pictures that the HUD draws: compared with kept ones, and with each other.
//!
//! `QLENS_BLESS=1 cargo test -p qlens-assistant --test hud` writes the kept pictures anew; look at them
//! before they are committed. A picture that differs is written beside the build's other output.

mod applications;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use embedded_graphics::geometry::Size;
use qlens_assistant::assistant::Progress;
use qlens_assistant::hud::Hud;
use qlens_assistant::{Assistant, Fault, State, Stop};
use qlens_board::{Direction, SensorEvent, SensorKind};
use support::{Broken, Frame, REFERENCE};

const ENGLISH: &str = "Which line goes from here to Asakusa, and how long does it take?";
const ENGLISH_ANSWER: &str = "Take the Ginza Line from platform 3; it goes to Asakusa without a \
    change. Trains run every 2–3 minutes, the ride takes about 34 minutes and costs ¥260.\n\n\
    1. Follow the yellow signs to \"Ginza Line (G)\".\n\
    2. Go up the escalator: the platform is on the 3rd floor.\n\
    3. Board any train; Asakusa is the last station.\n\n\
    If you would rather walk part of the way, get off at Ueno (G16): from there the \
    Sensō-ji temple is half an hour along Kappabashi-dori, where kitchenware is sold.";
const CHINESE: &str = "这座车站叫什么名字？去浅草怎么走？";
const CHINESE_ANSWER: &str = "这座车站叫“涩谷站”。去浅草请在三号站台乘坐银座线（Ginza Line），\
    不用换车，大约三十四分钟就到，票价二百六十日元。\n\n\
    一、跟着黄色的“G”标志走；\n二、乘自动扶梯上三楼；\n三、浅草是终点站，不会坐过头。\n\n\
    如果想走一段路，可以在上野站（G16）下车，沿着合羽桥道具街步行半小时就到浅草寺。";

fn event(kind: SensorKind) -> SensorEvent {
    SensorEvent::new(0, kind)
}

/// An assistant that is idle, on a display of this size.
fn ready(size: Size) -> Box<Assistant> {
    let mut assistant = Box::new(Assistant::new(size));
    let _ = assistant.on_ready();
    assistant
}

fn ask(assistant: &mut Assistant, question: &str) {
    let _ = assistant.on_event(&event(SensorKind::LongPress));
    let _ = assistant.on_event(&event(SensorKind::speech(question).expect("is short")));
    assert_eq!(assistant.state(), State::Thinking);
}

/// Splits a text as a tokenizer might: pieces of one to five characters.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    let mut length = 0;
    std::iter::from_fn(move || {
        length = length % 5 + 1;
        let end = rest
            .char_indices()
            .nth(length)
            .map_or(rest.len(), |(at, _)| at);
        let (piece, left) = rest.split_at(end);
        rest = left;
        (!piece.is_empty()).then_some(piece)
    })
}

fn answered(size: Size, question: &str, answer: &str) -> Box<Assistant> {
    let mut assistant = ready(size);
    ask(&mut assistant, question);
    for piece in pieces(answer) {
        let _ = assistant.on_token(piece);
    }
    let _ = assistant.on_stop(Stop::EndOfTurn);
    assistant
}

fn happen(assistant: &mut Assistant, kind: SensorKind) {
    let _ = assistant.on_event(&event(kind));
}

fn say(assistant: &mut Assistant, text: &str) {
    happen(assistant, SensorKind::speech(text).expect("is short"));
}

/// Opens the menu's entry `entry`, from 0, of an assistant that is idle.
fn open(assistant: &mut Assistant, entry: usize) {
    for _ in 0..=entry {
        happen(assistant, SensorKind::Swipe(Direction::Forward));
    }
    happen(assistant, SensorKind::Tap);
}

/// What a display that knows nothing shows of `assistant`.
fn picture(assistant: &Assistant, size: Size) -> Frame {
    let mut frame = Frame::new(size);
    Hud::new(size).draw(assistant, &mut frame).expect("draws");
    frame
}

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/pictures/{name}.png"))
}

fn write_png(path: &Path, frame: &Frame) {
    let file = fs::File::create(path).expect("can be written");
    let mut encoder = png::Encoder::new(file, frame.size.width, frame.size.height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&frame.pixels))
        .expect("can be written");
}

fn read_png(path: &Path) -> Option<(Size, Vec<u8>)> {
    let file = fs::File::open(path).ok()?;
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut pixels).ok()?;
    pixels.truncate(info.buffer_size());
    Some((Size::new(info.width, info.height), pixels))
}

/// Asserts that `frame` is the picture that was kept under this name.
fn assert_kept(name: &str, frame: &Frame) {
    let path = kept(name);
    if std::env::var_os("QLENS_BLESS").is_some() {
        write_png(&path, frame);
    }
    if read_png(&path) != Some((frame.size, frame.pixels.clone())) {
        let actual = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        write_png(&actual, frame);
        panic!(
            "{} is not {}; if it should be, run with QLENS_BLESS=1",
            actual.display(),
            path.display()
        );
    }
}

#[test]
fn an_english_answer() {
    let mut assistant = answered(REFERENCE, ENGLISH, ENGLISH_ANSWER);
    assert_eq!(assistant.pages().count(), 2);
    let _ = assistant.on_event(&event(SensorKind::Swipe(Direction::Back)));
    assert_kept("answer-english-1", &picture(&assistant, REFERENCE));
    let _ = assistant.on_event(&event(SensorKind::Swipe(Direction::Forward)));
    assert_kept("answer-english-2", &picture(&assistant, REFERENCE));
}

#[test]
fn a_chinese_answer() {
    let assistant = answered(REFERENCE, CHINESE, CHINESE_ANSWER);
    assert_eq!(assistant.pages().count(), 1);
    assert_kept("answer-chinese", &picture(&assistant, REFERENCE));
}

#[test]
fn code_and_characters_that_no_font_has() {
    let answer = "```rust\nfn main() {\n    let sum: u32 = (1..=10).sum();\n    println!(\"{sum} \\u{1F600}\");\n}\n```\n\
        Emoji 😀, traditional 龍, Arabic شكرا: boxes.\tα→β ≤ √2 — “quoted”… 1½ °C • ✓";
    let assistant = answered(
        REFERENCE,
        "Show me a loop in Rust, please, one that sums the first ten numbers and prints them with an emoji",
        answer,
    );
    assert_kept("answer-code", &picture(&assistant, REFERENCE));
}

#[test]
fn every_other_page() {
    let mut assistant = Box::new(Assistant::new(REFERENCE));
    let _ = assistant.on_loading(
        "Qwen2.5-Coder-0.5B-Instruct Q4_K_M",
        Progress {
            done: 123_456_789,
            total: 491_400_064,
        },
    );
    assert_kept("loading", &picture(&assistant, REFERENCE));
    let _ = assistant.on_error(
        Fault::Load,
        &"the model's checksum is 3f…a9 and should be 1d…32: the file is damaged, copy it again",
    );
    assert_kept("error-load", &picture(&assistant, REFERENCE));
    let _ = assistant.on_ready();
    assert_kept("idle", &picture(&assistant, REFERENCE));
    let _ = assistant.on_event(&event(SensorKind::LongPress));
    assert_kept("listening", &picture(&assistant, REFERENCE));
    ask(&mut assistant, ENGLISH);
    let _ = assistant.on_progress(Progress {
        done: 21,
        total: 60,
    });
    assert_kept("thinking", &picture(&assistant, REFERENCE));
    let _ = assistant
        .on_token("Take the Ginza Line from platform 3; it goes to Asakusa without a chan");
    assert_kept("answering", &picture(&assistant, REFERENCE));
    let _ = assistant.on_stop(Stop::MaxTokens);
    assert_kept("cut-short", &picture(&assistant, REFERENCE));
    let _ = assistant.on_event(&event(SensorKind::Battery {
        percent: 82,
        charging: false,
    }));
    let _ = assistant.on_event(&event(SensorKind::Temperature {
        milli_celsius: 36_600,
    }));
    let _ = assistant.on_event(&event(SensorKind::HeadUp));
    assert_kept("dashboard", &picture(&assistant, REFERENCE));
    let _ = assistant.on_event(&event(SensorKind::Removed));
    let dark = picture(&assistant, REFERENCE);
    assert!(dark.pixels.iter().all(|&pixel| pixel == 0));
}

#[test]
fn a_low_wide_display() {
    let size = Size::new(576, 136);
    let assistant = answered(size, ENGLISH, ENGLISH_ANSWER);
    assert_kept("answer-low", &picture(&assistant, size));
}

/// Draws with `hud` and asserts that `frame` is then what a display would show that knew nothing.
fn draw_and_compare(hud: &mut Hud, assistant: &Assistant, frame: &mut Frame, at: &str) {
    hud.draw(assistant, frame).expect("draws");
    let fresh = picture(assistant, frame.size);
    let differs = frame
        .pixels
        .iter()
        .zip(&fresh.pixels)
        .position(|(a, b)| a != b);
    let width = frame.size.width as usize;
    assert_eq!(differs.map(|at| (at % width, at / width)), None, "{at}");
    assert!(
        !frame.pixels.contains(&33),
        "{at}: something was never drawn"
    );
}

#[test]
fn an_answer_grows_into_the_picture_of_the_whole() {
    let answers = [
        ENGLISH_ANSWER,
        CHINESE_ANSWER,
        // Letters that reach beyond their own width, at every place where a line can break.
        "jfj jffj Jj fjf (jjj) jjjjj 座jj座fj fj-fj j/j {jj} jVAj ijij jjj fff jjj fffff jjjjj, fjord-fjord \
         jjj座jjj座jjj座jjj座jjj座jjj座jjj座jjj座jjj座jjj座 îïÏĵ îïÏĵ îïÏĵ îïÏĵ îïÏĵ îïÏĵ îïÏĵ îïÏĵ îïÏĵ îïÏĵ fW fW fW fW fW fW fW fW",
    ];
    for size in [
        REFERENCE,
        Size::new(300, 200),
        Size::new(576, 136),
        Size::new(137, 323),
        Size::new(240, 64),
    ] {
        for answer in answers {
            let mut assistant = ready(size);
            let (mut hud, mut frame) = (Hud::new(size), Frame::new(size));
            hud.draw(&assistant, &mut frame).expect("draws");
            ask(&mut assistant, ENGLISH);
            draw_and_compare(&mut hud, &assistant, &mut frame, "thinking");
            for percent in [30, 30, 80, 100] {
                let _ = assistant.on_progress(Progress {
                    done: percent,
                    total: 100,
                });
                draw_and_compare(&mut hud, &assistant, &mut frame, "prefill");
            }
            for piece in pieces(answer) {
                let _ = assistant.on_token(piece);
                draw_and_compare(&mut hud, &assistant, &mut frame, assistant.answer());
            }
            let _ = assistant.on_stop(Stop::EndOfTurn);
            draw_and_compare(&mut hud, &assistant, &mut frame, "end");
        }
    }
}

#[test]
fn loading_grows_into_the_picture_of_the_whole() {
    let mut assistant = Box::new(Assistant::new(REFERENCE));
    let (mut hud, mut frame) = (Hud::new(REFERENCE), Frame::new(REFERENCE));
    for (name, done) in [
        ("a", 0),
        ("a", 10),
        ("a", 200),
        ("a", 150),
        ("another", 999),
        ("another", 1000),
    ] {
        let progress = Progress {
            done: done * 1_000_000,
            total: 1_000_000_000,
        };
        let _ = assistant.on_loading(name, progress);
        draw_and_compare(&mut hud, &assistant, &mut frame, name);
    }
}

#[test]
fn only_what_changed_is_drawn() {
    let mut assistant = ready(REFERENCE);
    let (mut hud, mut frame) = (Hud::new(REFERENCE), Frame::new(REFERENCE));
    ask(&mut assistant, ENGLISH);
    let _ = assistant.on_token("The ");
    hud.draw(&assistant, &mut frame).expect("draws");
    let (mut carried, mut most, mut sum, mut count) = (0, 0, 0, 0);
    for piece in pieces(ENGLISH_ANSWER) {
        let page = assistant.page();
        let _ = assistant.on_token(piece);
        frame.written = 0;
        hud.draw(&assistant, &mut frame).expect("draws");
        if assistant.page() == page {
            // A line that loses a word is blanked from there; more than that never is.
            carried += usize::from(frame.written > 4_000);
            most = most.max(frame.written);
            sum += frame.written;
            count += 1;
        }
        frame.written = 0;
        hud.draw(&assistant, &mut frame).expect("draws");
        assert_eq!(frame.written, 0, "nothing changed, and something was drawn");
    }
    assert!(most < 480 * 32 + 4_000, "{most} pixels for one piece");
    assert!(carried < 25, "{carried} pieces moved a word");
    let average = sum / count;
    assert!(average < 1_000, "{average} pixels a piece, of 307200");
}

#[test]
fn a_display_that_fails_is_drawn_anew() {
    let mut assistant = answered(REFERENCE, ENGLISH, ENGLISH_ANSWER);
    for pixels in [0, 1, 1_000, 310_000, 320_000] {
        let (mut hud, mut frame) = (Hud::new(REFERENCE), Frame::new(REFERENCE));
        frame.fails_after = Some(pixels);
        assert_eq!(
            hud.draw(&assistant, &mut frame),
            Err(Broken),
            "after {pixels}"
        );
        frame.fails_after = None;
        draw_and_compare(&mut hud, &assistant, &mut frame, "repaired");
        // The same when the picture was known before it failed.
        let _ = assistant.on_event(&event(SensorKind::Swipe(Direction::Back)));
        frame.fails_after = Some(2);
        assert_eq!(hud.draw(&assistant, &mut frame), Err(Broken));
        frame.fails_after = None;
        draw_and_compare(&mut hud, &assistant, &mut frame, "repaired again");
        let _ = assistant.on_event(&event(SensorKind::Swipe(Direction::Forward)));
    }
    let (mut hud, mut frame) = (Hud::new(REFERENCE), Frame::new(REFERENCE));
    hud.draw(&assistant, &mut frame).expect("draws");
    frame = Frame::new(REFERENCE);
    hud.invalidate();
    draw_and_compare(&mut hud, &assistant, &mut frame, "invalidated");
}

#[test]
fn displays_of_any_size_are_drawn_on() {
    let sides = [
        0, 1, 3, 31, 32, 33, 64, 100, 127, 128, 160, 223, 240, 400, 1000,
    ];
    for width in sides {
        for height in sides {
            let size = Size::new(width, height);
            let mut assistant = answered(size, ENGLISH, CHINESE_ANSWER);
            let mut frame = Frame::new(size);
            let mut hud = Hud::new(size);
            let at = format!("{width}x{height}");
            draw_and_compare(&mut hud, &assistant, &mut frame, &at);
            for kind in [
                SensorKind::HeadUp,
                SensorKind::LongPress,
                SensorKind::DoubleTap,
            ] {
                let _ = assistant.on_event(&event(kind));
                draw_and_compare(&mut hud, &assistant, &mut frame, &at);
            }
            let _ = assistant.on_error(
                Fault::Load,
                &"something went wrong and this is the sentence about it",
            );
            draw_and_compare(&mut hud, &assistant, &mut frame, &at);
            let _ = assistant.on_loading("name", Progress { done: 1, total: 2 });
            draw_and_compare(&mut hud, &assistant, &mut frame, &at);
        }
    }
}
