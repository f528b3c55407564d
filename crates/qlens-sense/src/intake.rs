//! Time comes with the samples. This decides, before a sensor's recogniser sees one, whether its time can be:
//! not before the last one's, not sooner after it than the part can sample, and how long after.

/// So many samples in a row that are older than one before them mean that the clock began anew, and that
/// it is not just some of them that came late.
pub const CLOCK_RESTART: u8 = 32;

/// What became of the samples of one sensor; each count stays at its maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counts {
    /// Taken.
    pub taken: u32,
    /// Dropped: older than one before.
    pub backwards: u32,
    /// Dropped: sooner after the last than the part can sample.
    pub flooded: u32,
    /// Dropped in whole or in part: not a value that the part can measure, or at the end of its range.
    pub out_of_range: u32,
    /// Taken, but they say the same for so long that they are not believed.
    pub stuck: u32,
    /// Times that the samples stopped for so long that what was under way was given up.
    pub gaps: u32,
    /// Times that the clock began anew.
    pub clock_restarts: u32,
}

impl Counts {
    /// Samples that were not believed.
    pub const fn rejected(&self) -> u32 {
        self.backwards
            .saturating_add(self.flooded)
            .saturating_add(self.out_of_range)
            .saturating_add(self.stuck)
    }
}

/// One more.
pub(crate) fn count(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}

/// What the time of a sample means for the one who takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is to be dropped, and was counted.
    Drop,
    /// Nothing before it counts.
    Anew,
    /// So many microseconds after the last.
    After(u32),
}

/// The times of one sensor's samples.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    pub counts: Counts,
    shortest_us: u32,
    longest_us: u32,
    last_us: Option<u64>,
    older: u8,
}

impl Intake {
    /// For a sensor whose samples are at least `shortest_us` and at most `longest_us` apart.
    pub const fn new(shortest_us: u32, longest_us: u32) -> Self {
        Self {
            counts: Counts {
                taken: 0,
                backwards: 0,
                flooded: 0,
                out_of_range: 0,
                stuck: 0,
                gaps: 0,
                clock_restarts: 0,
            },
            shortest_us,
            longest_us,
            last_us: None,
            older: 0,
        }
    }

    /// A sample of this time is here.
    pub fn arrive(&mut self, time_us: u64) -> Arrival {
        let last_us = self.last_us.unwrap_or(time_us);
        self.arrive_between(
            time_us,
            last_us.saturating_add(u64::from(self.shortest_us)),
            last_us.saturating_add(u64::from(self.longest_us)),
        )
    }

    /// A sample of this time is here, which was due between these two.
    pub fn arrive_between(&mut self, time_us: u64, earliest_us: u64, latest_us: u64) -> Arrival {
        let Some(last_us) = self.last_us else {
            return self.take(time_us, Arrival::Anew);
        };
        let Some(elapsed_us) = time_us.checked_sub(last_us) else {
            count(&mut self.counts.backwards);
            self.older += 1;
            if self.older < CLOCK_RESTART {
                return Arrival::Drop;
            }
            self.older = 0;
            count(&mut self.counts.clock_restarts);
            return self.take(time_us, Arrival::Anew);
        };
        self.older = 0;
        if time_us < earliest_us {
            count(&mut self.counts.flooded);
            return Arrival::Drop;
        }
        match u32::try_from(elapsed_us) {
            Ok(elapsed_us) if time_us <= latest_us => {
                self.take(time_us, Arrival::After(elapsed_us))
            }
            _ => {
                count(&mut self.counts.gaps);
                self.take(time_us, Arrival::Anew)
            }
        }
    }

    fn take(&mut self, time_us: u64, arrival: Arrival) -> Arrival {
        self.last_us = Some(time_us);
        count(&mut self.counts.taken);
        arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_samples_are_dropped_and_a_clock_that_began_anew_is_followed() {
        let mut intake = Intake::new(1_000, 100_000);
        assert_eq!(intake.arrive(5_000_000), Arrival::Anew);
        assert_eq!(intake.arrive(4_990_000), Arrival::Drop);
        assert_eq!(intake.arrive(5_010_000), Arrival::After(10_000));
        // Thirty-one are not yet enough, nor are they with one in between that is not late.
        for step in 1..u64::from(CLOCK_RESTART) {
            assert_eq!(intake.arrive(step * 10_000), Arrival::Drop);
        }
        assert_eq!(intake.arrive(5_020_000), Arrival::After(10_000));
        for step in 1..u64::from(CLOCK_RESTART) {
            assert_eq!(intake.arrive(step * 10_000), Arrival::Drop);
        }
        assert_eq!(intake.arrive(320_000), Arrival::Anew);
        assert_eq!(intake.arrive(330_000), Arrival::After(10_000));
        assert_eq!(intake.counts.backwards, 2 * u32::from(CLOCK_RESTART));
        assert_eq!(intake.counts.clock_restarts, 1);
        assert_eq!(intake.counts.taken, 5);
    }

    #[test]
    fn a_flood_is_thinned_and_a_gap_is_a_new_beginning() {
        let mut intake = Intake::new(1_000, 100_000);
        let taken = (0..10_000)
            .filter(|step| intake.arrive(step * 100) != Arrival::Drop)
            .count();
        assert_eq!((taken, intake.counts.flooded), (1_000, 9_000));
        assert_eq!(intake.arrive(u64::MAX), Arrival::Anew);
        assert_eq!(intake.counts.gaps, 1);
    }
}
