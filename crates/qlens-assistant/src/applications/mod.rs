//! What can be done with the glasses, each thing by itself: what it keeps and what becomes of it. None of
//! them knows of states, touches or pictures; those are [`Assistant`](crate::Assistant)'s.

pub mod ask;
pub mod dashboard;
