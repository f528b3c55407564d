//! What the application does about heat, an empty battery, a slow answer and a wearer who looks elsewhere.

use qlens_assistant::State;
use qlens_board::{SensorEvent, SensorKind, Throttle};

use crate::world::{Glasses, Line, SECOND, Seen, When, model, says};

fn celsius(degrees: i32) -> SensorKind {
    SensorKind::Temperature {
        milli_celsius: degrees * 1000,
    }
}

fn battery(percent: u8, charging: bool) -> SensorKind {
    SensorKind::Battery { percent, charging }
}

/// A question as soon as the model is there, of which each layer takes a tenth of a second; `before` comes
/// before the question.
fn asked(before: impl IntoIterator<Item = SensorKind>) -> Glasses {
    let mut glasses = Glasses::new();
    glasses.work_us = SECOND / 10;
    glasses.until_us = 3600 * SECOND;
    for kind in before {
        glasses.script.push((When::Line("ready", 1), kind));
    }
    glasses
        .script
        .push((When::Line("ready", 1), SensorKind::LongPress));
    glasses
        .script
        .push((When::Line("state listening", 1), says("hi")));
    glasses
}

fn tokens(seen: &Seen) -> Vec<&str> {
    let lines = seen.lines("token");
    lines.iter().map(|line| line.text.as_str()).collect()
}

fn line<'s>(seen: &'s Seen, words: &str) -> &'s Line {
    &seen.lines[seen.place(words)]
}

fn number(line: &Line, name: &str) -> u64 {
    let field = line.text.split(' ').find_map(|f| f.strip_prefix(name));
    field.unwrap().trim_start_matches('=').parse().unwrap()
}

#[test]
fn a_warm_chip_works_half_of_the_time_and_says_the_same() {
    let calm = asked([]).go();
    let warm = asked([celsius(60)]).go();
    let hot = asked([celsius(70)]).go();
    assert_eq!(tokens(&calm), tokens(&warm));
    assert_eq!(tokens(&calm), tokens(&hot));
    let took =
        |name| [&calm, &warm, &hot].map(|seen| number(line(seen, "done"), name) as f64 / 1e6);
    // A pause ends with a look at the sensors, which takes as long as a layer here.
    let [calm_s, warm_s, hot_s] = took("decode_us");
    assert!((1.8..2.8).contains(&(warm_s / calm_s)), "{calm_s} {warm_s}");
    assert!((3.5..5.0).contains(&(hot_s / calm_s)), "{calm_s} {hot_s}");
    // Between the batches of a prompt as well, but not behind the last.
    let [calm_s, warm_s, hot_s] = took("prompt_us");
    assert!(
        calm_s < warm_s && warm_s < hot_s,
        "{calm_s} {warm_s} {hot_s}"
    );
    assert_eq!(
        line(&warm, "pace").text,
        "pace duty=50 brightness=255 reason=heat"
    );
    assert!(
        calm.place("ready") < calm.place("pace"),
        "only of the quiet"
    );
}

#[test]
fn a_double_tap_amid_a_pause_acts_at_once() {
    let hot = asked([celsius(70)]).go();
    let times: Vec<u64> = hot.lines("token").iter().map(|line| line.at_us).collect();
    // The pause stands between a token and the pass for the next, and takes most of that time.
    let at_us = times[3] + (times[4] - times[3]) / 2;
    let mut glasses = asked([celsius(70)]);
    glasses
        .script
        .push((When::At(at_us), SensorKind::DoubleTap));
    let seen = glasses.go();
    let done = line(&seen, "done");
    assert!(done.text.starts_with("done cancelled"), "{}", done.text);
    assert_eq!(tokens(&seen).len(), 4);
    assert!(
        done.at_us <= at_us + SECOND / 10,
        "{} us later",
        done.at_us - at_us
    );
    let idle = seen.lines("state idle");
    assert_eq!(
        idle.len(),
        2,
        "that of the start and that of the double-tap"
    );
    assert!((at_us..=done.at_us).contains(&idle[1].at_us));
}

/// A model with a recurrent state finishes a token that it has begun, whatever happens.
#[test]
fn a_double_tap_ends_a_hold_within_a_token_for_good() {
    let mut glasses = asked([]);
    glasses.model = model("qwen35-q4_k_m");
    glasses.script.push((When::Line("token", 3), celsius(80)));
    let tap_us = 60 * SECOND;
    glasses
        .script
        .push((When::At(tap_us), SensorKind::DoubleTap));
    let seen = glasses.go();
    let done = line(&seen, "done");
    assert!(done.text.starts_with("done cancelled"), "{}", done.text);
    let late = done.at_us - tap_us;
    assert!(late < 3 * SECOND, "{late} us later");
}

