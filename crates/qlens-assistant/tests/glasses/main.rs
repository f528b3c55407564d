//! The application whole, as somebody with a clock in hand sees it: marks of recordings, floods of events,
//! pauses, and a display that goes dark.

mod applications;
mod marks;
mod pacing;
mod sleep;
mod world;
