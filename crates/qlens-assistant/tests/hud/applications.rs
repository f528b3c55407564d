//! The pages of the applications other than Ask.

use embedded_graphics::geometry::Size;
use qlens_assistant::hud::Hud;
use qlens_assistant::{Fault, State, Stop};
use qlens_board::{Direction, SensorEvent, SensorKind};

use super::support::{Frame, REFERENCE};
use super::{
    CHINESE, CHINESE_ANSWER, ENGLISH_ANSWER, answered, assert_kept, draw_and_compare, happen, open,
    picture, pieces, ready, say,
};

/// Something said in one language, and the same in the other.
const TRANSLATED: [(&str, &str); 6] = [
    (
        "Excuse me, does this train go to Asakusa?",
        "请问，这趟车去浅草吗？",
    ),
    (
        "去的，不过在上野要换车，到站台对面等就可以了。",
        "It does, but you have to change at Ueno: just wait on the other side of the platform.",
    ),
    ("How long do I have to wait there?", "要在那里等多久？"),
    (
        "两三分钟就来一趟，最后一趟是夜里十二点十分，您不用着急。",
        "There is one every two or three minutes, and the last one leaves at ten past twelve at night, so \
         there is no need to hurry.",
    ),
    (
        "Thank you. One more thing: where can I leave this suitcase?",
        "谢谢。还有一件事：这个箱子可以寄存在哪里？",
    ),
    (
        "出了检票口，左边有寄存柜。",
        "After the ticket gate, on the left, there are lockers.",
    ),
];

#[test]
fn the_menu() {
    let mut assistant = ready(REFERENCE);
    happen(&mut assistant, SensorKind::Swipe(Direction::Forward));
    happen(&mut assistant, SensorKind::Swipe(Direction::Forward));
    assert_kept("menu", &picture(&assistant, REFERENCE));
}

#[test]
fn captions() {
    let mut assistant = ready(REFERENCE);
    open(&mut assistant, 1);
    assert_kept("captions-none", &picture(&assistant, REFERENCE));
    for (said, translated) in TRANSLATED {
        say(&mut assistant, said);
        for piece in pieces(translated) {
            let _ = assistant.on_token(piece);
        }
        if said != TRANSLATED[5].0 {
            let _ = assistant.on_stop(Stop::EndOfTurn);
        }
    }
    say(&mut assistant, "我知道了");
    assert_eq!(assistant.state(), State::Translating);
    assert_kept("captions", &picture(&assistant, REFERENCE));
}

#[test]
fn notes_and_their_summary() {
    let mut assistant = ready(REFERENCE);
    assistant.set_wall_origin(Some(1_700_000_000));
    open(&mut assistant, 2);
    let notes = [
        "The carpenter comes on Thursday at half past three; measure the door before that.",
        "买牛奶、面包和两个灯泡。",
        "Ask whether the kitchen takes ten more guests.",
        "给妈妈打电话，她的火车星期五下午到。",
    ];
    for (minute, note) in notes.into_iter().enumerate() {
        let at_us = minute as u64 * 420_000_000;
        let kind = SensorKind::speech(note).expect("is short");
        let _ = assistant.on_event(&SensorEvent::new(at_us, kind));
    }
    assert_kept("notes", &picture(&assistant, REFERENCE));
    happen(&mut assistant, SensorKind::Swipe(Direction::Forward));
    assert_kept("notes-forget", &picture(&assistant, REFERENCE));
    happen(&mut assistant, SensorKind::Swipe(Direction::Back));
    happen(&mut assistant, SensorKind::Tap);
    let _ = assistant.on_token(
        "星期四三点半木匠来，之前要量好门；星期五下午妈妈到，先打电话。要买牛奶、面包和灯泡，并问厨房能否再加十位客人。",
    );
    let _ = assistant.on_stop(Stop::EndOfTurn);
    assert_kept("notes-summary", &picture(&assistant, REFERENCE));
    happen(&mut assistant, SensorKind::DoubleTap);
    happen(&mut assistant, SensorKind::Tap);
    let _ = assistant.on_error(Fault::Generation, &"the model is too hot to go on");
    assert_kept("notes-error", &picture(&assistant, REFERENCE));
}