#[test]
fn a_hot_chip_stops_and_goes_on() {
    let calm = asked([]).go();
    let mut glasses = asked([]);
    glasses.script.push((When::Line("token", 3), celsius(80)));
    // Not enough: within the band.
    glasses.script.push((When::At(60 * SECOND), celsius(71)));
    glasses.script.push((When::At(90 * SECOND), celsius(69)));
    let seen = glasses.go();
    assert_eq!(tokens(&seen), tokens(&calm));
    let times: Vec<u64> = seen.lines("token").iter().map(|line| line.at_us).collect();
    assert!(
        times[2] < 30 * SECOND && times[3] > 90 * SECOND,
        "{times:?}"
    );
    assert!(line(&seen, "done").text.starts_with("done max_tokens"));
    let paces: Vec<&str> = seen.lines("pace").iter().map(|l| l.text.as_str()).collect();
    assert_eq!(
        paces[..2],
        [
            "pace duty=0 brightness=255 reason=heat",
            "pace duty=25 brightness=255 reason=heat"
        ]
    );
    // It slept meanwhile, but for the looks at battery and thermometer.
    assert!(seen.idles < 3600 / 10 + 100, "{} sleeps", seen.idles);
}

#[test]
fn a_chip_that_does_not_cool_ends_the_answer_with_what_there_is() {
    let mut glasses = asked([]);
    glasses.script.push((When::Line("token", 3), celsius(80)));
    let seen = glasses.go();
    let done = line(&seen, "done");
    assert!(done.text.starts_with("done deadline"), "{}", done.text);
    assert_eq!(tokens(&seen).len(), 3);
    let held = done.at_us - seen.lines("token")[2].at_us;
    assert!((120 * SECOND..122 * SECOND).contains(&held), "{held}");
    assert_eq!(seen.assistant.state(), State::Paging);
    assert!(seen.lines("error").is_empty());
}

#[test]
fn a_question_to_a_hot_chip_ends_at_the_deadline_and_says_so() {
    let mut glasses = asked([celsius(80)]);
    glasses.script.extend([
        (When::Line("error", 1), celsius(30)),
        (When::Line("error", 1), SensorKind::LongPress),
        (When::Line("state listening", 2), says("again")),
    ]);
    let seen = glasses.go();
    let error = line(&seen, "error");
    assert!(error.text.contains("too hot"), "{}", error.text);
    let waited = error.at_us - line(&seen, "state thinking").at_us;
    assert!((60 * SECOND..62 * SECOND).contains(&waited), "{waited}");
    assert!(line(&seen, "done").text.starts_with("done deadline"));
    assert_eq!(tokens(&seen).len(), 12, "the next question is answered");
}

#[test]
fn an_answer_that_takes_too_long_to_begin_ends_with_an_error_page() {
    let mut glasses = asked([]);
    glasses.settings.first_word_us = SECOND;
    glasses.settings.batch = 1;
    let seen = glasses.go();
    let done = line(&seen, "done");
    assert!(done.text.starts_with("done deadline"), "{}", done.text);
    let waited = done.at_us - line(&seen, "state thinking").at_us;
    assert!((SECOND..SECOND * 3 / 2).contains(&waited), "{waited}");
    let error = &line(&seen, "error").text;
    assert!(error.contains("too long to begin"), "{error}");
    assert_eq!(seen.assistant.state(), State::Error);
    // Once it has begun it may take as long as it likes.
    let mut glasses = asked([]);
    glasses.settings.first_word_us = 10 * SECOND;
    let seen = glasses.go();
    let done = line(&seen, "done");
    assert!(done.text.starts_with("done max_tokens"), "{}", done.text);
}

#[test]
fn an_empty_battery_answers_nothing_until_it_is_charged() {
    let mut glasses = asked([battery(4, false)]);
    glasses.script.extend([
        (When::Line("error", 1), battery(4, true)),
        (When::Line("error", 1), SensorKind::LongPress),
        (When::Line("state listening", 2), says("again")),
    ]);
    let seen = glasses.go();
    let error = line(&seen, "error");
    assert!(error.text.contains("battery is too low"), "{}", error.text);
    assert!(error.at_us - line(&seen, "state thinking").at_us < SECOND);
    assert_eq!(tokens(&seen).len(), 12);
    let paces: Vec<&str> = seen.lines("pace").iter().map(|l| l.text.as_str()).collect();
    assert_eq!(
        paces[..2],
        [
            "pace duty=0 brightness=96 reason=battery",
            "pace duty=100 brightness=255 reason=none"
        ]
    );
}

#[test]
fn a_battery_that_runs_out_cuts_the_answer_short() {
    let mut glasses = asked([]);
    glasses
        .script
        .push((When::Line("token", 3), battery(3, false)));
    let seen = glasses.go();
    assert!(line(&seen, "done").text.starts_with("done deadline"));
    assert_eq!(tokens(&seen).len(), 3);
    assert_eq!(seen.assistant.state(), State::Paging);
}

