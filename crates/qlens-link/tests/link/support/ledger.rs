//! The book of numbered messages in one direction.

use qlens_board::{Direction, SensorKind};
use qlens_link::{Event, EventKind, HubStats};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// Accepted for sending; it has to come.
    Sent,
    /// In the memory of a sender that rebooted: it may have been on its way.
    Doubtful,
    Came,
    /// In the queue of a receiver that rebooted.
    Lost,
    /// Never sent.
    Skipped,
}

/// What became of each message, by its number.
#[derive(Default)]
pub struct Ledger {
    fates: Vec<(Fate, u64)>,
    /// Messages before this one cannot come any more.
    from: u64,
    /// The first that a receiver that rebooted may see again: the sender had no word of it.
    again: u64,
    /// Where those end.
    again_end: u64,
    /// From sending to taking, in µs.
    pub latencies: Vec<u64>,
}

impl Ledger {
    /// The number of the message that is sent next.
    pub fn next(&self) -> u64 {
        self.fates.len() as u64
    }

    pub fn sent(&mut self, now_us: u64) {
        self.fates.push((Fate::Sent, now_us));
    }

    /// Leaves a number out.
    pub fn skip(&mut self) {
        self.fates.push((Fate::Skipped, 0));
    }

    pub fn came(&mut self, number: u64, now_us: u64) {
        assert!(
            number >= self.from,
            "{number} came twice, or after a later one"
        );
        self.from = number + 1;
        let (fate, sent_us) = &mut self.fates[number as usize];
        let again = (self.again..self.again_end).contains(&number);
        assert!(
            matches!(fate, Fate::Sent | Fate::Doubtful) || again,
            "{number} came although it was {fate:?}"
        );
        *fate = Fate::Came;
        self.latencies.push(now_us - *sent_us);
    }

    /// It was in the receiver's queue when that rebooted.
    pub fn lost(&mut self, number: u64) {
        self.came(number, u64::MAX);
        self.latencies.pop();
        self.fates[number as usize].0 = Fate::Lost;
    }

    /// The sender forgot the last so many.
    pub fn sender_rebooted(&mut self, unacknowledged: usize) {
        let from = self.fates.len() - unacknowledged;
        for (fate, _) in &mut self.fates[from..] {
            if *fate == Fate::Sent {
                *fate = Fate::Doubtful;
            }
        }
        self.again_end = self.again_end.min(from as u64);
    }

    /// The receiver forgot all; the sender will repeat the last so many.
    pub fn receiver_rebooted(&mut self, unacknowledged: usize) {
        self.again = (self.fates.len() - unacknowledged) as u64;
        self.again_end = self.fates.len() as u64;
        self.from = 0;
    }

    /// How many came.
    pub fn arrived(&self) -> usize {
        self.count(Fate::Came)
    }

    fn count(&self, wanted: Fate) -> usize {
        self.fates
            .iter()
            .filter(|(fate, _)| *fate == wanted)
            .count()
    }

    /// Nothing may be missing.
    pub fn close(&self) {
        let missing = self.fates.iter().position(|(fate, _)| *fate == Fate::Sent);
        assert_eq!(missing, None, "missing: {}", self.count(Fate::Sent));
    }

    pub fn report(&self, what: &str) {
        eprintln!(
            "{what}: {} sent, {} came, {} died with a sender that rebooted, {} with a receiver",
            self.fates.len(),
            self.count(Fate::Came),
            self.count(Fate::Doubtful),
            self.count(Fate::Lost),
        );
    }
}

/// The event of this number: of all kinds and lengths, and always the same.
pub fn event(number: u64) -> Event {
    let sensor = |kind| EventKind::Sensor(kind);
    let kind = match number % 16 {
        0 => sensor(SensorKind::Tap),
        1 => sensor(SensorKind::DoubleTap),
        2 => sensor(SensorKind::Swipe(Direction::Forward)),
        3 => sensor(SensorKind::HeadUp),
        4 => sensor(SensorKind::Ambient { lux: number as u32 }),
        5 => EventKind::VoiceStart {
            utterance: number as u16,
        },
        6 => EventKind::VoiceStop {
            utterance: number as u16,
            samples: number as u32 * 7,
        },
        7 => EventKind::Stats(HubStats {
            uptime_s: number as u32,
            ..HubStats::default()
        }),
        8 => {
            // From nothing to the longest, so that all numbers of fragments occur.
            let length = (number / 16 * 61 % 1025) as usize;
            let text: String = (0..length)
                .map(|at| char::from(b'a' + ((number as usize + at) % 26) as u8))
                .collect();
            sensor(SensorKind::speech(&text).expect("at most 1024 bytes"))
        }
        9 => sensor(SensorKind::Worn),
        10 => sensor(SensorKind::Removed),
        11 => sensor(SensorKind::Battery {
            percent: number as u8,
            charging: true,
        }),
        12 => sensor(SensorKind::Temperature {
            milli_celsius: number as i32,
        }),
        13 => sensor(SensorKind::Swipe(Direction::Up)),
        14 => sensor(SensorKind::HeadDown),
        _ => sensor(SensorKind::LongPress),
    };
    Event {
        at_us: number,
        kind,
    }
}
