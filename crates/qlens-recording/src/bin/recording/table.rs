//! Recordings as CSV, for other tools and for measurements of other parts.

use std::io;

use anyhow::{Context as _, Result, bail, ensure};
use csv::{ReaderBuilder, StringRecord, WriterBuilder};
use qlens_recording::file::File;
use qlens_recording::wire::{Decoder, FRAME_BYTES, MAGIC, MICROPHONE_SAMPLES, encode};
use qlens_recording::{Pcm, Record, Sample, VERSION};
use qlens_sense::samples::{ImuSample, TouchSample};

/// What the columns are, for people.
pub const COLUMNS: &str = "\
Columns: time_us, sensor and its values, in the counts of the part:
  start        version of the format, seconds since 1970; the first line
  touch        x, y, pressure
  imu          acceleration x, y, z; rate x, y, z
  proximity    counts
  light        the part's word: four bits of exponent, twelve of mantissa
  microphone   up to 320 samples
  battery      charge in 256ths of a percent, 1 on the charger or 0
  temperature  128ths of a degree
  words        what was said
  mark         number, 1 if the player waits there or 0";

const HEADER: [&str; 3] = ["time_us", "sensor", "value..."];

/// Writes all records that are whole.
pub fn write(file: &File, out: impl io::Write) -> io::Result<()> {
    write_records(file, out).map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    })
}

fn write_records(file: &File, out: impl io::Write) -> csv::Result<()> {
    let mut csv = WriterBuilder::new().flexible(true).from_writer(out);
    csv.write_record(HEADER)?;
    let mut decoder = Decoder::new();
    for frame in file.frames() {
        if let Ok(record) = frame.record(&mut decoder) {
            let (sensor, values) = fields(record.sample);
            csv.write_field(record.at_us.to_string())?;
            csv.write_field(sensor)?;
            csv.write_record(values)?;
        }
    }
    csv.flush()?;
    Ok(())
}

fn fields(sample: Sample<'_>) -> (&'static str, Vec<String>) {
    let flag = |flag: bool| u8::from(flag).to_string();
    match sample {
        Sample::Start { version, unix_s } => {
            ("start", vec![version.to_string(), unix_s.to_string()])
        }
        Sample::Touch(TouchSample { x, y, pressure }) => {
            ("touch", [x, y, pressure].map(|n| n.to_string()).to_vec())
        }
        Sample::Imu(ImuSample { accel, gyro }) => {
            let words = accel.iter().chain(&gyro);
            ("imu", words.map(ToString::to_string).collect())
        }
        Sample::Proximity(counts) => ("proximity", vec![counts.to_string()]),
        Sample::Light(word) => ("light", vec![word.to_string()]),
        Sample::Microphone(sound) => ("microphone", sound.iter().map(|n| n.to_string()).collect()),
        Sample::Battery { charge, charging } => {
            ("battery", vec![charge.to_string(), flag(charging)])
        }
        Sample::Temperature(word) => ("temperature", vec![word.to_string()]),
        Sample::Words(words) => ("words", vec![words.into()]),
        Sample::Mark { number, wait } => ("mark", vec![number.to_string(), flag(wait)]),
    }
}

/// The bytes of a recording that has these records.
pub fn read(text: &[u8]) -> Result<Vec<u8>> {
    let mut csv = ReaderBuilder::new().flexible(true).from_reader(text);
    let header = csv.headers()?;
    ensure!(
        header.iter().take(2).eq(HEADER.into_iter().take(2)),
        "line 1 begins with {:?}: it has to be `{}`",
        header.iter().take(2).collect::<Vec<_>>().join(","),
        HEADER.join(",")
    );
    let mut recording = MAGIC.to_vec();
    for line in csv.records() {
        let line = line?;
        let place = || format!("line {}", line_number(&line, text));
        let is_first = recording.len() == MAGIC.len();
        let frame = frame(&line, is_first).with_context(place)?;
        recording.extend(frame);
    }
    ensure!(
        recording.len() > MAGIC.len(),
        "there is no record: the first is for instance `0,start,{VERSION},0`"
    );
    Ok(recording)
}

/// Where a record is: its position is that of the empty lines before it, which are skipped.
fn line_number(record: &StringRecord, text: &[u8]) -> u64 {
    let Some(position) = record.position() else {
        return 0;
    };
    let rest = text.get(position.byte() as usize..).unwrap_or_default();
    let ends = rest.iter().take_while(|byte| b"\r\n".contains(byte));
    position.line() + ends.filter(|&&byte| byte == b'\n').count() as u64
}