#[test]
fn the_board_s_own_battery_thermometer_and_throttle_count_as_well() {
    let first = |change: fn(&mut Glasses)| {
        let mut glasses = Glasses::new();
        change(&mut glasses);
        line(&glasses.go(), "pace").text.clone()
    };
    assert_eq!(
        first(|glasses| glasses.battery = Some((20, false))),
        "pace duty=50 brightness=255 reason=battery"
    );
    assert_eq!(
        first(|glasses| glasses.temperature = Some(66_000)),
        "pace duty=25 brightness=255 reason=heat"
    );
    assert_eq!(
        first(|glasses| glasses.throttle = Throttle::Ease),
        "pace duty=50 brightness=255 reason=board"
    );
}

#[test]
fn a_thermometer_that_says_what_cannot_be_is_not_believed() {
    for broken in [i32::MIN, -60_000, 151_000, i32::MAX] {
        let broken = SensorKind::Temperature {
            milli_celsius: broken,
        };
        let seen = asked([celsius(60), broken]).go();
        let paces = seen.lines("pace");
        assert_eq!(paces[0].text, "pace duty=50 brightness=255 reason=heat");
        assert_eq!(tokens(&seen).len(), 12);
        assert!(paces[1].text.starts_with("pace duty=50"), "{paces:?}");
    }
}

#[test]
fn the_display_is_dimmed_then_dark_and_the_first_touch_lights_it_and_counts() {
    let mut glasses = Glasses::new();
    glasses.until_us = 200 * SECOND;
    glasses.script = vec![
        // Nobody looks because the light changes.
        (When::At(20 * SECOND), SensorKind::Ambient { lux: 3 }),
        (When::At(100 * SECOND), SensorKind::HeadDown),
        (When::At(101 * SECOND), SensorKind::LongPress),
    ];
    let seen = glasses.go();
    let paces: Vec<(u64, &str, bool, u8)> = seen
        .lines("pace")
        .iter()
        .map(|l| (l.at_us / SECOND, &l.text[5..], l.on, l.brightness))
        .collect();
    assert_eq!(
        paces,
        [
            (15, "duty=100 brightness=64 reason=quiet", true, 64),
            (30, "duty=100 brightness=0 reason=quiet", false, 64),
            (101, "duty=100 brightness=255 reason=none", true, 255),
            (161, "duty=100 brightness=64 reason=quiet", true, 64),
            (191, "duty=100 brightness=0 reason=quiet", false, 64),
        ]
    );
    assert_eq!(line(&seen, "state listening").at_us / SECOND, 101);
    assert!(!seen.on);
    assert!(seen.idles < 40, "{} sleeps", seen.idles);
}

#[test]
fn an_answer_is_lit_for_longer_and_while_it_is_written_it_is_lit_for_good() {
    let mut glasses = asked([]);
    // A layer takes twenty seconds: the answer is written for minutes.
    glasses.work_us = 20 * SECOND;
    glasses.settings.first_word_us = u64::MAX;
    let seen = glasses.go();
    assert!(number(line(&seen, "done"), "decode_us") > 200 * SECOND);
    let [asked, paging] = ["state thinking", "state paging"].map(|words| seen.place(words));
    let paces = |lines: &[Line]| -> Vec<String> {
        let paces = lines.iter().filter(|line| line.is("pace"));
        paces.map(|line| line.text[5..].to_string()).collect()
    };
    assert!(paces(&seen.lines[asked..paging]).is_empty());
    assert_eq!(
        paces(&seen.lines[paging..]),
        [
            "duty=100 brightness=64 reason=quiet",
            "duty=100 brightness=0 reason=quiet"
        ]
    );
    let dimmed = &seen.lines[paging..].iter().find(|line| line.is("pace"));
    let read_us = dimmed.unwrap().at_us - seen.lines[paging].at_us;
    assert!((60 * SECOND..=100 * SECOND).contains(&read_us), "{read_us}");
}

#[test]
fn at_rest_it_wakes_for_its_readings_alone() {
    let mut glasses = Glasses::new();
    glasses.until_us = 3600 * SECOND;
    let seen = glasses.go();
    assert!((360..380).contains(&seen.idles), "{} sleeps", seen.idles);
    assert!(!seen.on);
    // Dark glasses that nobody wears do not even do that.
    let mut glasses = Glasses::new();
    glasses.until_us = 3600 * SECOND;
    glasses.script = vec![(When::At(SECOND), SensorKind::Removed)];
    let seen = glasses.go();
    assert!(seen.idles < 5, "{} sleeps", seen.idles);
    assert_eq!(
        line(&seen, "pace").text,
        "pace duty=100 brightness=0 reason=removed"
    );
}

