//! The state of Gated DeltaNet layers, and copies of it to go back to.
//!
//! Keys and values of a position that is no longer wanted are overwritten; what a position has done to a recurrent
//! state stays. To go back, there are copies of an earlier state, and positions since then are read again.
//! Position 0, where every state is zero, needs none.

use crate::model::{Config, DeltaNet};

/// Copies that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Where the last batch of a prompt begins.
    Prompt,
    /// Where the last draft begins.
    Draft,
}

impl Mark {
    const COUNT: usize = 2;
}

/// Numbers of each array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Of the state and each of its copies, `[layers, layer]`; a layer is `[taps - 1, channels]` inputs of the convolution
    /// and `[n_head_v, head_dim_v / 32, head_dim_k, 32]` matrices.
    pub state: usize,
    /// Of the convolutions' kernels, `[layers, taps, channels]`.
    pub kernels: usize,
}

impl Sizes {
    /// None, for models without such layers; `None` if they cannot be counted.
    pub fn of(config: &Config) -> Option<Self> {
        let Some(shape) = config.delta_net else {
            return Some(Self::default());
        };
        let layers = config.delta_net_layers();
        let inputs = (shape.taps - 1).checked_mul(shape.channels())?;
        let matrices = shape.v_width().checked_mul(shape.head_dim_k)?;
        Some(Self {
            state: inputs.checked_add(matrices)?.checked_mul(layers)?,
            kernels: shape
                .taps
                .checked_mul(shape.channels())?
                .checked_mul(layers)?,
        })
    }

    /// Arrays of as many numbers as the state.
    pub const STATES: usize = 1 + Mark::COUNT;
}

/// The state of all Gated DeltaNet layers.
#[derive(Debug)]
pub(crate) struct Recurrent<'a> {
    shape: Option<DeltaNet>,
    layers: usize,
    state: &'a mut [f32],
    /// How many positions `state` has seen; `None` if some layers have seen more than others.
    seen: Option<usize>,
    marks: [(usize, &'a mut [f32]); Mark::COUNT],
    kernels: &'a mut [f32],
}

/// A layer's share.
pub(crate) struct LayerState<'s> {
    /// Inputs of the convolution that later positions look back to, `[taps - 1, channels]`, oldest first.
    pub inputs: &'s mut [f32],
    /// A matrix a value head, `[n_head_v, head_dim_v / 32, head_dim_k, 32]`.
    pub matrices: &'s mut [f32],
    /// The convolution's kernel, `[taps, channels]`.
    pub kernel: &'s [f32],
}

impl<'a> Recurrent<'a> {
    /// `states`, `kernels`: as [`Sizes`] says.
    pub fn new(
        config: &Config,
        states: [&'a mut [f32]; Sizes::STATES],
        kernels: &'a mut [f32],
    ) -> Self {
        let [state, prompt, draft] = states;
        state.fill(0.0);
        Self {
            shape: config.delta_net,
            layers: config.delta_net_layers(),
            state,
            seen: Some(0),
            // A copy at 0 is none: there the state is zero.
            marks: [(0, prompt), (0, draft)],
            kernels,
        }
    }

    /// Takes over layer `at`'s kernel, `[channels, taps]` as in the file.
    pub fn set_kernel(&mut self, at: usize, kernel: &[f32]) {
        let Some(shape) = self.shape else { return };
        let channels = shape.channels();
        let to = &mut self.kernels[at * kernel.len()..][..kernel.len()];
        for (c, taps) in kernel.chunks_exact(shape.taps).enumerate() {
            for (i, tap) in taps.iter().enumerate() {
                to[i * channels + c] = *tap;
            }
        }
    }

    /// The share of layer `at` of those that are Gated DeltaNet.
    pub fn layer(&mut self, at: usize) -> LayerState<'_> {
        let (channels, taps) = match self.shape {
            None => (0, 1),
            Some(shape) => (shape.channels(), shape.taps),
        };
        let share = self.state.len() / self.layers.max(1);
        let state = &mut self.state[at * share..][..share];
        let (inputs, matrices) = state.split_at_mut((taps - 1) * channels);
        LayerState {
            inputs,
            matrices,
            kernel: &self.kernels[at * taps * channels..][..taps * channels],
        }
    }

