//! The driver on links of `embedded-io` that are slow, fail and end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use qlens_link::{Driver, Endpoint, Hub, POLL_BYTES, Processor, Timing};

use crate::support::ledger;
use crate::support::wire::Chance;

type Bytes = Rc<RefCell<VecDeque<u8>>>;

/// One end of a pair of queues. Whoever would block on it fails the test.
struct Queues {
    incoming: Bytes,
    outgoing: Bytes,
    /// Bytes that the outgoing one holds.
    room: usize,
    chance: Chance,
    broken: bool,
    read: usize,
    written: usize,
}

impl Queues {
    fn pair(room: usize) -> (Self, Self) {
        let (there, back) = (Bytes::default(), Bytes::default());
        let end = |incoming: &Bytes, outgoing: &Bytes, seed| Self {
            incoming: incoming.clone(),
            outgoing: outgoing.clone(),
            room,
            chance: Chance::new(seed),
            broken: false,
            read: 0,
            written: 0,
        };
        (end(&back, &there, 1), end(&there, &back, 2))
    }

    fn working(&self) -> Result<(), ErrorKind> {
        if self.broken {
            return Err(ErrorKind::BrokenPipe);
        }
        Ok(())
    }
}

impl ErrorType for Queues {
    type Error = ErrorKind;
}

impl ReadReady for Queues {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        self.working()?;
        Ok(!self.incoming.borrow().is_empty())
    }
}

impl Read for Queues {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.working()?;
        let mut incoming = self.incoming.borrow_mut();
        assert!(!incoming.is_empty(), "this would block");
        let many = buffer.len().min(incoming.len());
        let many = 1 + self.chance.below(many as u64) as usize;
        for (place, byte) in buffer.iter_mut().zip(incoming.drain(..many)) {
            *place = byte;
        }
        self.read += many;
        Ok(many)
    }
}

impl WriteReady for Queues {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        self.working()?;
        Ok(self.outgoing.borrow().len() < self.room)
    }
}

impl Write for Queues {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.working()?;
        let mut outgoing = self.outgoing.borrow_mut();
        assert!(outgoing.len() < self.room, "this would block");
        let many = bytes.len().min(self.room - outgoing.len());
        let many = 1 + self.chance.below(many as u64) as usize;
        outgoing.extend(&bytes[..many]);
        self.written += many;
        Ok(many)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        panic!("this would block");
    }
}

type HubDriver = Driver<Queues, Hub, 64, 256, 4>;
type ProcessorDriver = Driver<Queues, Processor, 8, 4096, 4>;

fn pair(room: usize) -> (HubDriver, ProcessorDriver) {
    let (hub, processor) = Queues::pair(room);
    (
        Driver::new(hub, Endpoint::new(1, Timing::DEFAULT)),
        Driver::new(processor, Endpoint::new(2, Timing::DEFAULT)),
    )
}

/// A FIFO of 16 bytes, as UARTs have.
#[test]
fn events_come_through_a_small_fifo() {
    let (mut hub, mut processor) = pair(16);
    let (mut sent, mut came) = (0, 0);
    for now in (0..20_000_000).step_by(200) {
        if sent < 500 && hub.endpoint.send(&ledger::event(sent)).is_ok() {
            sent += 1;
        }
        hub.poll(now).expect("a link that works");
        processor.poll(now).expect("a link that works");
        while let Some(event) = processor.endpoint.next_message() {
            assert_eq!(event, ledger::event(came));
            came += 1;
        }
    }
    assert_eq!((sent, came), (500, 500));
}

#[test]
fn a_poll_moves_no_more_than_its_share() {
    let (mut hub, mut processor) = pair(1 << 20);
    for number in 0..64 {
        let _ = hub.endpoint.send(&ledger::event(number));
    }
    let incoming = processor.link().incoming.clone();
    for now in (0..2_000_000).step_by(1000) {
        incoming.borrow_mut().extend([b'x'; 1000]);
        let before = (processor.link().read, hub.link().written);
        let more = processor.poll(now).expect("a link that works");
        assert!(more, "there is more than it may take");
        hub.poll(now).expect("a link that works");
        assert_eq!(processor.link().read - before.0, POLL_BYTES);
        assert!(hub.link().written - before.1 <= POLL_BYTES);
    }
}

#[test]
fn a_link_that_fails_is_reported_and_may_come_back() {
    let (mut hub, mut processor) = pair(64);
    let mut came = 0;
    let mut failed = 0;
    for now in (0..10_000_000).step_by(500) {
        hub.link().broken = now % 1_000_000 > 700_000;
        if came < 100 {
            let _ = hub.endpoint.send(&ledger::event(0));
        }
        failed += u32::from(hub.poll(now) == Err(ErrorKind::BrokenPipe));
        processor.poll(now).expect("a link that works");
        while processor.endpoint.next_message().is_some() {
            came += 1;
        }
    }
    assert!(failed > 1000);
    assert!(came >= 100);
    assert_eq!(hub.endpoint.unacknowledged(), 0);
    assert_eq!(
        hub.endpoint.counters().joins.0,
        1,
        "300 ms of it are endured"
    );
}

/// A socket whose other end was closed says that it is ready and then gives nothing.
#[test]
fn the_end_of_a_stream_is_silence() {
    struct Closed;
    impl ErrorType for Closed {
        type Error = ErrorKind;
    }
    impl ReadReady for Closed {
        fn read_ready(&mut self) -> Result<bool, ErrorKind> {
            Ok(true)
        }
    }
    impl Read for Closed {
        fn read(&mut self, _: &mut [u8]) -> Result<usize, ErrorKind> {
            Ok(0)
        }
    }
    impl WriteReady for Closed {
        fn write_ready(&mut self) -> Result<bool, ErrorKind> {
            Ok(true)
        }
    }
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> Result<usize, ErrorKind> {
            Ok(0)
        }
        fn flush(&mut self) -> Result<(), ErrorKind> {
            Ok(())
        }
    }
    let endpoint: Endpoint<Hub, 4, 64, 4> = Endpoint::new(1, Timing::DEFAULT);
    let mut driver = Driver::new(Closed, endpoint);
    for now in 0..1000 {
        assert_eq!(driver.poll(now), Ok(false));
    }
}
