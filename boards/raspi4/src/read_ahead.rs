//! A card that is asked for one block at a time and reads many. A file system goes back and forth between the
//! blocks of a file and the table that says where the next ones are, so there are two windows.

use core::cell::RefCell;

use embedded_sdmmc::{Block, BlockCount, BlockDevice, BlockIdx};
use spin::mutex::{SpinMutex, SpinMutexGuard};

use crate::sdhci::{BLOCK, CardError, Sdhci};

/// Blocks of a window: a command costs a card as much time as some dozens of blocks.
const BLOCKS: usize = 128;

const WINDOWS: usize = 2;

struct Window {
    /// Number of its first block.
    first: u32,
    /// Blocks that it has.
    count: usize,
    /// Counts up with each use.
    used: u32,
    blocks: [[u8; BLOCK]; BLOCKS],
}

/// 128 KiB, so not on the stack.
static ROOM: SpinMutex<[Window; WINDOWS]> = SpinMutex::new(
    [const {
        Window {
            first: 0,
            count: 0,
            used: 0,
            blocks: [[0; BLOCK]; BLOCKS],
        }
    }; WINDOWS],
);

/// A card with windows. There may be one at a time.
pub struct ReadAhead {
    card: Sdhci,
    windows: RefCell<SpinMutexGuard<'static, [Window; WINDOWS]>>,
}

impl ReadAhead {
    /// Nothing of this card was read yet.
    pub fn new(card: Sdhci) -> Self {
        let mut windows = ROOM.lock();
        for window in windows.iter_mut() {
            window.count = 0;
            window.used = 0;
        }
        Self {
            card,
            windows: RefCell::new(windows),
        }
    }

    fn block(&self, number: u32) -> Result<[u8; BLOCK], CardError> {
        let mut windows = self.windows.borrow_mut();
        let now = windows.iter().map(|window| window.used).max().unwrap_or(0) + 1;
        let found = windows.iter_mut().find_map(|window| {
            let index = number.checked_sub(window.first)? as usize;
            (index < window.count).then_some((window, index))
        });
        if let Some((window, index)) = found {
            window.used = now;
            return Ok(window.blocks[index]);
        }
        let oldest = windows.iter_mut().min_by_key(|window| window.used);
        let Some(window) = oldest else {
            return Err(CardError::Block { number, status: 0 });
        };
        window.used = now;
        window.first = number;
        window.count = 0;
        match self.card.read(number, &mut window.blocks) {
            Ok(()) => window.count = BLOCKS,
            // A window may reach beyond the end of the card.
            Err(CardError::Block { number: bad, .. }) if bad > number => {
                window.count = (bad - number) as usize;
            }
            Err(error) => return Err(error),
        }
        Ok(window.blocks[0])
    }
}

impl BlockDevice for ReadAhead {
    type Error = CardError;

    fn read(&self, blocks: &mut [Block], first: BlockIdx) -> Result<(), CardError> {
        for (number, block) in (first.0..).zip(blocks) {
            block.contents = self.block(number)?;
        }
        Ok(())
    }

    fn write(&self, _: &[Block], _: BlockIdx) -> Result<(), CardError> {
        Err(CardError::ReadOnly)
    }

    /// Nobody who only reads asks: a file system says how large it is.
    fn num_blocks(&self) -> Result<BlockCount, CardError> {
        Ok(BlockCount(u32::MAX))
    }
}