    /// Numbers of the state.
    pub fn numbers(&self) -> usize {
        self.state.len()
    }

    /// Whether there is any state.
    pub fn is_there(&self) -> bool {
        self.shape.is_some()
    }

    /// A pass begins: until [`end_pass`](Self::end_pass), layers have seen different numbers of positions.
    pub fn begin_pass(&mut self) {
        if self.is_there() {
            self.seen = None;
        }
    }

    /// All layers have seen `seen` positions.
    pub fn end_pass(&mut self, seen: usize) {
        self.seen = Some(seen);
    }

    /// Keeps a copy of the state.
    pub fn set_mark(&mut self, mark: Mark) {
        let (at, copy) = &mut self.marks[mark as usize];
        if let Some(seen) = self.seen
            && self.shape.is_some()
            && seen > 0
            && *at != seen
        {
            copy.copy_from_slice(self.state);
            *at = seen;
        }
    }

    /// Goes back to the state after the first `positions`, or as few positions before it as possible: how many it
    /// has seen then. Those after `positions` are not coming back.
    pub fn rewind(&mut self, positions: usize) -> usize {
        if !self.is_there() {
            return positions;
        }
        for (at, _) in &mut self.marks {
            if *at > positions {
                *at = 0;
            }
        }
        if let Some(seen) = self.seen
            && seen <= positions
        {
            return seen;
        }
        let latest = self.marks.iter().max_by_key(|(at, _)| *at);
        let seen = match latest {
            Some((at, copy)) if *at > 0 => {
                self.state.copy_from_slice(copy);
                *at
            }
            _ => {
                self.state.fill(0.0);
                0
            }
        };
        self.seen = Some(seen);
        seen
    }

    /// How many positions it has seen where [`rewind`](Self::rewind) to `positions` would go back to, and where the copies
    /// would then be, 0 for none.
    pub fn places(&self, positions: usize) -> [usize; Sizes::STATES] {
        let there = |at: usize| if at <= positions { at } else { 0 };
        let [prompt, draft] =
            [Mark::Prompt, Mark::Draft].map(|mark| there(self.marks[mark as usize].0));
        let seen = match self.seen {
            _ if !self.is_there() => positions,
            Some(seen) if seen <= positions => seen,
            _ => prompt.max(draft),
        };
        [seen, prompt, draft]
    }

    /// The state at each of these [`places`](Self::places), once where two are one; none for 0.
    pub fn save<E>(
        &self,
        places: [usize; Sizes::STATES],
        put: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.is_there() {
            return Ok(());
        }
        for (i, at) in places.into_iter().enumerate() {
            if at == 0 || places[..i].contains(&at) {
                continue;
            }
            let copy = self.marks.iter().find(|(mark, _)| *mark == at);
            let state = match copy {
                Some((_, copy)) if self.seen != Some(at) => copy,
                _ => &*self.state,
            };
            put(bytemuck::cast_slice(state))?;
        }
        Ok(())
    }

    /// Lets `take` fill in what [`save`](Self::save) gave for these places. If it fails, there is no state, and
    /// [`rewind`](Self::rewind) is what makes one.
    pub fn restore<E>(
        &mut self,
        places: [usize; Sizes::STATES],
        take: &mut dyn FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.is_there() {
            return Ok(());
        }
        self.seen = None;
        for (at, _) in &mut self.marks {
            *at = 0;
        }
        let [seen, marks @ ..] = places;
        if seen == 0 {
            self.state.fill(0.0);
        } else {
            take(bytemuck::cast_slice_mut(self.state))?;
        }
        for (i, at) in marks.into_iter().enumerate() {
            let (before, after) = self.marks.split_at_mut(i);
            let (mark, copy) = &mut after[0];
            if at > 0 && at == seen {
                copy.copy_from_slice(self.state);
            } else if let Some((_, same)) = before.iter().find(|(mark, _)| at > 0 && *mark == at) {
                copy.copy_from_slice(same);
            } else if at > 0 {
                take(bytemuck::cast_slice_mut(copy))?;
            }
            *mark = at;
        }
        self.seen = Some(seen);
        Ok(())
    }
}
