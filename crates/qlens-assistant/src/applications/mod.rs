//! What can be done with the glasses, each thing by itself: what it keeps and what becomes of it. None of
//! them knows of states, touches or pictures; those are [`Assistant`](crate::Assistant)'s, and its table
//! says what each does about what happens.
//!
//! | module | what it is | what it keeps |
//! |---|---|---|
//! | [`menu`] | the others, to choose from | the one that is chosen |
//! | [`ask`] | a conversation with the model | its turns |
//! | [`translate`] | captions: what is said, in the other language | what fits the display, and what waits |
//! | [`notes`] | what is said, kept and summed up | the notes, in a [`NoteStore`](qlens_board::NoteStore) |
//! | [`teleprompter`] | a text that turns its own pages while it is read aloud | the text, and how far it was read |
//! | [`dashboard`] | what the glasses know, on a look upwards | the last of each reading |

pub mod ask;
pub mod dashboard;
pub mod language;
pub mod menu;
pub mod notes;
pub mod teleprompter;
pub mod translate;
