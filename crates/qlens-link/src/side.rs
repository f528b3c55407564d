//! The two sides of the link, and what each may say.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{Command, Event};

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Hub {}
    impl Sealed for super::Processor {}
}

/// One side of the link: [`Hub`] or [`Processor`].
pub trait Side: sealed::Sealed {
    /// What it says that must not be lost.
    type Sends: Serialize;
    /// What it is told that must not be lost.
    type Receives: DeserializeOwned;
    /// Whether it is the hub.
    const IS_HUB: bool;
}

/// The sensor hub: sends [`Event`]s and streams.
#[derive(Debug, Clone, Copy)]
pub enum Hub {}

/// The application processor: sends [`Command`]s.
#[derive(Debug, Clone, Copy)]
pub enum Processor {}

impl Side for Hub {
    type Sends = Event;
    type Receives = Command;
    const IS_HUB: bool = true;
}

impl Side for Processor {
    type Sends = Command;
    type Receives = Event;
    const IS_HUB: bool = false;
}
