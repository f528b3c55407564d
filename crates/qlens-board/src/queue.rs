//! The queue that sensor events wait in while the model is busy. Bounded, because a sensor may
//! babble; it drops the oldest, because what the wearer did last is what counts, but a reading that the
//! next one replaces before anything that somebody did; and it counts what it dropped, because a silent
//! loss is a bug report nobody can explain.

use core::mem::discriminant;

use heapless::Deque;

use crate::event::{SensorEvent, SensorKind};

/// Up to `N` events, oldest first.
#[derive(Debug, Default)]
pub struct EventQueue<const N: usize> {
    events: Deque<SensorEvent, N>,
    dropped: u32,
}

impl<const N: usize> EventQueue<N> {
    /// An empty queue.
    pub const fn new() -> Self {
        Self {
            events: Deque::new(),
            dropped: 0,
        }
    }
}

/// Where a sensor source puts what it noticed, whatever the queue's size.
pub trait EventSink {
    /// Appends an event; a full queue loses another for it, and counts the loss.
    fn push(&mut self, event: SensorEvent);

    /// Whether the next event would cost another. A source that can keep its events asks first.
    fn is_full(&self) -> bool;
}

impl<const N: usize> EventSink for EventQueue<N> {
    fn push(&mut self, event: SensorEvent) {
        if self.events.is_full() {
            self.make_room(&event.kind);
            self.dropped = self.dropped.saturating_add(1);
        }
        // There is a place now; a queue of no places does not compile.
        let _ = self.events.push_back(event);
    }

    fn is_full(&self) -> bool {
        self.events.is_full()
    }
}

impl<const N: usize> EventQueue<N> {
    /// Drops the oldest reading of the newcomer's kind, or else of any, or else the oldest event.
    fn make_room(&mut self, newcomer: &SensorKind) {
        let first = |is: &dyn Fn(&SensorKind) -> bool| {
            let mut kinds = self.events.iter().map(|event| &event.kind);
            kinds.position(|kind| is_reading(kind) && is(kind))
        };
        let same = |kind: &SensorKind| discriminant(kind) == discriminant(newcomer);
        let replaced = first(&same).or_else(|| first(&|_| true)).unwrap_or(0);
        // Mostly it is among the oldest: those move, and not the many behind it.
        for place in (1..=replaced).rev() {
            self.events.swap(place, place - 1);
        }
        self.events.pop_front();
    }

    /// Takes the oldest event.
    pub fn pop(&mut self) -> Option<SensorEvent> {
        self.events.pop_front()
    }

    /// The oldest event, left in its place.
    pub fn peek(&self) -> Option<&SensorEvent> {
        self.events.front()
    }

    /// Events waiting, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &SensorEvent> {
        self.events.iter()
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Events lost since the start because the queue was full; stays at its maximum.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }
}

/// Says how something is, so that the next one of its kind takes its place.
fn is_reading(kind: &SensorKind) -> bool {
    matches!(
        kind,
        SensorKind::Ambient { .. } | SensorKind::Battery { .. } | SensorKind::Temperature { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SensorKind;

    fn tap(at_us: u64) -> SensorEvent {
        SensorEvent::new(at_us, SensorKind::Tap)
    }

    #[test]
    fn keeps_order() {
        let mut queue = EventQueue::<4>::new();
        assert!(queue.is_empty());
        for at in 0..4 {
            queue.push(tap(at));
        }
        assert_eq!(queue.len(), 4);
        assert!(EventSink::is_full(&queue));
        assert_eq!(queue.peek(), Some(&tap(0)));
        for at in 0..4 {
            assert_eq!(queue.pop(), Some(tap(at)));
        }
        assert_eq!(queue.pop(), None);
        assert_eq!(queue.dropped(), 0);
    }

    #[test]
    fn a_flood_keeps_the_newest_and_counts_the_rest() {
        let mut queue = EventQueue::<4>::new();
        for at in 0..10_000 {
            queue.push(tap(at));
        }
        assert_eq!(queue.dropped(), 9_996);
        assert!(queue.iter().map(|event| event.at_us).eq(9_996..10_000));
    }

    #[test]
    fn a_flood_of_readings_costs_readings_alone() {
        let mut queue = EventQueue::<4>::new();
        let battery = SensorKind::Battery {
            percent: 50,
            charging: false,
        };
        queue.push(tap(0));
        queue.push(SensorEvent::new(1, battery));
        for at in 2..10_000 {
            queue.push(SensorEvent::new(at, SensorKind::Ambient { lux: 1 }));
        }
        assert!(
            queue
                .iter()
                .map(|event| event.at_us)
                .eq([0, 1, 9_998, 9_999])
        );
        // What somebody does costs the oldest of them.
        queue.push(tap(10_000));
        queue.push(tap(10_001));
        assert_eq!(queue.dropped(), 9_998);
        assert!(
            queue
                .iter()
                .map(|event| event.at_us)
                .eq([0, 9_999, 10_000, 10_001])
        );
    }
}
