//! What became of everything that was not delivered: a loss that nobody counts is a bug report that
//! nobody can explain.

/// A count that stays at its maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Count(pub u32);

impl Count {
    const NONE: Self = Self(0);

    pub(crate) fn add(&mut self, many: usize) {
        self.0 = self
            .0
            .saturating_add(u32::try_from(many).unwrap_or(u32::MAX));
    }
}

/// Counts of one end of the link since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counters {
    /// Frames handed to the link.
    pub frames_out: Count,
    /// Frames that came with the right check sum and made sense.
    pub frames_in: Count,
    /// Frames whose COBS coding or check sum was wrong.
    pub corrupt: Count,
    /// Runs of more bytes than a frame has, without a zero.
    pub oversize: Count,
    /// Frames with the right check sum that make no sense: a fault of the other side's program.
    pub malformed: Count,
    /// Frames of another session than the present one, from before a reboot for instance.
    pub stale: Count,
    /// Introductions by another version of the protocol.
    pub other_version: Count,
    /// Sessions begun.
    pub joins: Count,
    /// Sessions ended because nothing was heard for [`Timing::silence_us`](crate::Timing::silence_us).
    pub silences: Count,
    /// Event frames sent more than once.
    pub resent: Count,
    /// Messages that were not accepted for sending, because the queue was full or they were too long.
    pub refused: Count,
    /// Event frames that came again, or beyond the window.
    pub duplicates: Count,
    /// Messages that came whole and could not be read, or were longer than the queue.
    pub undecodable: Count,
    /// Items of streams that were not sent: there was no session, the other side slept, or they were
    /// the oldest in a full queue.
    pub stream_unsent: Count,
    /// Items of streams that the other side sent and that are missing in the sequence.
    pub stream_lost: Count,
    /// Items of streams that came after a later one, or twice; they are dropped.
    pub stream_late: Count,
    /// Items of streams that came and were dropped as the oldest in a full queue, or could not be read.
    pub stream_dropped: Count,
}

impl Counters {
    pub(crate) const NONE: Self = Self {
        frames_out: Count::NONE,
        frames_in: Count::NONE,
        corrupt: Count::NONE,
        oversize: Count::NONE,
        malformed: Count::NONE,
        stale: Count::NONE,
        other_version: Count::NONE,
        joins: Count::NONE,
        silences: Count::NONE,
        resent: Count::NONE,
        refused: Count::NONE,
        duplicates: Count::NONE,
        undecodable: Count::NONE,
        stream_unsent: Count::NONE,
        stream_lost: Count::NONE,
        stream_late: Count::NONE,
        stream_dropped: Count::NONE,
    };
}
