//! Memory that devices read and write, handed out in pages from the `dma` region.
//!
//! QEMU's devices are coherent with the caches and see physical addresses, which equal virtual ones
//! here, so sharing a buffer is nothing but taking its address. The region is small and the drivers
//! take a few pages each when they start, so a bitmap is all the allocator there is.

use core::ptr::NonNull;

use qlens_board::{Span, Usage};
use spin::mutex::SpinMutex;
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use crate::board;

/// One bit a page; set means taken.
type Bitmap = u128;

/// Pages that the bitmap can tell apart.
const MOST_PAGES: usize = Bitmap::BITS as usize;

static TAKEN: SpinMutex<Bitmap> = SpinMutex::new(0);

fn region() -> Span {
    board::MEMORY
        .span(Usage::Dma)
        .unwrap_or(Span::new(board::MEMORY.ram.start, 0))
}

/// Takes `pages` adjoining pages, zeroed; `None` if there are not as many.
fn take(pages: usize) -> Option<NonNull<u8>> {
    let region = region();
    let there_are = (region.size as usize / PAGE_SIZE).min(MOST_PAGES);
    if pages == 0 || pages > there_are || pages >= MOST_PAGES {
        return None;
    }
    let mut taken = TAKEN.lock();
    let wanted: Bitmap = (1 << pages) - 1;
    let first = (0..=there_are - pages).find(|first| *taken & wanted << first == 0)?;
    *taken |= wanted << first;
    drop(taken);
    let start = NonNull::new((region.start as usize + first * PAGE_SIZE) as *mut u8)?;
    // SAFETY: The pages lie in the DMA region, which is mapped read-write and used by nothing but
    // this allocator, and the bitmap says that they belong to nobody else.
    unsafe { start.write_bytes(0, pages * PAGE_SIZE) };
    Some(start)
}

/// A zeroed buffer of `pages` pages that is never given back; `None` if the region is used up.
pub fn buffer(pages: usize) -> Option<&'static mut [u8]> {
    let start = take(pages)?;
    // SAFETY: `take` gave these pages to nobody else and they are initialised; they are never freed,
    // so the reference may live for ever.
    Some(unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), pages * PAGE_SIZE) })
}

/// The platform of the virtio drivers.
#[derive(Debug)]
pub struct BoardHal;

// SAFETY: `dma_alloc` hands out zeroed page-aligned memory that nothing else uses until it is
// deallocated, as the bitmap guarantees; the other functions keep addresses as they are, which is
// right because the mapping is the identity.
unsafe impl Hal for BoardHal {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        match take(pages) {
            Some(start) => (start.as_ptr() as PhysAddr, start),
            // The drivers take physical address 0 for "no memory".
            None => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(paddr: PhysAddr, _vaddr: NonNull<u8>, pages: usize) -> i32 {
        let first = (paddr - region().start) as usize / PAGE_SIZE;
        let given: Bitmap = (1 << pages) - 1;
        *TAKEN.lock() &= !(given << first);
        0
    }

    unsafe fn mmio_phys_to_virt(paddr: PhysAddr, _size: usize) -> NonNull<u8> {
        NonNull::new(paddr as *mut u8).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        buffer.as_ptr().cast::<u8>() as PhysAddr
    }

    unsafe fn unshare(_paddr: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
