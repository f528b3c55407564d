//! A cursor over the file: every read is bounded by the bytes that remain, or is an error that says where.

use super::Error;

/// Reads little-endian fields one after another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'m> {
    bytes: &'m [u8],
    at: usize,
}

impl<'m> Reader<'m> {
    /// A cursor at byte `at`; at the end of `bytes` when they are fewer.
    pub(super) fn new(bytes: &'m [u8], at: usize) -> Self {
        Self {
            bytes,
            at: at.min(bytes.len()),
        }
    }

    /// All of the bytes that it reads from.
    pub(super) fn file(&self) -> &'m [u8] {
        self.bytes
    }

    /// The offset of the next byte.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The bytes from here to the end.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: u64, what: &'static str) -> Result<&'m [u8], Error> {
        let taken = usize::try_from(len)
            .ok()
            .and_then(|len| self.bytes.get(self.at..)?.get(..len));
        let Some(taken) = taken else {
            return Err(Error::Truncated {
                what,
                at: self.at,
                needed: len,
                left: self.left(),
            });
        };
        self.at += taken.len();
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N as u64, what)?);
        Ok(out)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A string: its length in eight bytes, then its bytes, no more than `most` of them.
    pub(super) fn string(&mut self, most: u64, what: &'static str) -> Result<&'m [u8], Error> {
        let at = self.at;
        let found = self.u64(what)?;
        if found > most {
            return Err(Error::TooLong {
                what,
                at,
                found,
                most,
            });
        }
        self.take(found, what)
    }

    /// A string that has to be text.
    pub(super) fn text(&mut self, most: u64, what: &'static str) -> Result<&'m str, Error> {
        let bytes = self.string(most, what)?;
        core::str::from_utf8(bytes).map_err(|_| Error::NotUtf8 {
            what,
            at: self.at - bytes.len(),
        })
    }
}
