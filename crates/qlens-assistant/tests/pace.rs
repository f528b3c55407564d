//! The policy of pacing: what must hold of it under any conditions.

use proptest::prelude::*;
use qlens_assistant::pace::{
    CHARGE_BAND, Conditions, HEAT_BAND, Held, Limit, Pace, Scene, Shade, pacing,
};
use qlens_board::Throttle;

const SECOND: u64 = 1_000_000;

const CALM: Conditions = Conditions {
    battery: Some((80, false)),
    milli_celsius: Some(30_000),
    throttle: Throttle::None,
    scene: Scene::Working,
    quiet_us: 0,
    worn: true,
};

/// The pace, coming from nowhere.
fn at(conditions: Conditions) -> Pace {
    pacing(&conditions, Held::default()).0
}

fn charge(percent: u8) -> Conditions {
    Conditions {
        battery: Some((percent, false)),
        ..CALM
    }
}

fn heat(milli_celsius: i32) -> Conditions {
    Conditions {
        milli_celsius: Some(milli_celsius),
        ..CALM
    }
}

/// The pace after a row of conditions.
fn after(row: impl IntoIterator<Item = Conditions>) -> Pace {
    let mut held = Held::default();
    let mut pace = Pace::FULL;
    for conditions in row {
        (pace, held) = pacing(&conditions, held);
    }
    pace
}

#[test]
fn the_table_is_as_documented() {
    for (conditions, duty, limit, brightness) in [
        (CALM, 100, None, 255),
        (heat(54_999), 100, None, 255),
        (heat(55_000), 50, Some(Limit::Heat), 255),
        (heat(65_000), 25, Some(Limit::Heat), 255),
        (heat(75_000), 0, Some(Limit::Heat), 255),
        (charge(30), 100, None, 255),
        (charge(29), 50, Some(Limit::Battery), 255),
        (charge(14), 25, Some(Limit::Battery), 160),
        (charge(4), 0, Some(Limit::Battery), 96),
    ] {
        let pace = at(conditions);
        assert_eq!(
            (pace.duty, pace.limit, pace.brightness),
            (duty, limit, brightness),
            "{conditions:?}"
        );
    }
    for (throttle, duty) in [
        (Throttle::None, 100),
        (Throttle::Ease, 50),
        (Throttle::Stop, 0),
    ] {
        assert_eq!(at(Conditions { throttle, ..CALM }).duty, duty);
    }
    let unknown = Conditions {
        battery: None,
        milli_celsius: None,
        ..CALM
    };
    assert_eq!(at(unknown), Pace::FULL);
}

#[test]
fn the_display_is_dimmed_and_then_dark_when_it_is_quiet() {
    for (scene, dim, dark) in [(Scene::Waiting, 15, 30), (Scene::Reading, 60, 90)] {
        let quiet = |quiet_us| {
            at(Conditions {
                scene,
                quiet_us,
                ..CALM
            })
        };
        let seen = |pace: Pace| (pace.brightness, pace.due_us);
        assert_eq!(seen(quiet(0)), (255, Some(dim * SECOND)));
        assert_eq!(seen(quiet(dim * SECOND - 1)), (255, Some(dim * SECOND)));
        assert_eq!(seen(quiet(dim * SECOND)), (64, Some(dark * SECOND)));
        assert_eq!(seen(quiet(dark * SECOND - 1)), (64, Some(dark * SECOND)));
        assert_eq!(seen(quiet(dark * SECOND)), (0, None));
        assert_eq!(quiet(u64::MAX).shade, Some(Shade::Quiet));
    }
    let pace = at(Conditions {
        quiet_us: u64::MAX,
        ..CALM
    });
    assert_eq!(pace, Pace::FULL, "somebody waits for the model");
    let pace = at(Conditions {
        worn: false,
        ..CALM
    });
    assert_eq!((pace.brightness, pace.due_us), (0, None));
}

#[test]
fn the_words_say_what_limits() {
    let quiet = Conditions {
        scene: Scene::Waiting,
        quiet_us: 20 * SECOND,
        ..CALM
    };
    for (conditions, words) in [
        (CALM, "duty=100 brightness=255 reason=none"),
        (heat(60_000), "duty=50 brightness=255 reason=heat"),
        (charge(10), "duty=25 brightness=160 reason=battery"),
        (quiet, "duty=100 brightness=64 reason=quiet"),
        (
            Conditions {
                milli_celsius: Some(80_000),
                ..quiet
            },
            "duty=0 brightness=64 reason=heat+quiet",
        ),
        (
            Conditions {
                worn: false,
                throttle: Throttle::Ease,
                ..CALM
            },
            "duty=50 brightness=0 reason=board+removed",
        ),
    ] {
        assert_eq!(at(conditions).to_string(), words);
    }
}

#[test]
fn a_pause_makes_up_the_share() {
    let duty = |duty| Pace { duty, ..Pace::FULL };
    assert_eq!(duty(100).pause_us(100_000), Some(0));
    assert_eq!(duty(50).pause_us(100_000), Some(100_000));
    assert_eq!(duty(25).pause_us(100_000), Some(300_000));
    assert_eq!(duty(0).pause_us(100_000), None);
    assert_eq!(duty(1).pause_us(u64::MAX), Some(10 * SECOND));
    assert_eq!(duty(255).pause_us(u64::MAX), Some(0));
}

