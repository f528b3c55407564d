//! Disjoint parts of an output, so that tasks may write it at the same time.
#![allow(
    unsafe_code,
    reason = "hands out disjoint parts of a slice to concurrent tasks"
)]

use core::{marker::PhantomData, ops::Range};

use super::Workers;

/// A matrix that several tasks write, each its own columns.
#[derive(Clone, Copy)]
struct Whole<'a> {
    data: *mut f32,
    rows: usize,
    stride: usize,
    _borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: a `Whole` is only ever turned into `Columns` of disjoint ranges, below.
unsafe impl Sync for Whole<'_> {}

impl<'a> Whole<'a> {
    /// `data`: `[rows, stride]`; a cut last row is left out.
    fn new(data: &'a mut [f32], stride: usize) -> Self {
        let rows = data.len().checked_div(stride).unwrap_or(0);
        Self {
            data: data.as_mut_ptr(),
            rows,
            stride,
            _borrow: PhantomData,
        }
    }

    /// # Safety
    /// No two live parts may share a column.
    unsafe fn part(&self, columns: Range<usize>) -> Columns<'a> {
        let end = columns.end.min(self.stride);
        Columns {
            whole: *self,
            columns: columns.start.min(end)..end,
        }
    }
}

/// Some columns of a row-major matrix, for one task to write.
pub struct Columns<'a> {
    whole: Whole<'a>,
    columns: Range<usize>,
}

impl<'a> Columns<'a> {
    /// All of `data`, `[rows, stride]`.
    pub fn all(data: &'a mut [f32], stride: usize) -> Self {
        let whole = Whole::new(data, stride);
        // SAFETY: `data` is borrowed for as long as the only part lives.
        unsafe { whole.part(0..stride) }
    }

    /// Rows of the matrix.
    pub fn rows(&self) -> usize {
        self.whole.rows
    }

    /// Which columns may be written.
    pub fn columns(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// Row `t`, these columns.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&mut self, t: usize) -> &mut [f32] {
        assert!(t < self.whole.rows, "row {t} of {}", self.whole.rows);
        // SAFETY: row and columns are inside the matrix; `&mut self` keeps this part exclusive and no
        // other part shares its columns.
        unsafe {
            let start = self
                .whole
                .data
                .add(t * self.whole.stride + self.columns.start);
            core::slice::from_raw_parts_mut(start, self.columns.len())
        }
    }

    /// Writes `values` to row `t` from column `r` on; what lies past the last column is dropped.
    ///
    /// # Panics
    /// If there is no such row, or `r` is no column of this part.
    #[inline]
    pub fn store(&mut self, t: usize, r: usize, values: &[f32]) {
        let start = self.columns.start;
        let out = &mut self.row(t)[r - start..];
        for (out, value) in out.iter_mut().zip(values) {
            *out = *value;
        }
    }
}

/// Runs `task(i, part)` for every matrix `i` of `outs` (`(data, stride)`) and every run of `chunk`
/// columns of it, one barrier for all.
pub(crate) fn for_each_columns<const N: usize>(
    workers: &dyn Workers,
    outs: [(&mut [f32], usize); N],
    chunk: usize,
    task: impl Fn(usize, &mut Columns<'_>) + Sync,
) {
    let outs = outs.map(|(data, stride)| Whole::new(data, stride));
    let chunks = |out: &Whole<'_>| out.stride.div_ceil(chunk);
    workers.run(outs.iter().map(chunks).sum(), &|mut index| {
        for (i, out) in outs.iter().enumerate() {
            if index < chunks(out) {
                // SAFETY: `Workers` runs an index once at a time, and each names other columns.
                task(i, &mut unsafe {
                    out.part(index * chunk..(index + 1) * chunk)
                });
                return;
            }
            index -= chunks(out);
        }
    });
}

/// Runs `task(head, part, scratch)` for every run of `head_dim` columns of `out` (`[rows, stride]`),
/// with its own row of `scratch` (`[heads, scratch_len]`).
pub(crate) fn for_each_head(
    workers: &dyn Workers,
    (out, stride): (&mut [f32], usize),
    head_dim: usize,
    (scratch, scratch_len): (&mut [f32], usize),
    task: impl Fn(usize, &mut Columns<'_>, &mut [f32]) + Sync,
) {
    let heads = stride / head_dim;
    // Heads as columns of a single row.
    assert!(
        scratch.len() >= heads * scratch_len,
        "a row of scratch for each head"
    );
    let width = heads * scratch_len;
    let (out, scratch) = (
        Whole::new(out, stride),
        Whole::new(&mut scratch[..width], width),
    );
    workers.run(heads, &|head| {
        // SAFETY: `Workers` runs a head once at a time, and each names other columns of both.
        let (mut part, mut scratch) = unsafe {
            (
                out.part(head * head_dim..(head + 1) * head_dim),
                scratch.part(head * scratch_len..(head + 1) * scratch_len),
            )
        };
        task(head, &mut part, scratch.row(0));
    });
}
