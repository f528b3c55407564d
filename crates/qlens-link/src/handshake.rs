//! How the two sides find each other and notice that the other one started anew.
//!
//! Each side offers a number that it never offered before; the pair of both numbers is the session. Who
//! sees its own number come back knows that the other side is alive now and that this is no frame from
//! before a reboot. A session lasts until another one is made: an introduction that came late, or twice,
//! or from nobody, changes nothing.

use crate::frame::Hello;
use crate::message::VERSION;

/// The pair of numbers that both sides hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    mine: u32,
    theirs: u32,
    /// Stands in each frame.
    pub id: u16,
    /// The other side was heard in this session, so it knows of it.
    pub proven: bool,
}

/// What an introduction meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// There is a new session, with a side that has this name since it started.
    Begun { boot: u32 },
    /// The other side of the present session said it once more.
    Again,
    /// The other side speaks another version.
    OtherVersion(u16),
    /// It is a side like this one, or makes no sense.
    Nonsense,
    /// It is about another session; if it asked, it gets an answer.
    Other,
}

#[derive(Debug)]
pub(crate) struct Handshake {
    hub: bool,
    seed: u64,
    /// Numbers made so far.
    drawn: u64,
    /// This side's name since it started; 0 until something was heard that goes into it.
    boot: u32,
    /// This side's number for the next session.
    offer: u32,
    /// The number that the other side offers, if it did.
    theirs: u32,
    session: Option<Session>,
    /// The pair of numbers to answer with.
    reply: Option<(u32, u32)>,
}

impl Handshake {
    pub const fn new(hub: bool, seed: u64) -> Self {
        let mut it = Self {
            hub,
            seed,
            drawn: 0,
            boot: 0,
            offer: 0,
            theirs: 0,
            session: None,
            reply: None,
        };
        it.draw();
        it
    }

    const fn draw(&mut self) {
        self.drawn += 1;
        self.offer = not_zero(mix(self.seed.wrapping_add(mix(self.drawn))));
    }

    pub fn session(&self) -> Option<Session> {
        self.session
    }

    /// The other side was heard in the session.
    pub fn prove(&mut self) {
        if let Some(session) = &mut self.session {
            session.proven = true;
        }
    }

    /// Nothing was heard for too long.
    pub fn end(&mut self) {
        self.session = None;
        self.theirs = 0;
        self.reply = None;
    }

    pub fn wants_reply(&self) -> bool {
        self.reply.is_some()
    }

    /// The answer that somebody waits for.
    pub fn reply(&mut self) -> Option<Hello> {
        let (nonce, echo) = self.reply.take()?;
        Some(self.hello(nonce, echo, false))
    }

    /// The introduction that is sent again and again until the other side was heard in a session.
    pub fn ask(&self) -> Hello {
        match self.session {
            Some(session) => self.hello(session.mine, session.theirs, true),
            None => self.hello(self.offer, self.theirs, true),
        }
    }

    fn hello(&self, nonce: u32, echo: u32, asks: bool) -> Hello {
        Hello {
            version: VERSION,
            hub: self.hub,
            asks,
            nonce,
            echo,
            boot: self.boot,
        }
    }

    pub fn hear(&mut self, hello: &Hello) -> Heard {
        if hello.version != VERSION {
            return Heard::OtherVersion(hello.version);
        }
        if hello.hub == self.hub || hello.nonce == 0 {
            return Heard::Nonsense;
        }
        if self.boot == 0 {
            // A hub without a source of chance has the same seed after each reboot. The other side's
            // number is a new one then, because that side did not start anew.
            self.boot = not_zero(mix(self.seed ^ mix(u64::from(hello.nonce))));
        }
        if let Some(session) = self.session
            && (session.mine, session.theirs) == (hello.echo, hello.nonce)
        {
            if hello.asks {
                self.reply = Some((session.mine, session.theirs));
            }
            return Heard::Again;
        }
        if hello.echo == self.offer {
            if hello.boot == 0 {
                return Heard::Nonsense;
            }
            self.session = Some(Session {
                mine: self.offer,
                theirs: hello.nonce,
                id: self.session_id(self.offer, hello.nonce),
                proven: false,
            });
            self.reply = None;
            self.theirs = 0;
            self.draw();
            return Heard::Begun { boot: hello.boot };
        }
        if hello.asks {
            self.theirs = hello.nonce;
            self.reply = Some((self.offer, hello.nonce));
        }
        Heard::Other
    }

    fn session_id(&self, mine: u32, theirs: u32) -> u16 {
        let (hub, processor) = if self.hub {
            (mine, theirs)
        } else {
            (theirs, mine)
        };
        mix(u64::from(hub) << 32 | u64::from(processor)) as u16
    }
}

/// The finalizer of `SplitMix64` (Steele, Lea, Flood 2014): each bit of the result hangs on each of `x`.
const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

const fn not_zero(x: u64) -> u32 {
    let x = x as u32;
    if x == 0 { 1 } else { x }
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