#[test]
fn a_chip_that_cools_goes_on_below_the_band() {
    assert_eq!(after([heat(75_000), heat(70_001)]).duty, 0);
    assert_eq!(after([heat(75_000), heat(69_999)]).duty, 25);
    assert_eq!(after([heat(75_000), heat(30_000)]).duty, 100);
    assert_eq!(after([charge(4), charge(6)]).duty, 0);
    assert_eq!(after([charge(4), charge(7)]).duty, 25);
    let charging = Conditions {
        battery: Some((4, true)),
        ..CALM
    };
    assert_eq!(after([charge(4), charging]), Pace::FULL);
}

fn conditions() -> impl Strategy<Value = Conditions> {
    (
        proptest::option::of((any::<u8>(), any::<bool>())),
        proptest::option::of(prop_oneof![any::<i32>(), -40_000..120_000]),
        prop_oneof![
            Just(Throttle::None),
            Just(Throttle::Ease),
            Just(Throttle::Stop)
        ],
        prop_oneof![
            Just(Scene::Working),
            Just(Scene::Reading),
            Just(Scene::Waiting)
        ],
        prop_oneof![any::<u64>(), 0..120 * SECOND],
        any::<bool>(),
    )
        .prop_map(
            |(battery, milli_celsius, throttle, scene, quiet_us, worn)| Conditions {
                battery,
                milli_celsius,
                throttle,
                scene,
                quiet_us,
                worn,
            },
        )
}

/// Any steps that some past may have left.
fn held() -> impl Strategy<Value = Held> {
    proptest::collection::vec(conditions(), 0..4).prop_map(|past| {
        past.iter()
            .fold(Held::default(), |held, now| pacing(now, held).1)
    })
}

proptest! {
    #[test]
    fn hotter_is_never_faster(now in conditions(), held in held(), a in any::<i32>(), b in -40_000..120_000) {
        let pace = |milli_celsius| pacing(&Conditions { milli_celsius: Some(milli_celsius), ..now }, held).0;
        prop_assert!(pace(a.max(b)).duty <= pace(a.min(b)).duty);
        // Nor does heat change the display.
        prop_assert_eq!(pace(a).brightness, pace(b).brightness);
    }

    #[test]
    fn emptier_is_never_faster_nor_brighter(now in conditions(), held in held(), a: u8, b in 0_u8..=100) {
        let pace = |percent| pacing(&Conditions { battery: Some((percent, false)), ..now }, held).0;
        prop_assert!(pace(a.min(b)).duty <= pace(a.max(b)).duty);
        prop_assert!(pace(a.min(b)).brightness <= pace(a.max(b)).brightness);
    }

    #[test]
    fn the_charger_never_slows_nor_dims(now in conditions(), held in held(), percent: u8) {
        let pace = |charging| pacing(&Conditions { battery: Some((percent, charging)), ..now }, held).0;
        prop_assert!(pace(true).duty >= pace(false).duty);
        prop_assert!(pace(true).brightness >= pace(false).brightness);
    }

    #[test]
    fn longer_quiet_is_never_brighter(now in conditions(), held in held(), a: u64, b in 0..120 * SECOND) {
        let pace = |quiet_us| pacing(&Conditions { quiet_us, ..now }, held).0;
        prop_assert!(pace(a.max(b)).brightness <= pace(a.min(b)).brightness);
        // What is due comes true, and not before.
        if let Some(due_us) = pace(b).due_us {
            prop_assert!(due_us > b);
            prop_assert_eq!(pace(due_us - 1).brightness, pace(b).brightness);
            prop_assert!(pace(due_us).brightness < pace(b).brightness || pace(b).brightness <= 64);
        }
    }

    #[test]
    fn it_is_within_bounds_and_says_why(now in conditions(), held in held(), worked: u64) {
        let (pace, _) = pacing(&now, held);
        prop_assert!(pace.duty <= 100);
        prop_assert_eq!(pace.duty < 100, pace.limit.is_some());
        prop_assert_eq!(pace.brightness < 255, pace.shade.is_some());
        prop_assert!(now.worn || pace.brightness == 0);
        prop_assert_eq!(pace.pause_us(worked).is_none(), pace.duty == 0);
        prop_assert!(pace.pause_us(worked).unwrap_or(0) <= 10 * SECOND);
        // Nothing new, nothing changed.
        let (again, held) = pacing(&now, pacing(&now, held).1);
        prop_assert_eq!(again, pacing(&now, held).0);
    }

    #[test]
    fn a_reading_that_wavers_within_the_band_changes_nothing(
        now in conditions(),
        held in held(),
        celsius in -40_000..120_000,
        percent in 0_u8..=100,
        wavers in proptest::collection::vec((0..HEAT_BAND, 0..CHARGE_BAND), 1..20),
    ) {
        let pace = |celsius, percent, held| {
            let milli_celsius = Some(celsius);
            let battery = Some((percent, false));
            pacing(&Conditions { milli_celsius, battery, ..now }, held)
        };
        // The hottest and emptiest that it becomes.
        let (first, mut new) = pace(celsius, percent, Held::default());
        let (mut last, mut old) = pace(celsius, percent, held);
        for (cooler, fuller) in wavers {
            let next;
            (next, new) = pace(celsius - cooler, percent + fuller, new);
            prop_assert_eq!(next, first);
            // Coming from worse it may still get better, and then stays so.
            let next;
            (next, old) = pace(celsius - cooler, percent + fuller, old);
            prop_assert!(next.duty >= last.duty && next.brightness >= last.brightness);
            last = next;
        }
    }
}
