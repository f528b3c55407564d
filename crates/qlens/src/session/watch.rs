//! Being asked, while a session works, whether it shall go on.

/// Which part of its work a session is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Phase {
    /// Reading the prompt, a batch at a time.
    Prefill,
    /// Writing the answer, a token at a time.
    Decode,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Progress {
    /// Reading or writing.
    pub phase: Phase,
    /// Tokens behind it: of the prompt's new part, or of the answer.
    pub done: usize,
    /// Tokens of the prompt's new part, or at most of the answer.
    pub total: usize,
}

/// Why work was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Interrupt {
    /// Somebody does not want the answer any more.
    Cancelled,
    /// It took too long.
    Deadline,
}

/// Watches a session at work. The runtime has no clock and no buttons; who has them implements this.
pub trait Watch {
    /// Asked before each layer of each batch and each token, and once where a token was read before, as part
    /// of a draft; an answer breaks the work off.
    ///
    /// What was computed up to the last whole batch stays and is not computed again.
    fn check(&mut self, at: Progress) -> Option<Interrupt>;
}

/// Never interrupts.
impl Watch for () {
    fn check(&mut self, _: Progress) -> Option<Interrupt> {
        None
    }
}

impl<F: FnMut(Progress) -> Option<Interrupt>> Watch for F {
    fn check(&mut self, at: Progress) -> Option<Interrupt> {
        self(at)
    }
}
