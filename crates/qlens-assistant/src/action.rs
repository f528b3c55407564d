//! What the machine around the assistant has to do. The assistant itself does nothing but decide, so
//! everything it wants done leaves through this one small set.

use core::fmt;

/// One thing to do.
///
/// The variants are in the order in which the actions of one call must be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Action {
    /// Stop the generation that runs. It is acknowledged, like every end of a generation, by one
    /// call of [`Assistant::on_stop`](crate::Assistant::on_stop) or
    /// [`Assistant::on_error`](crate::Assistant::on_error).
    Cancel,
    /// The glasses are worn again: light the display.
    Wake,
    /// Load the model (again), reporting by [`Assistant::on_loading`](crate::Assistant::on_loading),
    /// then [`Assistant::on_ready`](crate::Assistant::on_ready) or `on_error` with
    /// [`Fault::Load`](crate::Fault::Load).
    Load,
    /// Make the session's context [`Assistant::chat`](crate::Assistant::chat) and generate. Exactly
    /// one `on_stop` or `on_error` must follow; no second `Prompt` comes before it.
    Prompt,
    /// The picture changed: call [`Hud::draw`](crate::hud::Hud::draw).
    Draw,
    /// The glasses were taken off: blank the display, let the cores sleep once nothing runs.
    Sleep,
}

impl Action {
    /// Every action, in the order of carrying out.
    pub const ALL: [Self; 6] = [
        Self::Cancel,
        Self::Wake,
        Self::Load,
        Self::Prompt,
        Self::Draw,
        Self::Sleep,
    ];

    /// The word for traces and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Wake => "wake",
            Self::Load => "load",
            Self::Prompt => "prompt",
            Self::Draw => "draw",
            Self::Sleep => "sleep",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The actions of one call: a set, so that it cannot overflow and holds each action at most once.
///
/// Iterating gives them in the order in which they must be carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "the assistant does nothing itself; somebody has to carry the actions out"]
pub struct Actions(u8);

impl Actions {
    /// Nothing to do.
    pub const NONE: Self = Self(0);

    /// These actions and `action`.
    pub const fn with(self, action: Action) -> Self {
        Self(self.0 | action.bit())
    }

    /// These actions without `action`.
    pub const fn without(self, action: Action) -> Self {
        Self(self.0 & !action.bit())
    }

    /// The actions of both, for callers who collect over several calls before acting.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `action` is among them.
    pub const fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// Whether there is nothing to do.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl From<Action> for Actions {
    fn from(action: Action) -> Self {
        Self::NONE.with(action)
    }
}

impl IntoIterator for Actions {
    type Item = Action;
    type IntoIter = ActionsIter;

    fn into_iter(self) -> ActionsIter {
        ActionsIter {
            left: self,
            next: 0,
        }
    }
}

/// Iterator over [`Actions`], in the order of carrying out.
#[derive(Clone, Debug)]
pub struct ActionsIter {
    left: Actions,
    next: usize,
}

impl Iterator for ActionsIter {
    type Item = Action;

    fn next(&mut self) -> Option<Action> {
        while let Some(&action) = Action::ALL.get(self.next) {
            self.next += 1;
            if self.left.contains(action) {
                return Some(action);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_out_once_each_in_the_order_of_carrying_out() {
        let set = Actions::from(Action::Sleep)
            .with(Action::Draw)
            .with(Action::Cancel)
            .with(Action::Draw);
        assert!(
            set.into_iter()
                .eq([Action::Cancel, Action::Draw, Action::Sleep])
        );
        assert!(Action::ALL.is_sorted());
        assert!(Actions::NONE.into_iter().next().is_none());
        assert!(
            set.without(Action::Draw)
                .into_iter()
                .eq([Action::Cancel, Action::Sleep])
        );
    }
}
