//! What the person who started the emulator wants, through QEMU's firmware configuration device:
//! small files under `opt/qlens/`, given as `-fw_cfg name=opt/qlens/ctx,string=4096`. The same device
//! takes the description of the framebuffer, see [`crate::ramfb`].
//!
//! The device (QEMU, `docs/specs/fw_cfg.rst`) is a selector and a data register: select an item, then
//! read its bytes one after the other. Item 0x19 is the directory. Writing goes by DMA: the address
//! of a descriptor is written, the device clears the descriptor's control word when it is done. The
//! published crate for it, qemu-fw-cfg 0.2, reads whole machine words and so loses half of one behind
//! the directory's 32-bit length on a 64-bit machine.

use core::fmt;
use core::str::FromStr;
use core::sync::atomic::{Ordering, fence};

use qlens_firmware::wishes::{VALUE_BYTES, Value, Wishes};

use crate::board::device;

/// Longest wait for the first token of an answer, in microseconds: an emulated board that shares its host with
/// others reads a long prompt for minutes.
const FIRST_WORD_US: u64 = 1_200_000_000;

/// Why a setting cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingError {
    /// The machine has no firmware configuration device.
    NoDevice,
    /// It is longer than [`VALUE_BYTES`].
    TooLong {
        /// Its name, without `opt/qlens/`.
        name: &'static str,
        /// Bytes it has.
        length: usize,
    },
    /// It is not UTF-8.
    NotUtf8 {
        /// Its name.
        name: &'static str,
    },
    /// It is not the number that it should be.
    NotANumber {
        /// Its name.
        name: &'static str,
    },
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevice => f.write_str("the machine has no fw_cfg device"),
            Self::TooLong { name, length } => write!(
                f,
                "opt/qlens/{name} has {length} bytes, at most {VALUE_BYTES} are taken"
            ),
            Self::NotUtf8 { name } => write!(f, "opt/qlens/{name} is not UTF-8"),
            Self::NotANumber { name } => write!(f, "opt/qlens/{name} is not a number"),
        }
    }
}

impl core::error::Error for SettingError {}

/// Registers, as offsets from the base.
const DATA: usize = 0;
const SELECTOR: usize = 8;
const DMA_ADDRESS: usize = 16;

/// Items of fixed numbers.
const SIGNATURE: u16 = 0;
const DIRECTORY: u16 = 0x19;

/// Bits of a DMA descriptor's control word; the item's number stands above them.
const DMA_ERROR: u32 = 1;
const DMA_SELECT: u32 = 1 << 3;
const DMA_WRITE: u32 = 1 << 4;

/// Most bytes of a file's name, the zero behind it included.
const NAME_BYTES: usize = 56;

/// A DMA descriptor; all of it big-endian.
#[repr(C)]
struct Descriptor {
    control: u32,
    length: u32,
    address: u64,
}

/// A file as the directory lists it.
#[derive(Debug, Clone, Copy)]
struct File {
    item: u16,
    length: usize,
}

/// The device, ready to be asked.
#[derive(Debug)]
pub struct Settings {
    base: usize,
}

impl Settings {
    /// Finds the device. There may be one `Settings` at a time: reading a file is a sequence of
    /// accesses.
    ///
    /// # Errors
    /// [`SettingError::NoDevice`] if nothing answers.
    pub fn open() -> Result<Self, SettingError> {
        let base = device::FW_CFG.registers.start as usize;
        let mut device = Self { base };
        let mut signature = [0; 4];
        device.select(SIGNATURE);
        device.read(&mut signature);
        if signature == *b"QEMU" {
            Ok(device)
        } else {
            Err(SettingError::NoDevice)
        }
    }

    fn select(&mut self, item: u16) {
        // SAFETY: board.toml says that the device is here, mapped as device memory, and `&mut self`
        // is its only user. Any number may be selected.
        unsafe { ((self.base + SELECTOR) as *mut u16).write_volatile(item.to_be()) };
    }

    fn read(&mut self, into: &mut [u8]) {
        for byte in into {
            // SAFETY: As in `select`; past an item's end the device gives zeros.
            *byte = unsafe { ((self.base + DATA) as *const u8).read_volatile() };
        }
    }

