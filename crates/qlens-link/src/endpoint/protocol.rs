//! What an end does about the time and about frames.

use super::{Ack, Body, Core, FRAME_BYTES, Frame, Heard, Rest, State, Stream};

impl<const TX: usize, const RX: usize, const STREAM: usize> Core<TX, RX, STREAM> {
    pub fn state(&self) -> State {
        match (self.rest, self.handshake.session(), self.peer_version) {
            (Rest::Asleep, ..) => State::Asleep,
            (Rest::Asking { .. }, ..) => State::FallingAsleep,
            (Rest::Awake, Some(_), _) if self.peer_asleep => State::PeerAsleep,
            (Rest::Awake, Some(_), _) => State::Up,
            (Rest::Awake, None, Some(theirs)) => State::OtherVersion { theirs },
            (Rest::Awake, None, None) => State::Joining,
        }
    }

    /// Whether a stream's item has any prospect; if not, it is counted.
    pub fn streams(&mut self) -> bool {
        let up = self.state() == State::Up;
        if !up {
            self.counters.stream_unsent.add(1);
        }
        up
    }

    /// Time passed.
    pub fn tick(&mut self, now_us: u64) {
        self.now_us = self.now_us.max(now_us);
        if let Rest::Asking { until_us } = self.rest
            && (self.now_us >= until_us || self.handshake.session().is_none())
        {
            self.rest = Rest::Asleep;
        }
        if self.silent_us().is_some_and(|at| self.now_us >= at) {
            self.counters.silences.add(1);
            self.leave();
        }
    }

    /// When the session ends for want of a word from the other side.
    fn silent_us(&self) -> Option<u64> {
        let expects = self.rest == Rest::Awake && !self.peer_asleep;
        (expects && self.handshake.session().is_some())
            .then(|| self.heard_us.saturating_add(self.timing.silence_us))
    }

    /// No session any more.
    fn leave(&mut self) {
        self.handshake.end();
        self.peer_asleep = false;
        self.hello_us = self.now_us;
        if self.hub {
            let unsent = self.audio.clear() + self.imu.clear();
            self.counters.stream_unsent.add(unsent);
        }
    }

    pub fn sleep(&mut self, now_us: u64) {
        if self.rest == Rest::Awake {
            self.rest = Rest::Asking {
                until_us: now_us.saturating_add(self.timing.silence_us),
            };
            self.ack_us = 0;
            self.tick(now_us);
        }
    }

    pub fn wake(&mut self, now_us: u64) {
        self.now_us = self.now_us.max(now_us);
        if self.rest != Rest::Awake {
            self.rest = Rest::Awake;
            self.heard_us = self.now_us;
            self.hello_us = self.now_us;
            self.ack_us = 0;
        }
    }

    pub fn frame(&mut self, frame: &Frame<'_>) {
        match frame {
            Frame::Hello(hello) => match self.handshake.hear(hello) {
                Heard::Begun { boot } => self.begin(boot),
                Heard::Again => self.heard_us = self.now_us,
                Heard::OtherVersion(theirs) => {
                    self.counters.other_version.add(1);
                    self.peer_version = Some(theirs);
                }
                Heard::Nonsense => self.counters.malformed.add(1),
                Heard::Other if hello.asks => {}
                Heard::Other => self.counters.stale.add(1),
            },
            Frame::Session { session, body } => {
                if self.handshake.session().map(|it| it.id) != Some(*session) {
                    self.counters.stale.add(1);
                    return;
                }
                self.handshake.prove();
                self.heard_us = self.now_us;
                self.body(body);
            }
        }
    }

    /// A new session with a side of this name.
    fn begin(&mut self, boot: u32) {
        self.counters.joins.add(1);
        self.outbox.begin();
        if boot != self.peer_boot {
            self.peer_boot = boot;
            self.inbox.forget();
            if !self.hub {
                self.audio.forget();
                self.imu.forget();
            }
        }
        self.peer_asleep = false;
        self.peer_version = None;
        self.heard_us = self.now_us;
        self.hello_us = self.now_us;
        self.ack_us = 0;
    }

