//! Scenes that cannot be followed: each is refused with its line and with what can stand there.

use std::path::Path;

use qlens_recording::scene::Scene;

const HEAD: &str = "about = \"a\"\nstart = 2026-05-04T09:41:00\n";

fn refusal(text: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../traces");
    match Scene::parse(text, &folder) {
        Ok(scene) => panic!("{text}\nis followed: {scene:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_wrong_entry_is_refused_where_it_is() {
    for (entries, expected) in [
        (
            "[[do]]\ntap = true",
            "line 4: unknown field `tap`, expected one of `at`",
        ),
        (
            "[[do]]\nat = 1",
            "line 3: nothing is done in this entry: say one of wear",
        ),
        (
            "[[do]]\nwear = true\nwalk = true",
            "line 5: `wear` and `walk` in one entry",
        ),
        (
            "[[do]]\nat = 1\nafter = 2\nwear = true",
            "line 3: `at` or `after`, not both",
        ),
        (
            "[[do]]\nat = -1\nwear = true",
            "line 4: `at` is -1: it goes from 0 to 3600 s",
        ),
        ("[[do]]\nat = nan\nwear = true", "line 4: `at` is NaN"),
        (
            "[[do]]\nat = 5\nwear = true\n[[do]]\nat = 4\nwalk = true",
            "line 7: `at` is 4, before the entry above, which begins at 5",
        ),
        (
            "[[do]]\nwear = false",
            "line 4: the glasses are off already",
        ),
        (
            "[[do]]\nlook = \"left\"",
            "line 4: `look` is \"up\", \"down\" or degrees over the horizon",
        ),
        (
            "[[do]]\nlook = 81",
            "line 4: `look` is 81: it goes from -80 to 80 degrees",
        ),
        (
            "[[do]]\ntouch = \"press\"",
            "line 4: unknown variant `press`, expected one of `tap`, `double-tap`, `long-press`",
        ),
        (
            "[[do]]\nswipe = \"left\"",
            "line 4: unknown variant `left`, expected one of `forward`",
        ),
        (
            "[[do]]\nspeak = { sound = \"none.ul\" }",
            "line 4: the sound ",
        ),
        (
            "[[do]]\nspeak = { sound = \"demo.toml\" }",
            "line 4: \"demo.toml\" is no sound",
        ),
        (
            "[[do]]\nspeak = { sound = \"speech/demo.ul\", words = \"\" }",
            "line 4: `words` of 0 bytes",
        ),
        (
            "[[do]]\nspeak = { words = \"a\" }",
            "line 4: missing field `sound`",
        ),
        (
            "[[do]]\nlight = 90000",
            "line 4: `light` is 90000: it goes from 0 to 83000 lux",
        ),
        (
            "[[do]]\nbattery = { percent = 101 }",
            "line 4: `percent` is 101",
        ),
        ("[[do]]\ntemperature = 200", "line 4: `temperature` is 200"),
        (
            "[[do]]\nwait = true",
            "line 4: invalid type: boolean `true`, expected a string",
        ),
        (
            "[[do]]\nwait = \"The End\"",
            "line 4: \"The End\" cannot be the name of a wait",
        ),
        (
            "[[do]]\nwait = \"a\"\n[[do]]\nwait = \"a\"",
            "line 6: there is a wait \"a\" before",
        ),
        ("[[do]]\nend = false", "line 4: `end` is always true"),
        (
            "[[do]]\nend = true\n[[do]]\nwear = true",
            "line 5: nothing is done after `end`",
        ),
        (
            "[[do]]\nwear = true\n[[do]]\nat = 1\nend = true",
            "line 7: it is over after 1 s, where what is done takes 1.2 s",
        ),
        (
            "[[do]]\ntouch = \"tap\"\n[[do]]\nat = 0.1\ntouch = \"tap\"",
            "line 7: the finger is busy until 0.12 s",
        ),
        (
            "[[do]]\nlook = \"up\"\n[[do]]\nat = 0.1\nlook = \"down\"",
            "line 7: the head is busy",
        ),
        (
            "[[do]]\nat = 3600\nspeak = { sound = \"speech/demo.ul\" }",
            "line 5: it is over after",
        ),
    ] {
        let said = refusal(&format!("{HEAD}{entries}"));
        assert!(
            said.starts_with(expected),
            "{entries}\nsays {said}\nnot {expected}"
        );
    }
}

#[test]
fn a_wrong_head_is_refused_where_it_is() {
    for (text, expected) in [
        (
            "start = 2026-05-04T09:41:00",
            "line 1: missing field `about`",
        ),
        ("about = \"a\"", "line 1: missing field `start`"),
        (
            "about = \"a\"\nstart = 2026-05-04",
            "line 2: `start` is the local date and time",
        ),
        (
            "about = \"a\"\nstart = 2026-05-04T09:41:00Z",
            "line 2: `start` is the local date and time",
        ),
        ("about = \"a\"\nstart = 2026-02-30T09:41:00", "line 2: "),
        ("about = \"a\"\nstart = \"noon\"", "line 2: "),
        (
            &format!("{HEAD}noise = 3"),
            "line 3: `noise` is 3: it goes from 0 to 2",
        ),
        (
            &format!("{HEAD}background = 3"),
            "line 3: `background` is 3: it goes from -96 to -10 dB",
        ),
        (&format!("{HEAD}seed = -1"), "line 3: "),
        (
            &format!("{HEAD}sound = 1"),
            "line 3: unknown field `sound`, expected one of `about`",
        ),
        ("about = ", "line 1: "),
    ] {
        let said = refusal(text);
        assert!(
            said.starts_with(expected),
            "{text}\nsays {said}\nnot {expected}"
        );
    }
    let missing = Scene::read(Path::new("/no/such.toml")).expect_err("no file");
    assert!(
        missing
            .to_string()
            .starts_with("/no/such.toml: cannot be read")
    );
}
