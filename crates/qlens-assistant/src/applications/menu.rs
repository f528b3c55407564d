//! Menu: what can be done, to choose from. It opens where it always does, so that a hand learns how many
//! swipes a thing is away, and its ends are ends.

use core::fmt;

/// Something to choose, in the order in which it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Entry {
    /// [`ask`](super::ask)
    Ask,
    /// [`translate`](super::translate)
    Translate,
    /// [`notes`](super::notes)
    Notes,
    /// [`teleprompter`](super::teleprompter)
    Teleprompter,
    /// [`dashboard`](super::dashboard)
    Dashboard,
}

impl Entry {
    /// Every entry: what is used most comes first, and what a look upwards opens anyway comes last.
    pub const ALL: [Self; 5] = [
        Self::Ask,
        Self::Translate,
        Self::Notes,
        Self::Teleprompter,
        Self::Dashboard,
    ];

    /// What it is called on the display.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ask => "Ask",
            Self::Translate => "Translate",
            Self::Notes => "Notes",
            Self::Teleprompter => "Teleprompter",
            Self::Dashboard => "Dashboard",
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The menu.
#[derive(Clone, Copy, Debug)]
pub struct Menu {
    chosen: usize,
}

impl Menu {
    /// A menu at its first entry.
    pub const fn new() -> Self {
        Self { chosen: 0 }
    }

    /// Moves to the next entry or the one before; returns whether there is one.
    pub fn step(&mut self, forward: bool) -> bool {
        let chosen = if forward {
            (self.chosen + 1).min(Entry::ALL.len() - 1)
        } else {
            self.chosen.saturating_sub(1)
        };
        core::mem::replace(&mut self.chosen, chosen) != chosen
    }

    /// The entry that a tap opens.
    pub const fn chosen(self) -> Entry {
        Entry::ALL[self.chosen]
    }
}

impl Default for Menu {
    fn default() -> Self {
        Self::new()
    }
}