/// A line as a frame.
fn frame(line: &StringRecord, is_first: bool) -> Result<Vec<u8>> {
    let values = Values(line);
    let at_us = values.number(0, "time_us")?;
    let sensor = line.get(1).unwrap_or_default();
    ensure!(
        is_first == (sensor == "start"),
        "`start` is the first record, and no other: write for instance `0,start,{VERSION},0`"
    );
    let mut sound = Vec::new();
    let sample = match sensor {
        "start" => {
            let [version, unix_s] = values.all(["version", "seconds since 1970"])?;
            ensure!(
                version == i128::from(VERSION),
                "version {version} of the format: this is {VERSION}"
            );
            Sample::Start {
                version: VERSION,
                unix_s: fits(unix_s, "seconds since 1970")?,
            }
        }
        "touch" => {
            let [x, y, pressure] = values.all(["x", "y", "pressure"])?;
            Sample::Touch(TouchSample {
                x: fits(x, "x")?,
                y: fits(y, "y")?,
                pressure: fits(pressure, "pressure")?,
            })
        }
        "imu" => {
            const NAMES: [&str; 6] = [
                "accel x", "accel y", "accel z", "rate x", "rate y", "rate z",
            ];
            let words = values.all(NAMES)?;
            let mut sample = ImuSample::default();
            let places = sample.accel.iter_mut().chain(&mut sample.gyro);
            for ((place, word), name) in places.zip(words).zip(NAMES) {
                *place = fits(word, name)?;
            }
            Sample::Imu(sample)
        }
        "proximity" => {
            let [counts] = values.all(["counts"])?;
            Sample::Proximity(fits(counts, "counts")?)
        }
        "light" => {
            let [word] = values.all(["word"])?;
            Sample::Light(fits(word, "word")?)
        }
        "microphone" => {
            let count = line.len() - 2;
            ensure!(
                count <= MICROPHONE_SAMPLES,
                "{count} samples of sound: a record has at most {MICROPHONE_SAMPLES}, put the rest in the next"
            );
            for index in 2..line.len() {
                let sample: i128 = values.number(index, "sample")?;
                sound.push(fits::<i16>(sample, "sample")?.to_le_bytes());
            }
            Sample::Microphone(Pcm::new(&sound))
        }
        "battery" => {
            let [charge, charging] = values.all(["charge", "charging"])?;
            Sample::Battery {
                charge: fits(charge, "charge")?,
                charging: flag(charging, "charging")?,
            }
        }
        "temperature" => {
            let [word] = values.all(["word"])?;
            Sample::Temperature(fits(word, "word")?)
        }
        "words" => {
            ensure!(
                line.len() == 3,
                "words are one value: quote them if they have a comma"
            );
            Sample::Words(line.get(2).unwrap_or_default())
        }
        "mark" => {
            let [number, wait] = values.all(["number", "wait"])?;
            Sample::Mark {
                number: fits(number, "number")?,
                wait: flag(wait, "wait")?,
            }
        }
        _ => bail!("no sensor is called {sensor:?}: `cargo recording from-csv --help` lists them"),
    };
    let mut wire = [0; FRAME_BYTES];
    let frame = encode(&Record::new(at_us, sample), &mut wire);
    let too_long = "more words than an utterance has: put the rest in another";
    Ok(frame.context(too_long)?.to_vec())
}

/// The fields of a line.
struct Values<'a>(&'a StringRecord);

impl Values<'_> {
    /// As many numbers as there are names, and no more.
    fn all<const N: usize>(&self, names: [&str; N]) -> Result<[i128; N]> {
        let count = self.0.len() - 2;
        ensure!(
            count == N,
            "{count} values where there are {N}: {}",
            names.join(", ")
        );
        let mut numbers = [0; N];
        for (index, (number, name)) in numbers.iter_mut().zip(names).enumerate() {
            *number = self.number(index + 2, name)?;
        }
        Ok(numbers)
    }

    fn number<T: std::str::FromStr>(&self, index: usize, name: &str) -> Result<T> {
        let text = self.0.get(index).unwrap_or_default();
        let number = text.trim().parse().ok();
        number.with_context(|| format!("{name} is {text:?}, which is no whole number of its range"))
    }
}

/// The number in the width that the part has.
fn fits<T: TryFrom<i128>>(number: i128, name: &str) -> Result<T> {
    let bits = size_of::<T>() * 8;
    let fit = T::try_from(number).ok();
    fit.with_context(|| format!("{name} is {number}, which {bits} bits do not hold"))
}

