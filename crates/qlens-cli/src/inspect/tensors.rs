//! A file's tensors, counted by the format of their blocks.

use qlens::gguf::{Gguf, type_info, type_name};
use qlens::quant;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;

/// All tensors of one type.
#[derive(Serialize)]
struct ByType {
    #[serde(rename = "type")]
    name: &'static str,
    /// ggml's number of the type.
    ggml_type: u32,
    /// Whether this program computes with it.
    supported: bool,
    count: usize,
    elements: u64,
    /// `None` for a type whose blocks are not known.
    bytes: Option<u64>,
}

/// All tensors of a file.
#[derive(Serialize)]
pub struct Tensors {
    count: usize,
    elements: u64,
    /// Bytes of those whose type is known.
    bytes: u64,
    /// By bytes, most first.
    by_type: Vec<ByType>,
}

impl Tensors {
    /// Counts the tensors of `gguf`.
    pub fn of(gguf: &Gguf<'_>) -> Self {
        let mut all = Self {
            count: 0,
            elements: 0,
            bytes: 0,
            by_type: Vec::new(),
        };
        for tensor in gguf.tensors() {
            let bytes = tensor.data.map_or(0, |data| data.len() as u64);
            all.count += 1;
            all.elements = all.elements.saturating_add(tensor.n_elements());
            // Tensors may share data, so that the sum may be more than the file.
            all.bytes = all.bytes.saturating_add(bytes);
            let found = all
                .by_type
                .iter()
                .position(|of| of.ggml_type == tensor.ggml_type);
            let index = found.unwrap_or_else(|| {
                all.by_type.push(ByType::new(tensor.ggml_type));
                all.by_type.len() - 1
            });
            let of = &mut all.by_type[index];
            of.count += 1;
            of.elements = of.elements.saturating_add(tensor.n_elements());
            of.bytes = of.bytes.map(|sum| sum.saturating_add(bytes));
        }
        all.by_type
            .sort_by_key(|of| (std::cmp::Reverse(of.bytes), of.ggml_type));
        all
    }

    /// Writes one line a type.
    pub fn print(&self, output: &mut Output) -> Result<(), Failure> {
        output.line(format_args!(
            "tensors          {}, {} elements, {} bytes",
            self.count, self.elements, self.bytes
        ))?;
        for of in &self.by_type {
            let bytes = of
                .bytes
                .map_or_else(|| "unknown".into(), |bytes| bytes.to_string());
            let note = if of.supported { "" } else { "  not supported" };
            let name = if of.name == "unknown" {
                format!("type {}", of.ggml_type)
            } else {
                of.name.into()
            };
            output.line(format_args!(
                "  {name:<10} {:>6} tensors {bytes:>14} bytes{note}",
                of.count
            ))?;
        }
        Ok(())
    }
}

impl ByType {
    fn new(ggml_type: u32) -> Self {
        Self {
            name: type_name(ggml_type),
            ggml_type,
            supported: quant::stored(ggml_type).is_some(),
            count: 0,
            elements: 0,
            bytes: type_info(ggml_type).map(|_| 0),
        }
    }
}
