//! Where the model is: on the block device, or in RAM already because QEMU's loader put it there.
//! What is known of it comes through `opt/qlens/model.*`.

use embedded_io::ErrorKind;
use qlens_board::sha256;
use qlens_board::store::Flow;
use qlens_board::{Clock, ModelInfo, ModelStore, StoreError, Usage};
use qlens_firmware::clock::{self, CounterClock};
use qlens_firmware::gic;
use virtio_drivers::device::blk::{BlkReq, BlkResp, RespStatus, SECTOR_SIZE, VirtIOBlk};
use virtio_drivers::transport::DeviceType;

use crate::board;
use crate::dma::BoardHal;
use crate::fw_cfg::Settings;
use crate::virtio::{self, Doorbell, Slot};

/// The queue of a block device.
const QUEUE: u16 = 0;

/// The block device.
struct Disk {
    driver: VirtIOBlk<BoardHal, Slot>,
    doorbell: Doorbell,
}

impl Disk {
    fn open() -> Result<Self, StoreError> {
        let (slot, doorbell) = virtio::find(DeviceType::Block, 0).ok_or(StoreError::NoModel)?;
        match VirtIOBlk::new(slot) {
            Ok(driver) => Ok(Self { driver, doorbell }),
            Err(_) => Err(read_failed(0, ErrorKind::NotConnected)),
        }
    }

    /// Bytes.
    fn capacity(&self) -> u64 {
        self.driver.capacity() * SECTOR_SIZE as u64
    }
}

/// Bytes of one request. Large, because each costs a trip through the emulator; not larger, because
/// hashing starts when the first is there.
const PIECE: usize = 1 << 20;

/// Requests on their way at once. The driver's queue has room for five of three descriptors.
const IN_FLIGHT: usize = 4;

/// A request that takes longer than this, in microseconds, is not coming back.
const PATIENCE_US: u64 = 20_000_000;

/// The model, wherever it is.
pub struct BoardStore {
    info: Result<ModelInfo, StoreError>,
    resident: bool,
}

impl BoardStore {
    /// Reads what is said about the model. What is wrong with it is reported when it is asked for.
    pub fn new(settings: &mut Settings) -> Self {
        let resident = settings.is_given("model.addr");
        Self {
            info: described(settings, resident),
            resident,
        }
    }
}

fn described(settings: &mut Settings, resident: bool) -> Result<ModelInfo, StoreError> {
    let bad = |what| move |_| StoreError::BadInfo { what };
    let name = settings.text("model.name").map_err(bad("name"))?;
    let size = settings.number("model.size").map_err(bad("size"))?;
    let hash = settings.text("model.sha256").map_err(bad("sha256"))?;
    let sha256 = match &hash {
        Some(digits) => {
            Some(sha256::from_hex(digits.trim()).ok_or(StoreError::BadInfo { what: "sha256" })?)
        }
        None => None,
    };
    if resident {
        let found = settings.address("model.addr").map_err(bad("addr"))?;
        let expected = board::MEMORY.span(Usage::Model).map(|span| span.start);
        // Anywhere else it would have to be moved, over itself perhaps.
        if let (Some(found), Some(expected)) = (found, expected)
            && found != expected
        {
            return Err(StoreError::Misplaced { found, expected });
        }
    }
    let size = match size {
        Some(size) => size,
        // A loader says nothing of the size of what it loaded.
        None if resident => return Err(StoreError::BadInfo { what: "size" }),
        None => Disk::open()?.capacity(),
    };
    Ok(ModelInfo::new(
        name.as_deref().unwrap_or("model"),
        size,
        sha256,
    ))
}

impl ModelStore for BoardStore {
    fn info(&mut self) -> Result<ModelInfo, StoreError> {
        self.info.clone()
    }

    fn is_resident(&self) -> bool {
        self.resident
    }

    fn read(
        &mut self,
        into: &mut [u8],
        arrived: &mut dyn FnMut(&[u8]) -> Flow,
    ) -> Result<(), StoreError> {
        if self.resident {
            let mut offset = 0;
            for piece in into.chunks(PIECE) {
                offset += piece.len() as u64;
                if arrived(piece) == Flow::Stop {
                    return Err(StoreError::Stopped { offset });
                }
            }
            return Ok(());
        }
        let disk = Disk::open()?;
        let capacity = disk.capacity();
        let size = into.len() as u64;
        if size > capacity {
            return Err(StoreError::DeviceTooSmall { size, capacity });
        }
        let (whole, rest) = into.split_at_mut(into.len() / SECTOR_SIZE * SECTOR_SIZE);
        let mut disk = stream(disk, whole, arrived).map_err(located)?;
        read_rest(&mut disk, whole.len(), rest, arrived)
    }
}

/// One request that is on its way.
struct Request<'r> {
    offset: usize,
    token: u16,
    piece: &'r mut [u8],
    header: &'r mut BlkReq,
    response: &'r mut BlkResp,
    outcome: Option<RespStatus>,
}