    fn body(&mut self, body: &Body<'_>) {
        match *body {
            Body::Ack(ack) => {
                if !self.outbox.acknowledge(&ack) {
                    self.counters.malformed.add(1);
                }
                if ack.asleep {
                    // It waits to hear that this is known.
                    self.ack_us = 0;
                }
                self.peer_asleep = ack.asleep;
                if ack.noted && matches!(self.rest, Rest::Asking { .. }) {
                    self.rest = Rest::Asleep;
                }
            }
            Body::Event(event) => {
                self.inbox.accept(&event, &mut self.counters);
                self.ack_us = 0;
            }
            // The hub's own are on their way out.
            Body::Stream { .. } if self.hub => self.counters.malformed.add(1),
            Body::Stream {
                stream,
                seq,
                payload,
            } => {
                let queue = match stream {
                    Stream::Audio => &mut self.audio,
                    Stream::Imu => &mut self.imu,
                };
                queue.accept(seq, payload, &mut self.counters);
            }
        }
    }

    /// When to introduce oneself, if at all.
    fn hello_due_us(&self) -> Option<u64> {
        let proven = self.handshake.session().is_some_and(|it| it.proven);
        (!proven).then_some(self.hello_us)
    }

    pub fn due_us(&self) -> Option<u64> {
        if self.rest == Rest::Asleep {
            return None;
        }
        let session = self.handshake.session().is_some();
        let streams = self.hub && !(self.audio.is_empty() && self.imu.is_empty());
        let events = || self.outbox.due_us(self.timing.resend_us);
        let asking = match self.rest {
            Rest::Asking { until_us } => Some(until_us),
            _ => None,
        };
        [
            self.handshake.wants_reply().then_some(self.reply_us),
            self.hello_due_us(),
            session
                .then_some(self.ack_us)
                .filter(|_| self.acknowledges()),
            (self.speaks() && streams).then_some(0),
            self.speaks().then(events).flatten(),
            self.silent_us(),
            asking,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether there is somebody who listens to more than acknowledgements.
    fn speaks(&self) -> bool {
        self.handshake.session().is_some() && !self.peer_asleep
    }

    /// Whether acknowledgements go out: one that sleeps only hears that this is known.
    fn acknowledges(&self) -> bool {
        self.speaks() || (self.handshake.session().is_some() && self.ack_us == 0)
    }

    pub fn transmit(&mut self, wire: &mut [u8; FRAME_BYTES]) -> Option<usize> {
        if self.rest == Rest::Asleep {
            return None;
        }
        if self.now_us >= self.reply_us
            && let Some(hello) = self.handshake.reply()
        {
            self.reply_us = self.now_us.saturating_add(self.timing.hello_us / 4);
            return Some(Frame::Hello(hello).encode(wire));
        }
        if self.hello_due_us().is_some_and(|at| self.now_us >= at) {
            self.hello_us = self.now_us.saturating_add(self.timing.hello_us);
            return Some(Frame::Hello(self.handshake.ask()).encode(wire));
        }
        let session = self.handshake.session()?.id;
        if self.acknowledges() && self.now_us >= self.ack_us {
            // One that wants to sleep says so until it knows that it was heard.
            let again_us = match self.rest {
                Rest::Asking { .. } => self.timing.resend_us,
                _ => self.timing.heartbeat_us,
            };
            self.ack_us = self.now_us.saturating_add(again_us);
            let (next, seen) = self.inbox.state();
            let body = Body::Ack(Ack {
                next,
                seen,
                asleep: self.rest != Rest::Awake,
                noted: self.peer_asleep,
            });
            return Some(Frame::Session { session, body }.encode(wire));
        }
        if !self.speaks() {
            return None;
        }
        let resend_us = self.timing.resend_us;
        let event = self
            .outbox
            .transmit(self.now_us, resend_us, &mut self.counters);
        if let Some(event) = event {
            let body = Body::Event(event);
            return Some(Frame::Session { session, body }.encode(wire));
        }
        if !self.hub {
            return None;
        }
        // In turns, so that neither stream starves the other.
        for _ in 0..2 {
            let stream = self.turn;
            let (queue, turn) = match stream {
                Stream::Audio => (&mut self.audio, Stream::Imu),
                Stream::Imu => (&mut self.imu, Stream::Audio),
            };
            self.turn = turn;
            if let Some((seq, payload)) = queue.transmit() {
                let body = Body::Stream {
                    stream,
                    seq,
                    payload: &payload,
                };
                return Some(Frame::Session { session, body }.encode(wire));
            }
        }
        None
    }
}
