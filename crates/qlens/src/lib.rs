//! Runs quantized Qwen models on ARM chips: no operating system, no heap.
//!
//! Bytes of a GGUF file go in, tokens come out. Everything that changes lives in one arena whose size
//! is computed beforehand; the model stays where it lies.
//!
//! ```
//! use qlens::{
//!     chat::Chat,
//!     model::Model,
//!     plan::{Limits, Plan},
//!     sampler::Sampler,
//!     session::Session,
//!     workers::Inline,
//! };
//!
//! # let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/qwen2-q4_0.gguf"))?;
//! let model = Model::parse(&bytes)?; // &[u8]: flash, a mapped file, RAM
//! let plan = Plan::new(model.config(), &Limits { context: 128, ..Limits::default() })?;
//! let mut arena = vec![0; plan.total()]; // a static on bare metal
//! let mut session = Session::new(&model, &plan, &mut arena, &Inline)?;
//!
//! session.feed(&Chat::new().system("Answer in one sentence.").user("What is this station called?"))?;
//! session.set_max_tokens(Some(16));
//! let mut sampler = Sampler::greedy();
//! while let Some(piece) = session.next(&mut sampler, &mut ())? {
//!     print!("{}", piece.text); // whole characters only
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`gguf`] | the reader of model files, which trusts nothing in them |
//! | [`quant`] | block formats, and what a row of activations becomes to meet them |
//! | [`kernel`] | products and the rest of the arithmetic, for each instruction set, with the same bits |
//! | [`tokenizer`], [`chat`] | text to tokens and back; turns to text |
//! | [`model`] | a model's shape, its weights, its forward pass |
//! | [`pack`] | matrices interleaved where they lie, for a loader that owns the RAM |
//! | [`plan`], [`session`] | the memory a conversation takes; the conversation, which can be saved |
//! | [`sampler`] | from logits to a token |
//! | [`constraint`] | what an answer has to be: one of a list, JSON of a schema |
//! | [`workers`] | tasks on the cores there are |
//!
//! Four rules hold everywhere: nothing is allocated; nothing read from outside can make it panic;
//! logits are a function of model, tokens and the type of the KV cache alone, not of instruction set,
//! threads or batches (of what is not a number only that it is none); unsafe code is in `kernel` and `workers` only.
#![no_std]
#![deny(unsafe_code)]

#[cfg(test)]
extern crate std;

mod arena;
mod cache;
pub mod chat;
pub mod constraint;
pub mod gguf;
pub mod kernel;
pub mod model;
pub mod pack;
pub mod plan;
pub mod quant;
pub mod sampler;
pub mod session;
pub mod tokenizer;
pub mod workers;

pub use cache::KvType;
