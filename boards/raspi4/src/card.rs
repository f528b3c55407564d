//! The SD card: its first partition is the one that the board boots from, FAT as anybody's computer writes it, and
//! in its root lie the model (`*.gguf`) and, if somebody wants something, `qlens.txt`.

use core::fmt;
use core::ops::ControlFlow;

use embedded_io::ErrorKind;
use embedded_sdmmc::{
    File, LfnBuffer, Mode, ShortFileName, TimeSource, Timestamp, VolumeIdx, VolumeManager,
};
use qlens_board::store::Flow;
use qlens_board::{ModelInfo, ModelStore, StoreError};

use crate::read_ahead::ReadAhead;
use crate::sdhci::{CardError, Sdhci};
use crate::settings::{self, Settings, TEXT_BYTES};

/// Controllers that the card may be in, each with the VideoCore's number of its clock.
const CONTROLLERS: &[(qlens_board::memory::Device, u32)] = &[
    #[cfg(device = "emmc2")]
    (crate::board::device::EMMC2, 12),
    #[cfg(device = "emmc")]
    (crate::board::device::EMMC, 1),
];

/// The file with settings.
const SETTINGS: &str = "qlens.txt";

/// How the name of a model ends.
const MODEL: &str = ".gguf";

/// Bytes that are handed on at once.
const PIECE: usize = 256 << 10;

/// Longest file name, in bytes: 255 characters of the three bytes that they have at most.
const NAME_BYTES: usize = 765;

type Error = embedded_sdmmc::Error<CardError>;
type Files<'v> = VolumeManager<ReadAhead, NoClock, 1, 1, 1>;
type OpenFile<'v> = File<'v, ReadAhead, NoClock, 1, 1, 1>;

/// Only who writes needs the time.
struct NoClock;

impl TimeSource for NoClock {
    fn get_timestamp(&self) -> Timestamp {
        Timestamp::from_fat(0, 0)
    }
}

/// The card, looked at anew each time that something is wanted of it: it may have been changed.
#[derive(Debug, Clone, Copy)]
pub struct Card;

/// A file that was found.
struct Found {
    short: ShortFileName,
    name: heapless::String<NAME_BYTES>,
    size: u32,
}

/// Why nothing can be read.
#[derive(Debug)]
pub enum Fault {
    /// The card or its file system.
    Card(Error),
    /// What is in `qlens.txt`.
    Settings(settings::SettingError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Card(Error::DeviceError(error)) => write!(f, "SD card: {error}"),
            Self::Card(error) => write!(f, "SD card: {error}"),
            Self::Settings(error) => write!(f, "{SETTINGS}: {error}"),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Card(error)
    }
}

impl Card {
    /// What `qlens.txt` says; `None` without one.
    ///
    /// # Errors
    /// The card cannot be read, or the file makes no sense.
    pub fn settings() -> Result<Option<Settings>, Fault> {
        let files = open()?;
        let Some(found) = find(&files, |name| name.eq_ignore_ascii_case(SETTINGS))? else {
            return Ok(None);
        };
        let mut text = [0; TEXT_BYTES];
        let size = found.size as usize;
        let Some(text) = text.get_mut(..size) else {
            return Err(Fault::Settings(settings::SettingError::TooLong { size }));
        };
        with_file(&files, &found, |file| fill(file, text))?;
        Settings::parse(text).map(Some).map_err(Fault::Settings)
    }

    /// The model's file on this card, and what is said of it.
    fn model(files: &Files<'_>, asked: Option<&str>) -> Result<Found, StoreError> {
        let is_model = |name: &str| match asked {
            Some(asked) => name.eq_ignore_ascii_case(asked),
            None => name
                .len()
                .checked_sub(MODEL.len())
                .and_then(|at| name.get(at..))
                .is_some_and(|end| end.eq_ignore_ascii_case(MODEL)),
        };
        find(files, is_model)
            .map_err(|error| refused(&error.into()))?
            .ok_or(StoreError::NoModel)
    }
}

/// The first file in the root whose name is wanted.
fn find(files: &Files<'_>, wanted: impl Fn(&str) -> bool) -> Result<Option<Found>, Error> {
    let volume = files.open_volume(VolumeIdx(0))?;
    let root = volume.open_root_dir()?;
    let mut room = [0; NAME_BYTES];
    let mut found = None;
    root.iterate_dir_lfn(&mut LfnBuffer::new(&mut room), |entry, long| {
        if entry.attributes.is_directory() || entry.attributes.is_volume() {
            return ControlFlow::Continue(());
        }
        let mut name = heapless::String::new();
        let written = match long {
            Some(long) => name.push_str(long).map_err(|_| fmt::Error),
            None => fmt::write(&mut name, format_args!("{}", entry.name)),
        };
        // A computer that is not this one's leaves files of its own beside those that it copies.
        if written.is_err() || name.starts_with('.') || !wanted(&name) {
            return ControlFlow::Continue(());
        }
        found = Some(Found {
            short: entry.name,
            name,
            size: entry.size,
        });
        ControlFlow::Break(())
    })?;
    Ok(found)
}

