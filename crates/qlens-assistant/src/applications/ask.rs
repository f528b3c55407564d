//! Ask: a conversation with the model, and the pages of its last answer.

use qlens::session::Stop;

use crate::conversation::{Conversation, Error};
use crate::layout::{PageSize, Reader};
use crate::typeface::Typeface;

/// The conversation, and where its reader is.
#[derive(Debug)]
pub struct Ask {
    pub(crate) conversation: Conversation,
    pub(crate) reader: Reader,
    /// Why the last answer ended, if it did.
    pub(crate) ended: Option<Stop>,
}

impl Ask {
    /// A conversation in which nothing was said, for pages of this size.
    pub const fn new(page: PageSize) -> Self {
        Self {
            conversation: Conversation::new(),
            reader: Reader::new(page),
            ended: None,
        }
    }

    /// Begins a turn.
    ///
    /// # Errors
    /// As [`Conversation::ask`]; nothing changed then.
    pub fn ask(&mut self, question: &str) -> Result<(), Error> {
        self.conversation.ask(question)?;
        self.reopen();
        Ok(())
    }

    /// Forgets the newest question; what is shown is again the answer before it.
    pub fn take_back(&mut self) {
        self.conversation.take_back();
        self.reopen();
    }

    /// The answer goes on. Returns whether it may go on further: there is room for its text and pages.
    pub fn answer(&mut self, piece: &str) -> bool {
        let room = self.conversation.answer(piece).is_ok();
        let paged = self
            .reader
            .grow(self.conversation.last_answer(), &Typeface)
            .is_ok();
        room && paged
    }

    fn reopen(&mut self) {
        self.ended = None;
        self.reader.open(self.conversation.last_answer(), &Typeface);
    }
}