    fn read_number<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.read(&mut bytes);
        bytes
    }

    /// Looks a file up in the directory.
    fn file(&mut self, wanted: &str) -> Option<File> {
        self.select(DIRECTORY);
        let count = u32::from_be_bytes(self.read_number());
        for _ in 0..count {
            let length = u32::from_be_bytes(self.read_number()) as usize;
            let item = u16::from_be_bytes(self.read_number());
            let _reserved: [u8; 2] = self.read_number();
            let name: [u8; NAME_BYTES] = self.read_number();
            let end = name.iter().position(|&byte| byte == 0);
            if name[..end.unwrap_or(NAME_BYTES)] == *wanted.as_bytes() {
                return Some(File { item, length });
            }
        }
        None
    }

    /// The text of `opt/qlens/<name>`, `None` if nobody gave one.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn text(&mut self, name: &'static str) -> Result<Option<Value>, SettingError> {
        let mut path = heapless::String::<NAME_BYTES>::new();
        // A name that does not fit is no file's name either.
        if path.push_str("opt/qlens/").is_err() || path.push_str(name).is_err() {
            return Ok(None);
        }
        let Some(file) = self.file(&path) else {
            return Ok(None);
        };
        let length = file.length;
        let mut bytes = heapless::Vec::new();
        if bytes.resize_default(length).is_err() {
            return Err(SettingError::TooLong { name, length });
        }
        self.select(file.item);
        self.read(&mut bytes);
        // A file given by its bytes may end in a zero.
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        Value::from_utf8(bytes)
            .map(Some)
            .map_err(|_| SettingError::NotUtf8 { name })
    }

    /// The decimal number in `opt/qlens/<name>`, `None` if nobody gave one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn number<N: FromStr>(&mut self, name: &'static str) -> Result<Option<N>, SettingError> {
        self.text(name)?
            .map(|text| text.trim().parse())
            .transpose()
            .map_err(|_| SettingError::NotANumber { name })
    }

    /// The hexadecimal number in `opt/qlens/<name>`, with or without `0x`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn address(&mut self, name: &'static str) -> Result<Option<u64>, SettingError> {
        self.text(name)?
            .map(|text| {
                let digits = text.trim();
                u64::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16)
            })
            .transpose()
            .map_err(|_| SettingError::NotANumber { name })
    }

    /// Somebody gave `opt/qlens/<name>`, whatever is in it.
    pub fn is_given(&mut self, name: &'static str) -> bool {
        !matches!(self.text(name), Ok(None))
    }

    /// What is wanted of the firmware. A setting that makes no sense is told and left out.
    pub fn wishes(&mut self) -> Wishes {
        let replay = self.is_given("replay");
        let mut number = |name| match self.number(name) {
            Ok(Some(0)) => {
                log::warn!("opt/qlens/{name} is 0 and makes no sense");
                None
            }
            Ok(number) => number,
            Err(error) => {
                log::warn!("{error}");
                None
            }
        };
        Wishes {
            context: number("ctx"),
            max_tokens: number("max_tokens"),
            system: self.text("system").unwrap_or_else(|error| {
                log::warn!("{error}; the model's own system prompt applies");
                None
            }),
            // A recording's time does not pass while the model works.
            first_word_us: (!replay).then_some(FIRST_WORD_US),
            replay,
            selftest: self.is_given("selftest"),
        }
    }

    /// Writes a file of the machine itself, such as `etc/ramfb`. Returns whether it is there and
    /// took the data.
    pub fn write(&mut self, path: &str, data: &[u8]) -> bool {
        let Some(File { item, length }) = self.file(path) else {
            return false;
        };
        if data.len() > length {
            return false;
        }
        let control = u32::from(item) << 16 | DMA_SELECT | DMA_WRITE;
        let mut descriptor = Descriptor {
            control: control.to_be(),
            length: (data.len() as u32).to_be(),
            address: (data.as_ptr() as u64).to_be(),
        };
        let at = &raw mut descriptor;
        // Descriptor and data must be in memory before the device is told.
        fence(Ordering::SeqCst);
        // SAFETY: As in `select`. The device reads descriptor and data, which live until it is done,
        // and writes nothing but the control word.
        unsafe { ((self.base + DMA_ADDRESS) as *mut u64).write_volatile((at as u64).to_be()) };
        loop {
            // SAFETY: The descriptor is on this stack; the device changes it behind the compiler's
            // back, hence volatile.
            let control = u32::from_be(unsafe { (&raw const (*at).control).read_volatile() });
            if control & !DMA_ERROR == 0 {
                fence(Ordering::SeqCst);
                return control & DMA_ERROR == 0;
            }
            core::hint::spin_loop();
        }
    }
}
