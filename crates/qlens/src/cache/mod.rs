//! What a session remembers of its context: keys and values of attention, and the state of recurrent layers.

mod kv;
mod recurrent;

pub use kv::KvType;
pub(crate) use kv::{Head, KvCache, query_scratch};
pub(crate) use recurrent::{Mark, Recurrent, Sizes as RecurrentSizes};

/// All of it.
#[derive(Debug)]
pub(crate) struct Cache<'a> {
    pub kv: KvCache<'a>,
    pub recurrent: Recurrent<'a>,
}