fn flag(number: i128, name: &str) -> Result<bool> {
    ensure!(matches!(number, 0 | 1), "{name} is {number}: it is 0 or 1");
    Ok(number == 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_text(lines: &str) -> Result<Vec<u8>> {
        read(format!("time_us,sensor,value...\n{lines}").as_bytes())
    }

    fn written(recording: Vec<u8>) -> String {
        let file = File::new(recording).expect("a recording");
        let mut text = Vec::new();
        write(&file, &mut text).expect("memory takes it");
        String::from_utf8(text).expect("is text")
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let start = "0,start,1,0\n";
        for (lines, expected) in [
            (
                "",
                "there is no record: the first is for instance `0,start,1,0`",
            ),
            ("5,touch,1,2,3\n", "line 2: `start` is the first record"),
            (
                "0,start,9,0\n",
                "line 2: version 9 of the format: this is 1",
            ),
            (
                "0,start,1,0\n0,start,1,0\n",
                "line 3: `start` is the first record",
            ),
            (
                "{}5,touch,1,2\n",
                "line 3: 2 values where there are 3: x, y, pressure",
            ),
            (
                "{}5,imu,1,2,3,4,5,32768\n",
                "line 3: rate z is 32768, which 16 bits do not hold",
            ),
            (
                "{}5,light,0x10\n",
                "line 3: word is \"0x10\", which is no whole number",
            ),
            ("{}-5,light,1\n", "line 3: time_us is \"-5\""),
            ("{}5,battery,1,2\n", "line 3: charging is 2: it is 0 or 1"),
            (
                "{}\n5,barometer,1\n",
                "line 4: no sensor is called \"barometer\"",
            ),
            ("{}5\n", "line 3: no sensor is called \"\""),
            ("{}5,words,a,b\n", "line 3: words are one value"),
        ] {
            let lines = lines.replace("{}", start);
            let error = read_text(&lines).expect_err(&lines);
            let error = format!("{error:#}");
            assert!(error.starts_with(expected), "{lines:?}: {error}");
        }
        let error = read(b"when,what\n").expect_err("another table").to_string();
        assert!(
            error.starts_with("line 1 begins with \"when,what\""),
            "{error}"
        );
        let long = format!("{start}0,words,{}\n", "a".repeat(1025));
        assert!(
            format!("{:#}", read_text(&long).expect_err("long")).starts_with("line 3: more words")
        );
        let loud = format!("{start}0,microphone{}\n", ",1".repeat(321));
        assert!(
            format!("{:#}", read_text(&loud).expect_err("long")).starts_with("line 3: 321 samples")
        );
    }

    /// Any record as a line.
    fn line() -> impl Strategy<Value = String> {
        let join = |sensor: &str, values: Vec<String>| {
            let fields = [vec![sensor.to_string()], values].concat();
            fields.join(",")
        };
        let row = |sensor: &'static str, count: usize| {
            prop::collection::vec(any::<u16>().prop_map(|n| n.to_string()), count)
                .prop_map(move |values| join(sensor, values))
        };
        let signed = move |sensor: &'static str, count: core::ops::Range<usize>| {
            prop::collection::vec(any::<i16>().prop_map(|n| n.to_string()), count)
                .prop_map(move |values| join(sensor, values))
        };
        let record = prop_oneof![
            row("touch", 3),
            signed("imu", 6..7),
            row("proximity", 1),
            row("light", 1),
            signed("microphone", 1..321),
            signed("temperature", 1..2),
            (any::<u16>(), any::<bool>()).prop_map(|(n, b)| format!("battery,{n},{}", u8::from(b))),
            (any::<u32>(), any::<bool>()).prop_map(|(n, b)| format!("mark,{n},{}", u8::from(b))),
            "[a-z，。 字]{1,20}".prop_map(|words| format!("words,{words}")),
            Just("words,\"a, \"\"b\"\"\n c\"".to_string()),
        ];
        (any::<u64>(), record).prop_map(|(at_us, record)| format!("{at_us},{record}"))
    }

    proptest! {
        /// Text, recording and text again are the same.
        #[test]
        fn a_table_and_its_recording_say_the_same(unix_s: u64, lines in prop::collection::vec(line(), 0..20)) {
            let lines = [vec![format!("0,start,1,{unix_s}")], lines].concat();
            let text = format!("{}\n{}\n", HEADER.join(","), lines.join("\n"));
            let recording = read(text.as_bytes()).expect("is right");
            prop_assert_eq!(written(recording), text);
        }
    }
}
