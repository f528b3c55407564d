//! The glasses application: sensor events and tokens in, prompts and pages out.
//!
//! [`Assistant`] decides, [`hud`] draws what it decided, and neither knows a clock, a device or a
//! model: the same code runs in firmware, in the demo on a desk, and in tests that replay recorded
//! traces. A machine glues it to the world like this:
//!
//! - sensor events go into [`Assistant::on_event`], in order;
//! - every [`Action`] that any call returns is carried out, in the order of [`Action::ALL`];
//! - for [`Action::Prompt`], [`Assistant::chat`] goes to the session; if it does not fit the context, or
//!   leaves too little of it for an answer, [`Assistant::drop_oldest_turn`] until it does; then prefill
//!   goes to [`Assistant::on_progress`], text to [`Assistant::on_token`], and the end to
//!   [`Assistant::on_stop`] or [`Assistant::on_error`];
//! - for [`Action::Draw`], [`hud::Hud::draw`].
//!
//! [`app`] is such a machine, for any board; how fast it writes and how bright it shines is [`pace`]'s to say.
//!
//! No heap, no unsafe code; every text is bounded (see [`conversation`]).

#![no_std]
#![forbid(unsafe_code)]

mod action;
pub mod app;
pub mod applications;
pub mod assistant;
pub mod conversation;
pub mod hud;
pub mod layout;
pub mod pace;
pub mod typeface;

pub use action::{Action, Actions, ActionsIter};
pub use assistant::{Assistant, Fault, State, Stop};