#[test]
fn a_teleprompter() {
    for (name, text) in [("english", ENGLISH_ANSWER), ("chinese", CHINESE_ANSWER)] {
        let mut assistant = ready(REFERENCE);
        assistant.set_script(text).expect("fits");
        open(&mut assistant, 3);
        // Two sentences are read, and dim.
        for sentence in text.split_inclusive(['.', '。']).take(2) {
            say(&mut assistant, sentence);
        }
        assert_kept(
            &format!("teleprompter-{name}"),
            &picture(&assistant, REFERENCE),
        );
    }
}

#[test]
fn what_was_read_is_dim_and_stands_where_it_stood() {
    for width in (200..480).step_by(19) {
        let size = Size::new(width, 200);
        let mut assistant = ready(size);
        let (mut hud, mut frame) = (Hud::new(size), Frame::new(size));
        let text = format!("{ENGLISH_ANSWER} {CHINESE_ANSWER}");
        assistant.set_script(&text).expect("fits");
        open(&mut assistant, 3);
        let mut drawn = 0;
        for word in text.split_inclusive([' ', '，', '。']) {
            let before = assistant.teleprompter().read();
            let page = assistant.page();
            say(&mut assistant, word);
            if assistant.teleprompter().read() == before {
                continue;
            }
            frame.written = 0;
            draw_and_compare(&mut hud, &assistant, &mut frame, word);
            if assistant.page() == page && before > 0 {
                assert!(frame.written < 12_000, "{word}: {} pixels", frame.written);
                drawn += 1;
            }
        }
        assert!(drawn > 40, "{drawn} words of a {width} pixels wide text");
    }
}

#[test]
fn a_dashboard_that_knows_the_time() {
    let mut assistant = answered(REFERENCE, CHINESE, CHINESE_ANSWER);
    assistant.set_wall_origin(Some(1_700_000_000));
    happen(
        &mut assistant,
        SensorKind::Battery {
            percent: 64,
            charging: true,
        },
    );
    happen(
        &mut assistant,
        SensorKind::Temperature {
            milli_celsius: 41_000,
        },
    );
    happen(&mut assistant, SensorKind::HeadUp);
    assert_kept("dashboard-time", &picture(&assistant, REFERENCE));
}

#[test]
fn captions_grow_into_the_picture_of_the_whole() {
    for size in [
        REFERENCE,
        Size::new(300, 200),
        Size::new(576, 136),
        Size::new(137, 323),
        Size::new(240, 64),
        Size::new(240, 33),
    ] {
        let mut assistant = ready(size);
        let (mut hud, mut frame) = (Hud::new(size), Frame::new(size));
        open(&mut assistant, 1);
        draw_and_compare(&mut hud, &assistant, &mut frame, "nothing was said");
        // Often enough for the oldest captions to leave their memory as well as the display.
        for round in 0..7 {
            for (said, translated) in TRANSLATED {
                let at = format!("{size}, round {round}: {said}");
                say(&mut assistant, said);
                draw_and_compare(&mut hud, &assistant, &mut frame, &at);
                say(&mut assistant, "等一下");
                draw_and_compare(&mut hud, &assistant, &mut frame, &at);
                let each = if round % 6 == 0 { 1 } else { 5 };
                let all: Vec<&str> = pieces(translated).collect();
                for some in all.chunks(each) {
                    let _ = assistant.on_token(&some.concat());
                    draw_and_compare(&mut hud, &assistant, &mut frame, &at);
                }
                for _ in 0..2 {
                    let _ = assistant.on_stop(Stop::EndOfTurn);
                    draw_and_compare(&mut hud, &assistant, &mut frame, &at);
                }
            }
        }
        let kept = assistant.captions().captions().lines().count();
        assert!(kept < 7 * 2 * TRANSLATED.len(), "{kept} captions were kept");
    }
}