/// Reads whole sectors with several requests in flight, and hands the pieces on in order. Gives the
/// device back if all went well.
fn stream(
    mut disk: Disk,
    into: &mut [u8],
    arrived: &mut dyn FnMut(&[u8]) -> Flow,
) -> Result<Disk, StoreError> {
    let mut headers: [BlkReq; IN_FLIGHT] = Default::default();
    let mut responses: [BlkResp; IN_FLIGHT] = Default::default();
    let mut spare: heapless::Vec<_, IN_FLIGHT> = headers.iter_mut().zip(&mut responses).collect();
    let mut requests: heapless::Deque<Request<'_>, IN_FLIGHT> = heapless::Deque::new();
    let mut pieces = into.chunks_mut(PIECE);
    let mut next = 0;
    let mut failure = None;

    loop {
        // Keep the device busy, unless this is going nowhere.
        while failure.is_none() && !spare.is_empty() {
            let Some(piece) = pieces.next() else { break };
            let Some((header, response)) = spare.pop() else {
                break;
            };
            let length = piece.len();
            // SAFETY: Header, piece and response stay in the `Request`, untouched, until it is
            // complete; before their memory goes all are complete or the device was reset.
            let sent = unsafe {
                disk.driver
                    .read_blocks_nb(next / SECTOR_SIZE, header, piece, response)
            };
            let Ok(token) = sent else {
                failure = Some(read_failed(next, ErrorKind::Other));
                break;
            };
            let request = Request {
                offset: next,
                token,
                piece,
                header,
                response,
                outcome: None,
            };
            next += length;
            // There are as many places as there are spare headers.
            let _ = requests.push_back(request);
        }
        if requests.is_empty() {
            return failure.map_or(Ok(disk), Err);
        }
        if let Err(error) = complete_one(&mut disk, &mut requests) {
            // This resets the device, before the memory goes that it may still write to.
            drop(disk);
            return Err(failure.unwrap_or(error));
        }
        while requests
            .front()
            .is_some_and(|request| request.outcome.is_some())
        {
            let Some(done) = requests.pop_front() else {
                break;
            };
            if failure.is_none() {
                if done.outcome != Some(RespStatus::OK) {
                    failure = Some(read_failed(done.offset, ErrorKind::Other));
                } else if arrived(done.piece) == Flow::Stop {
                    let offset = (done.offset + done.piece.len()) as u64;
                    failure = Some(StoreError::Stopped { offset });
                }
            }
            let _ = spare.push((done.header, done.response));
        }
    }
}

/// Waits for a request, whichever comes first, and marks it.
fn complete_one(
    disk: &mut Disk,
    requests: &mut heapless::Deque<Request<'_>, IN_FLIGHT>,
) -> Result<(), StoreError> {
    let oldest = requests.front().map_or(0, |request| request.offset);
    let give_up = CounterClock.now_us() + PATIENCE_US;
    let token = loop {
        disk.driver.ack_interrupt();
        if let Some(token) = disk.driver.peek_used() {
            break token;
        }
        if CounterClock.now_us() > give_up {
            return Err(read_failed(oldest, ErrorKind::TimedOut));
        }
        disk.doorbell.ring(QUEUE);
        clock::set_alarm(give_up);
        gic::wait();
    };
    clock::clear_alarm();
    // A request that is done but not handed on yet has given its token back to the queue.
    let mut waiting = requests
        .iter_mut()
        .filter(|request| request.outcome.is_none());
    let Some(request) = waiting.find(|request| request.token == token) else {
        return Err(read_failed(oldest, ErrorKind::InvalidData));
    };
    // SAFETY: These are the buffers that were given with this token.
    let outcome = unsafe {
        disk.driver
            .complete_read_blocks(token, request.header, request.piece, request.response)
    };
    request.outcome = Some(match outcome {
        Ok(()) => request.response.status(),
        Err(_) => RespStatus::IO_ERR,
    });
    Ok(())
}

/// The bytes behind the last whole sector; the device pads the file to a whole one.
fn read_rest(
    disk: &mut Disk,
    offset: usize,
    rest: &mut [u8],
    arrived: &mut dyn FnMut(&[u8]) -> Flow,
) -> Result<(), StoreError> {
    if rest.is_empty() {
        return Ok(());
    }
    let mut sector = [0; SECTOR_SIZE];
    disk.driver
        .read_blocks(offset / SECTOR_SIZE, &mut sector)
        .map_err(|_| read_failed(offset, ErrorKind::Other))?;
    rest.copy_from_slice(&sector[..rest.len()]);
    match arrived(rest) {
        Flow::Continue => Ok(()),
        Flow::Stop => Err(StoreError::Stopped {
            offset: (offset + rest.len()) as u64,
        }),
    }
}

/// Looks for the sector that spoilt a whole piece, so that the error names it.
fn located(error: StoreError) -> StoreError {
    let StoreError::Read {
        offset,
        kind: kind @ ErrorKind::Other,
    } = error
    else {
        return error;
    };
    let Ok(mut disk) = Disk::open() else {
        return error;
    };
    let mut sector = [0; SECTOR_SIZE];
    let mut offsets = (offset..disk.capacity().min(offset + PIECE as u64)).step_by(SECTOR_SIZE);
    let spoilt = offsets.find(|&at| {
        let number = at as usize / SECTOR_SIZE;
        disk.driver.read_blocks(number, &mut sector).is_err()
    });
    // If none is bad now, the device was for a moment only.
    spoilt.map_or(error, |offset| StoreError::Read { offset, kind })
}

fn read_failed(offset: usize, kind: ErrorKind) -> StoreError {
    StoreError::Read {
        offset: offset as u64,
        kind,
    }
}