fn with_file<T>(
    files: &Files<'_>,
    found: &Found,
    work: impl FnOnce(&OpenFile<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let volume = files.open_volume(VolumeIdx(0))?;
    let root = volume.open_root_dir()?;
    let file = root.open_file_in_dir(found.short, Mode::ReadOnly)?;
    work(&file)
}

/// Reads on until this is full.
fn fill(file: &OpenFile<'_>, mut into: &mut [u8]) -> Result<(), Error> {
    while !into.is_empty() {
        match file.read(into)? {
            0 => return Err(Error::EndOfFile),
            count => into = &mut into[count..],
        }
    }
    Ok(())
}

/// The first controller that has a card.
fn open<'v>() -> Result<Files<'v>, Error> {
    #[cfg(device = "local")]
    {
        use crate::gpio::{self, Function};
        // One controller has the pins of the card or those of the radio.
        gpio::select(34..=39, Function::Input);
        gpio::select(48..=53, Function::Alt3);
    }
    let mut fault = CardError::NoCard;
    for &(device, clock) in CONTROLLERS {
        match Sdhci::open(device, clock) {
            Ok(card) => {
                return Ok(VolumeManager::new_with_limits(
                    ReadAhead::new(card),
                    NoClock,
                    0,
                ));
            }
            Err(CardError::NoCard) => {}
            Err(error) => fault = error,
        }
    }
    Err(Error::DeviceError(fault))
}

/// A card that is not there has no model; everything else is a fault of its own.
fn refused(fault: &Fault) -> StoreError {
    log::warn!("{fault}");
    match fault {
        Fault::Card(Error::DeviceError(CardError::NoCard)) => StoreError::NoModel,
        Fault::Card(Error::DeviceError(_)) => StoreError::Read {
            offset: 0,
            kind: ErrorKind::Other,
        },
        Fault::Card(_) => StoreError::Read {
            offset: 0,
            kind: ErrorKind::InvalidData,
        },
        Fault::Settings(_) => StoreError::BadInfo { what: SETTINGS },
    }
}

impl ModelStore for Card {
    fn info(&mut self) -> Result<ModelInfo, StoreError> {
        let asked = Self::settings().map_err(|fault| refused(&fault))?;
        let asked = asked.unwrap_or_default();
        let files = open().map_err(|error| refused(&error.into()))?;
        let found = Self::model(&files, asked.model_name.as_deref())?;
        Ok(ModelInfo::new(
            &found.name,
            found.size.into(),
            asked.model_sha256,
        ))
    }

    fn read(
        &mut self,
        into: &mut [u8],
        arrived: &mut dyn FnMut(&[u8]) -> Flow,
    ) -> Result<(), StoreError> {
        let asked = Self::settings().map_err(|fault| refused(&fault))?;
        let asked = asked.unwrap_or_default();
        let files = open().map_err(|error| refused(&error.into()))?;
        let found = Self::model(&files, asked.model_name.as_deref())?;
        let size = into.len() as u64;
        // Another card than the one that was asked about.
        if u64::from(found.size) != size {
            let capacity = found.size.into();
            return Err(StoreError::DeviceTooSmall { size, capacity });
        }
        let mut offset = 0;
        let mut stopped = false;
        let outcome = with_file(&files, &found, |file| {
            for piece in into.chunks_mut(PIECE) {
                fill(file, piece)?;
                offset += piece.len() as u64;
                if arrived(piece) == Flow::Stop {
                    stopped = true;
                    break;
                }
            }
            Ok(())
        });
        match outcome {
            Ok(()) if stopped => Err(StoreError::Stopped { offset }),
            Ok(()) => Ok(()),
            Err(Error::EndOfFile) => Err(StoreError::Ended { offset, size }),
            Err(error) => {
                let kind = match &error {
                    Error::DeviceError(_) => ErrorKind::Other,
                    _ => ErrorKind::InvalidData,
                };
                log::warn!("{}", Fault::Card(error));
                Err(StoreError::Read { offset, kind })
            }
        }
    }
}