#[test]
fn of_a_caption_only_what_is_new_is_drawn() {
    let mut assistant = ready(REFERENCE);
    let (mut hud, mut frame) = (Hud::new(REFERENCE), Frame::new(REFERENCE));
    open(&mut assistant, 1);
    say(&mut assistant, CHINESE);
    hud.draw(&assistant, &mut frame).expect("draws");
    let (mut moved, mut count, mut sum) = (0, 0, 0);
    for piece in pieces(ENGLISH_ANSWER) {
        let _ = assistant.on_token(piece);
        frame.written = 0;
        hud.draw(&assistant, &mut frame).expect("draws");
        // Whatever moves up is drawn anew.
        if frame.written > 480 * 32 {
            moved += 1;
        } else {
            sum += frame.written;
        }
        count += 1;
        frame.written = 0;
        hud.draw(&assistant, &mut frame).expect("draws");
        assert_eq!(frame.written, 0, "nothing changed, and something was drawn");
    }
    let lines = ENGLISH_ANSWER.len() / 30;
    assert!(moved <= lines, "{moved} pieces moved all lines");
    let average = sum / (count - moved);
    assert!(average < 600, "{average} pixels a piece, of 307200");
}

#[test]
fn notes_and_texts_grow_into_the_picture_of_the_whole() {
    for size in [REFERENCE, Size::new(300, 200), Size::new(240, 64)] {
        let mut assistant = ready(size);
        let (mut hud, mut frame) = (Hud::new(size), Frame::new(size));
        open(&mut assistant, 2);
        draw_and_compare(&mut hud, &assistant, &mut frame, "no notes");
        for number in 0..80 {
            let (said, translated) = TRANSLATED[number % TRANSLATED.len()];
            say(
                &mut assistant,
                if number % 4 < 2 { said } else { translated },
            );
            if number % 5 == 0 {
                happen(&mut assistant, SensorKind::Swipe(Direction::Back));
            }
            draw_and_compare(&mut hud, &assistant, &mut frame, "notes");
        }
        happen(&mut assistant, SensorKind::Tap);
        draw_and_compare(&mut hud, &assistant, &mut frame, "thinking");
        for piece in pieces(CHINESE_ANSWER) {
            let _ = assistant.on_token(piece);
            draw_and_compare(&mut hud, &assistant, &mut frame, "summary");
            if piece.contains('，') {
                say(&mut assistant, "one more");
                draw_and_compare(&mut hud, &assistant, &mut frame, "a note meanwhile");
            }
        }
        for kind in [
            SensorKind::HeadUp,
            SensorKind::HeadDown,
            SensorKind::Swipe(Direction::Back),
            SensorKind::DoubleTap,
            SensorKind::Swipe(Direction::Forward),
            SensorKind::Swipe(Direction::Back),
            SensorKind::Swipe(Direction::Forward),
            SensorKind::Tap,
            SensorKind::DoubleTap,
        ] {
            let _ = assistant.on_stop(Stop::EndOfTurn);
            happen(&mut assistant, kind);
            draw_and_compare(&mut hud, &assistant, &mut frame, "touches");
        }
        assistant.set_script(ENGLISH_ANSWER).expect("fits");
        open(&mut assistant, 3);
        draw_and_compare(&mut hud, &assistant, &mut frame, "teleprompter");
        for sentence in ENGLISH_ANSWER.split_inclusive(['.', ';', ':', ',']) {
            say(&mut assistant, sentence);
            draw_and_compare(&mut hud, &assistant, &mut frame, sentence);
        }
        assert_eq!(assistant.page() + 1, assistant.pages().count());
    }
}