#[test]
fn what_a_rest_costs_is_told_once() {
    let run = |script| {
        let mut glasses = Glasses::new();
        glasses.until_us = 100 * SECOND;
        glasses.instructions = Some(u32::MAX - 2500);
        glasses.script = script;
        let seen = glasses.go();
        let told = seen.lines("idle");
        let told = told
            .iter()
            .map(|line| (line.at_us / SECOND, line.text.clone()));
        told.collect::<Vec<_>>()
    };
    let words = |at_s, wakes, us| {
        let text = format!("idle instructions={} us={us}", 1000 * wakes);
        (at_s, text)
    };
    // From the start to the first look that is ten seconds later, from each change of the display again.
    // The model is there after a tenth of a millisecond.
    let rests = run(vec![]);
    assert_eq!(
        rests.iter().map(|rest| rest.0).collect::<Vec<_>>(),
        [30, 50]
    );
    let us = |rest: &(u64, String)| rest.1.rsplit('=').next().unwrap().parse::<u64>().unwrap();
    assert!(
        (14 * SECOND..15 * SECOND).contains(&us(&rests[0])),
        "{rests:?}"
    );
    assert_eq!(rests[0], words(30, 2, us(&rests[0])));
    assert_eq!(rests[1], words(50, 2, us(&rests[1])));
    // Whatever happens begins another.
    let tap = |at_s| (When::At(at_s * SECOND), SensorKind::Tap);
    let rests = run(vec![tap(25), tap(26), tap(57)]);
    assert_eq!(
        rests.iter().map(|rest| rest.0).collect::<Vec<_>>(),
        [40, 70, 100]
    );
    // On a board that does not count there is nothing to tell.
    let mut glasses = Glasses::new();
    glasses.until_us = 100 * SECOND;
    assert!(glasses.go().lines("idle").is_empty());
}

fn recorded(at_us: u64, kind: SensorKind) -> SensorEvent {
    SensorEvent::new(at_us, kind)
}

fn mark(number: u32) -> SensorKind {
    SensorKind::Mark { number }
}

#[test]
fn a_replay_dims_by_the_events_time_alone() {
    let run = |work_us| {
        let mut glasses = Glasses::new();
        glasses.settings.replay = true;
        glasses.pictures = true;
        glasses.work_us = work_us;
        // An hour after the last event, which does not matter.
        glasses.until_us = 3600 * SECOND;
        glasses.recording = vec![
            recorded(0, mark(0)),
            recorded(SECOND, SensorKind::LongPress),
            recorded(2 * SECOND, says("hi")),
            recorded(2 * SECOND, mark(7)),
            recorded(61 * SECOND, mark(1)),
            recorded(62 * SECOND, mark(2)),
            recorded(92 * SECOND, mark(3)),
            recorded(200 * SECOND, SensorKind::DoubleTap),
            recorded(200 * SECOND, mark(4)),
            // Time that runs backwards stands still.
            recorded(0, mark(5)),
        ];
        glasses.go()
    };
    let (quick, slow) = (run(1), run(SECOND));
    for seen in [&quick, &slow] {
        let levels: Vec<u8> = seen
            .lines("mark")
            .iter()
            .map(|line| if line.on { line.brightness } else { 0 })
            .collect();
        assert_eq!(levels, [255, 255, 255, 64, 0, 255, 255]);
        assert!(seen.on);
    }
    for (quick, slow) in quick.lines("mark").iter().zip(slow.lines("mark")) {
        assert!(quick.picture == slow.picture, "{}", quick.text);
    }
    let without_times = |seen: &Seen| -> Vec<String> {
        let words = ["state", "pace", "token", "text", "mark", "error"];
        let told = seen.lines.iter().filter(|l| words.iter().any(|w| l.is(w)));
        told.map(|line| line.text.clone()).collect()
    };
    assert_eq!(without_times(&quick), without_times(&slow));
}

#[test]
fn a_recording_that_waits_for_a_chip_to_cool_is_not_stuck() {
    let mut glasses = Glasses::new();
    glasses.settings.replay = true;
    glasses.recording = vec![
        recorded(0, mark(0)),
        recorded(SECOND, celsius(80)),
        recorded(SECOND, SensorKind::LongPress),
        recorded(2 * SECOND, says("hi")),
        recorded(3 * SECOND, mark(1)),
        recorded(4 * SECOND, celsius(30)),
        recorded(5 * SECOND, mark(2)),
    ];
    let seen = glasses.go();
    // Nothing more can happen before the next event, so that is when the first mark is reached.
    assert!(seen.place("mark 1") < seen.place("token"));
    assert!(seen.place("done max_tokens") < seen.place("mark 2"));
}
