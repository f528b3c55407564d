//! Loading, against a store with every fault that a device can have.

use std::string::ToString;
use std::vec::Vec;
use std::{io, vec};

use embedded_io::{ErrorKind, ErrorType, Read, Seek, SeekFrom};
use proptest::prelude::*;

use super::*;
use crate::fake::{FakeStore, StoreFault};
use crate::store::ReaderStore;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

fn load(store: &mut FakeStore<'_>, ram: &mut [u8]) -> Result<ModelInfo, LoadError> {
    load_model(store, ram, Sha256::new(), &mut |_| Flow::Continue)
}

#[test]
fn every_byte_arrives_and_progress_counts_them() {
    let model = bytes(10_000);
    let mut store = FakeStore::new("m.gguf", &model);
    let mut ram = vec![0xee; 10_003];
    let mut seen = Vec::new();
    let info = load_model(&mut store, &mut ram, Sha256::new(), &mut |progress| {
        seen.push((progress.done, progress.total));
        Flow::Continue
    })
    .unwrap();
    assert_eq!((info.name.as_str(), info.size), ("m.gguf", 10_000));
    assert_eq!(&ram[..10_000], model.as_slice());
    assert_eq!(
        &ram[10_000..],
        [0xee; 3],
        "nothing behind the model is touched"
    );
    assert_eq!(seen, [(4096, 10_000), (8192, 10_000), (10_000, 10_000)]);
}

#[test]
fn each_fault_is_named_and_a_second_try_succeeds() {
    let model = bytes(10_000);
    for (fault, says) in [
        (StoreFault::NoModel, "no model"),
        (
            StoreFault::FailsAt(5000),
            "reading the model failed at byte 5000",
        ),
        (StoreFault::FailsAt(0), "failed at byte 0"),
        (
            StoreFault::EndsAt(4097),
            "the model ended at byte 4097 of 10000",
        ),
        (
            StoreFault::SilentlyShortAt(9_999),
            "the model ended at byte 9999 of 10000",
        ),
        (StoreFault::FlipsBitAt(9_999), "checksum is wrong"),
        (StoreFault::FlipsBitAt(0), "checksum is wrong"),
    ] {
        let mut store = FakeStore::new("m", &model);
        let mut ram = vec![0; 10_000];
        store.fault = fault;
        let said = load(&mut store, &mut ram).unwrap_err().to_string();
        assert!(said.contains(says), "{said:?} does not say {says:?}");
        store.fault = StoreFault::None;
        load(&mut store, &mut ram).unwrap();
        assert_eq!(ram, model);
    }
}

