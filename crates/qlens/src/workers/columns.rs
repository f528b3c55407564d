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

    /// Row `t` from column `r` on.
    ///
    /// # Panics
    /// If there is no such row, or `r` is no column of this part.
    #[inline]
    pub fn from(&mut self, t: usize, r: usize) -> &mut [f32] {
        let start = self.columns.start;
        &mut self.row(t)[r - start..]
    }

    /// Where column `r` of row `t` is, and how far it is to the next row, if there is such a row and eight
    /// columns of this part are there from `r` on.
    #[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
    pub(crate) fn eight(&mut self, t: usize, r: usize) -> Option<(*mut f32, usize)> {
        let there = self.columns.contains(&r) && self.columns.end - r >= 8 && t < self.whole.rows;
        let at = t * self.whole.stride + r;
        there.then(|| (self.whole.data.wrapping_add(at), self.whole.stride))
    }

    /// Writes `values` to row `t` from column `r` on; what lies past the last column is dropped.
    ///
    /// # Panics
    /// As [`from`](Self::from).
    #[inline]
    pub fn store(&mut self, t: usize, r: usize, values: &[f32]) {
        for (out, value) in self.from(t, r).iter_mut().zip(values) {
            *out = *value;
        }
    }

    /// Reads row `t` from column `r` on into `values`; those past the last column stay as they are.
    ///
    /// # Panics
    /// As [`from`](Self::from).
    #[inline]
    pub fn load(&mut self, t: usize, r: usize, values: &mut [f32]) {
        for (value, from) in values.iter_mut().zip(self.from(t, r)) {
            *value = *from;
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

/// Runs `task(heads, part, scratch)` for every run of at most `most` of the heads that share keys and values,
/// `shared` of them side by side: their columns of `out` (`[rows, heads * head_dim]`), and scratch of their
/// own, as much as `scratch` has for each.
pub(crate) fn for_each_run_of_heads(
    workers: &dyn Workers,
    (out, stride): (&mut [f32], usize),
    (head_dim, shared, most): (usize, usize, usize),
    scratch: &mut [f32],
    task: impl Fn(Range<usize>, &mut Columns<'_>, &mut [f32]) + Sync,
) {
    let a_group = shared.div_ceil(most);
    let runs = stride / head_dim / shared * a_group;
    let share = scratch.len() / runs;
    // Shares as columns of a single row.
    let (out, scratch) = (
        Whole::new(out, stride),
        Whole::new(&mut scratch[..runs * share], runs * share),
    );
    workers.run(runs, &|index| {
        let first = index / a_group * shared;
        let start = first + index % a_group * most;
        let heads = start..(start + most).min(first + shared);
        // SAFETY: `Workers` runs an index once at a time, and each names other columns of both.
        let (mut part, mut scratch) = unsafe {
            (
                out.part(heads.start * head_dim..heads.end * head_dim),
                scratch.part(index * share..(index + 1) * share),
            )
        };
        task(heads, &mut part, scratch.row(0));
    });
}