#[test]
fn a_wrong_checksum_shows_both() {
    let model = bytes(100);
    let mut store = FakeStore::new("m", &model);
    let expected = [0xab; 32];
    store.info.sha256 = Some(expected);
    match load(&mut store, &mut [0; 100]) {
        Err(LoadError::Checksum {
            found,
            expected: said,
        }) => {
            assert_eq!(said, expected);
            assert_eq!(Some(found), FakeStore::new("m", &model).info.sha256);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_checksum_nothing_is_compared() {
    let model = bytes(100);
    let mut store = FakeStore::new("m", &model);
    store.info.sha256 = None;
    store.fault = StoreFault::FlipsBitAt(3);
    assert!(load(&mut store, &mut [0; 100]).is_ok());
}

#[test]
fn a_model_one_byte_too_large_is_refused_unread() {
    let model = bytes(100);
    let mut store = FakeStore::new("m", &model);
    let error = load(&mut store, &mut [0; 99]).unwrap_err();
    assert_eq!(
        error,
        LoadError::TooLarge {
            size: 100,
            room: 99
        }
    );
    assert!(error.to_string().ends_with("1 bytes missing"));
    assert_eq!(store.reads, 0);
    store.info.size = u64::MAX;
    assert!(matches!(
        load(&mut store, &mut [0; 99]),
        Err(LoadError::TooLarge { .. })
    ));
    store.info.size = 0;
    assert_eq!(load(&mut store, &mut [0; 99]), Err(LoadError::Empty));
}

#[test]
fn the_receiver_may_stop_it() {
    let model = bytes(10_000);
    let mut store = FakeStore::new("m", &model);
    let stopped = load_model(&mut store, &mut vec![0; 10_000], Sha256::new(), &mut |p| {
        if p.done > 4096 {
            Flow::Stop
        } else {
            Flow::Continue
        }
    });
    assert_eq!(
        stopped,
        Err(LoadError::Store(StoreError::Stopped { offset: 8192 }))
    );
}

proptest! {
    /// However the store cuts its pieces, and wherever it fails, the outcome is the same.
    #[test]
    fn any_piece_any_fault(len in 1_usize..5000, piece in 1_usize..6000, at in 0_usize..5000) {
        let model = bytes(len);
        let mut store = FakeStore::new("m", &model);
        store.piece = piece;
        let mut ram = vec![0; len];
        prop_assert!(load(&mut store, &mut ram).is_ok());
        prop_assert_eq!(&ram, &model);
        store.fault = StoreFault::FailsAt(at);
        let expected = if at < len {
            Err(LoadError::Store(StoreError::Read { offset: at as u64, kind: ErrorKind::Other }))
        } else {
            Ok(store.info.clone())
        };
        prop_assert_eq!(load(&mut store, &mut ram), expected);
    }
}

/// A reader that is interrupted, gives little at a time and breaks when told to.
struct Card {
    data: io::Cursor<Vec<u8>>,
    interruptions: usize,
    breaks_at: u64,
}

#[derive(Debug)]
struct CardError(ErrorKind);

impl core::fmt::Display for CardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for CardError {}

impl embedded_io::Error for CardError {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}

impl ErrorType for Card {
    type Error = CardError;
}

impl Read for Card {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, CardError> {
        if self.interruptions > 0 {
            self.interruptions -= 1;
            return Err(CardError(ErrorKind::Interrupted));
        }
        if self.data.position() >= self.breaks_at {
            return Err(CardError(ErrorKind::TimedOut));
        }
        let most = buf.len().min(7);
        io::Read::read(&mut self.data, &mut buf[..most]).map_err(|_| CardError(ErrorKind::Other))
    }
}

impl Seek for Card {
    fn seek(&mut self, to: SeekFrom) -> Result<u64, CardError> {
        let SeekFrom::Start(at) = to else {
            return Err(CardError(ErrorKind::Unsupported));
        };
        self.data.set_position(at);
        Ok(at)
    }
}

#[test]
fn any_reader_is_a_store() {
    let model = bytes(1000);
    let info = FakeStore::new("card", &model).info;
    let card = |data: &[u8], breaks_at| {
        let card = Card {
            data: io::Cursor::new(data.to_vec()),
            interruptions: 3,
            breaks_at,
        };
        ReaderStore::new(card, info.clone(), 64)
    };
    let run = |mut store: ReaderStore<Card>| {
        let mut ram = vec![0; 1000];
        let first = load_model(&mut store, &mut ram, Sha256::new(), &mut |_| Flow::Continue);
        // The second time starts from the first byte again.
        let second = load_model(&mut store, &mut ram, Sha256::new(), &mut |_| Flow::Continue);
        assert_eq!(first, second);
        first.map(|_| ram)
    };
    assert_eq!(run(card(&model, u64::MAX)), Ok(model.clone()));
    assert_eq!(
        run(card(&model[..500], u64::MAX)),
        Err(LoadError::Store(StoreError::Ended {
            offset: 500,
            size: 1000
        }))
    );
    assert_eq!(
        run(card(&model, 350)),
        Err(LoadError::Store(StoreError::Read {
            offset: 350,
            kind: ErrorKind::TimedOut
        }))
    );
}

#[test]
fn a_long_name_is_cut_between_characters() {
    let info = ModelInfo::new(&"模型".repeat(40), 1, None);
    assert_eq!(info.name.as_str(), "模型".repeat(16));
}
