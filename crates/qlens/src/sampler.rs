//! Chooses the next token from a model's logits.
//!
//! The steps, in this order (llama.cpp's default), each on what the one before left:
//!
//! 1. **Repetition penalty** (Keskar et al., "CTRL", 2019): of every token among the last
//!    `repeat_last_n`, once however often it occurs, a positive logit is divided by the penalty and a
//!    negative one multiplied.
//! 2. **Top-k**: the `top_k` most likely tokens stay.
//! 3. **Top-p** (Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020): the fewest most
//!    likely tokens stay whose probabilities, with those of the tokens that top-k left summing to 1,
//!    reach `top_p`.
//! 4. **Min-p** (Nguyen et al., "Turning Up the Heat", 2024): the tokens stay that are at least `min_p`
//!    times as likely as the most likely one.
//! 5. **Temperature**: the logits of what is left are divided by it, and one token is drawn with the
//!    probabilities of their softmax. Temperature 0 takes the most likely token after step 1.
//!
//! Of equally likely tokens the one with the lower id comes first, everywhere. A NaN among the logits
//! is never chosen, and a token at minus infinity only if there is no other.
//!
//! The same logits, history, configuration and seed give the same tokens on every machine: the random
//! numbers are our own, `exp` and `log` are `libm`'s, and every sum has a defined order.

mod pcg;
#[cfg(test)]
mod tests;

use core::cmp::Ordering;
use core::fmt;

use pcg::Pcg32;

/// How to choose. The default is greedy: the most likely token, always.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SamplerConfig {
    /// What logits are divided by: above 1 flattens the distribution, below 1 sharpens it, 0 is greedy.
    pub temperature: f32,
    /// How many of the most likely tokens to choose from; 0 for all.
    pub top_k: u32,
    /// The probability that the tokens to choose from reach together, 0 to 1; 1 for all.
    pub top_p: f32,
    /// The least probability relative to the most likely token's, 0 to 1; 0 for all.
    pub min_p: f32,
    /// What the logits of recent tokens are lowered by, above 0; 1 leaves them as they are.
    pub repetition_penalty: f32,
    /// How many of the last tokens count as recent; 0 for none.
    pub repeat_last_n: usize,
    /// Where the random numbers begin.
    pub seed: u64,
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            repeat_last_n: 64,
            seed: 0,
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// [`SamplerConfig::temperature`] is negative or not finite.
    Temperature {
        /// Its value.
        found: f32,
    },
    /// [`SamplerConfig::top_p`] is not in 0 to 1.
    TopP {
        /// Its value.
        found: f32,
    },
    /// [`SamplerConfig::min_p`] is not in 0 to 1.
    MinP {
        /// Its value.
        found: f32,
    },
    /// [`SamplerConfig::repetition_penalty`] is not above 0, or not finite.
    RepetitionPenalty {
        /// Its value.
        found: f32,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Temperature { found } => write!(
                f,
                "the temperature is {found}; it has to be 0 (greedy) or a finite number above it"
            ),
            Self::TopP { found } => {
                write!(f, "top-p is {found}; it has to be from 0 to 1 (off)")
            }
            Self::MinP { found } => {
                write!(f, "min-p is {found}; it has to be from 0 (off) to 1")
            }
            Self::RepetitionPenalty { found } => write!(
                f,
                "the repetition penalty is {found}; it has to be a finite number above 0 (1 is off)"
            ),
        }
    }
}

impl core::error::Error for Error {}

/// What may come next where not everything may.
pub trait Mask {
    /// Whether a token may come.
    fn allows(&self, token: u32) -> bool;

    /// Makes a NaN of the logit of every token, by id, that may not come.
    fn apply(&self, logits: &mut [f32]);
}

/// How many of the most likely tokens a greedy sampler asks [`Mask::allows`] about before it has the mask applied.
/// Finding the most likely one costs a fraction of a mask.
const GREEDY_TRIES: usize = 8;

/// Chooses tokens; holds the state of its random numbers.
#[derive(Debug, Clone)]
pub struct Sampler {
    config: SamplerConfig,
    random: Pcg32,
}

impl Sampler {
    /// A sampler at the beginning of its seed's random numbers.
    ///
    /// # Errors
    /// [`Error`] names the first setting that is out of its range.
    pub fn new(config: SamplerConfig) -> Result<Self, Error> {
        let SamplerConfig {
            temperature,
            top_p,
            min_p,
            repetition_penalty,
            ..
        } = config;
        if !(temperature.is_finite() && temperature >= 0.0) {
            return Err(Error::Temperature { found: temperature });
        }
        if !(0.0..=1.0).contains(&top_p) {
            return Err(Error::TopP { found: top_p });
        }
        if !(0.0..=1.0).contains(&min_p) {
            return Err(Error::MinP { found: min_p });
        }
        if !(repetition_penalty.is_finite() && repetition_penalty > 0.0) {
            return Err(Error::RepetitionPenalty {
                found: repetition_penalty,
            });
        }
        Ok(Self {
            config,
            random: Pcg32::from_seed(config.seed),
        })
    }

    /// A sampler that takes the most likely token, always.
    pub fn greedy() -> Self {
        let config = SamplerConfig::default();
        Self {
            config,
            random: Pcg32::from_seed(config.seed),
        }
    }

    /// The settings.
    pub fn config(&self) -> &SamplerConfig {
        &self.config
    }

    /// Chooses a token.
    ///
    /// `logits` is one row, `[n_vocab]`; what it holds afterwards is unspecified. `recent` are the
    /// tokens so far, the last one last; ids outside of the vocabulary are passed over. `candidates`
    /// is scratch of `n_vocab`; in a smaller one only its half of the most likely tokens takes part.
    ///
    /// Unless greedy, each call takes exactly one random number, whatever the logits are.
    /// Returns 0 for an empty row.
    pub fn sample(&mut self, logits: &mut [f32], recent: &[u32], candidates: &mut [u32]) -> u32 {
        self.penalize(logits, recent);
        let best = argmax(logits);
        if self.config.temperature == 0.0 {
            return best;
        }
        self.choose(logits, best, candidates)
    }

    /// Chooses a token among those that `mask` allows: what [`sample`](Self::sample) chooses of the same logits
    /// when those of all other tokens are NaN from the start, so that top-k, top-p and min-p mean the tokens that
    /// are allowed. Where all of these are NaN, too, it is the first one; `None` if none is allowed.
    pub fn sample_masked(
        &mut self,
        logits: &mut [f32],
        recent: &[u32],
        candidates: &mut [u32],
        mask: &dyn Mask,
    ) -> Option<u32> {
        self.penalize(logits, recent);
        let token = if self.config.temperature == 0.0 {
            greedy(logits, mask)
        } else {
            mask.apply(logits);
            let best = argmax(logits);
            self.choose(logits, best, candidates)
        };
        // Of nothing but NaN the choice is token 0.
        if mask.allows(token) {
            return Some(token);
        }
        (0..logits.len() as u32).find(|&token| mask.allows(token))
    }

    fn penalize(&self, logits: &mut [f32], recent: &[u32]) {
        let window = recent.len().saturating_sub(self.config.repeat_last_n);
        penalize(logits, &recent[window..], self.config.repetition_penalty);
    }

    /// Steps 2 to 5.
    fn choose(&mut self, logits: &mut [f32], best: u32, candidates: &mut [u32]) -> u32 {
        let config = self.config;
        let unit = self.random.next_unit();
        let left = shortlist(&config, logits, best, candidates);
        draw(logits, best, &candidates[..left], config.temperature, unit)
    }
}

/// The most likely token that may come. The model mostly knows what may, so that few have to be asked about.
fn greedy(logits: &mut [f32], mask: &dyn Mask) -> u32 {
    for _ in 0..GREEDY_TRIES {
        let best = argmax(logits);
        if mask.allows(best) {
            return best;
        }
        if let Some(logit) = logits.get_mut(best as usize) {
            *logit = f32::NAN;
        }
    }
    mask.apply(logits);
    argmax(logits)
}

/// Words of the bitmap in [`penalize`]; with 2 KiB of stack it takes 16,384 ids at a time.
const BITMAP_WORDS: usize = 512;
/// Bits of one of them.
const WORD: usize = u32::BITS as usize;

/// Lowers the logits of `recent` tokens, each once.
#[allow(clippy::float_cmp, reason = "exactly 1 is off")]
fn penalize(logits: &mut [f32], recent: &[u32], penalty: f32) {
    if penalty == 1.0 || recent.is_empty() {
        return;
    }
    for (index, ids) in logits.chunks_mut(BITMAP_WORDS * WORD).enumerate() {
        let first = index * BITMAP_WORDS * WORD;
        let mut done = [0_u32; BITMAP_WORDS];
        for &token in recent {
            let Some(id) = (token as usize).checked_sub(first) else {
                continue;
            };
            let Some(logit) = ids.get_mut(id) else {
                continue;
            };
            let bit = 1 << (id % WORD);
            if done[id / WORD] & bit == 0 {
                done[id / WORD] |= bit;
                *logit = if *logit > 0.0 {
                    *logit / penalty
                } else {
                    *logit * penalty
                };
            }
        }
    }
}

/// Logits that [`argmax`] looks through at a time.
const RUN: usize = 512;

/// The most likely token: the lowest id among the highest logits; 0 if there is nothing but NaN.
///
/// Looks for the run with the highest logit, and only there for the id: a maximum alone takes a vector instruction
/// or two for several logits.
fn argmax(logits: &[f32]) -> u32 {
    let mut best = (f32::NEG_INFINITY, 0);
    for (run, logits) in logits.chunks(RUN).enumerate() {
        let highest = highest(logits);
        if highest > best.0 {
            best = (highest, run * RUN);
        }
    }
    let (highest, start) = best;
    #[allow(clippy::float_cmp, reason = "it is one of them")]
    let id = logits.iter().skip(start).position(|&x| x == highest);
    id.map_or(0, |id| (start + id) as u32)
}

/// The highest of `logits`, NaN being lower than all.
fn highest(logits: &[f32]) -> f32 {
    let higher = |a: f32, b: f32| if b > a { b } else { a };
    let (whole, rest) = logits.as_chunks::<16>();
    let lanes = whole
        .iter()
        .fold([f32::NEG_INFINITY; 16], |mut lanes, chunk| {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = higher(*lane, x);
            }
            lanes
        });
    lanes
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |a, &b| higher(a, b))
}

/// Steps 2 to 4: writes the tokens to draw from to the front of `candidates` and returns how many.
///
/// They come out in the order of [`rank`] where a step had to sort them, and by id otherwise, so that
/// the sums over them have one order. None come out if the row has no token above minus infinity.
fn shortlist(config: &SamplerConfig, logits: &[f32], best: u32, candidates: &mut [u32]) -> usize {
    let max = logits.get(best as usize).copied().unwrap_or(f32::NAN);
    if max.is_nan() || max == f32::NEG_INFINITY {
        return 0;
    }
    let most = if candidates.len() < logits.len() {
        candidates.len() / 2
    } else {
        logits.len()
    };
    let k = match config.top_k {
        0 => most,
        top_k => most.min(top_k as usize),
    };
    let is_sorted = k < logits.len();
    let mut left = if is_sorted {
        most_likely(k, logits, candidates)
    } else {
        all_possible(logits, candidates)
    };

    // The probabilities that top-p means are of all these, so it is summed up before min-p shortens
    // the list; the list is a prefix of the ranking after either, so they can change places then.
    let reach = (config.top_p < 1.0).then(|| {
        let total: f64 = candidates[..left]
            .iter()
            .map(|&id| f64::from(weight(logits[id as usize], max, 1.0)))
            .sum();
        f64::from(config.top_p) * total
    });
    if config.min_p > 0.0 {
        let least = max + libm::logf(config.min_p);
        left = retain(&mut candidates[..left], |id| logits[id as usize] >= least);
    }
    if let Some(reach) = reach {
        left = nucleus(logits, max, &mut candidates[..left], is_sorted, reach);
    }
    left
}

/// Descending by logit, ascending by id. Neither logit is a NaN.
fn rank(logits: &[f32], a: u32, b: u32) -> Ordering {
    logits[b as usize]
        .partial_cmp(&logits[a as usize])
        .unwrap_or(Ordering::Equal)
        .then(a.cmp(&b))
}

/// Lists every token above minus infinity, by id. `candidates` is at least as long as `logits`.
fn all_possible(logits: &[f32], candidates: &mut [u32]) -> usize {
    let mut len = 0;
    for (id, &logit) in logits.iter().enumerate() {
        if logit > f32::NEG_INFINITY {
            candidates[len] = id as u32;
            len += 1;
        }
    }
    len
}

/// Lists the `k` most likely tokens above minus infinity, in the order of [`rank`]. `candidates` has
/// room for twice as many.
///
/// A vocabulary is long and `k` short, so that nearly every token is turned away by one comparison
/// with the least likely of the best ones so far.
fn most_likely(k: usize, logits: &[f32], candidates: &mut [u32]) -> usize {
    if k == 0 {
        return 0;
    }
    let room = candidates.len().min(k.saturating_mul(2).max(1024));
    let candidates = &mut candidates[..room];
    let mut len = 0;
    let mut floor = f32::NEG_INFINITY;
    for (id, &logit) in logits.iter().enumerate() {
        // Ids ascend: a token as likely as the floor ranks behind it.
        if logit > floor {
            candidates[len] = id as u32;
            len += 1;
            if len == room {
                let (_, last, _) =
                    candidates.select_nth_unstable_by(k - 1, |&a, &b| rank(logits, a, b));
                floor = logits[*last as usize];
                len = k;
            }
        }
    }
    candidates[..len].sort_unstable_by(|&a, &b| rank(logits, a, b));
    len.min(k)
}

/// Keeps the tokens that `keep` says, in their order, and returns how many.
fn retain(candidates: &mut [u32], keep: impl Fn(u32) -> bool) -> usize {
    let mut len = 0;
    for index in 0..candidates.len() {
        if keep(candidates[index]) {
            candidates[len] = candidates[index];
            len += 1;
        }
    }
    len
}

/// The length of the shortest prefix of the ranking whose weights sum up to `reach`; sorts that much
/// of `candidates`, and not much more.
fn nucleus(logits: &[f32], max: f32, candidates: &mut [u32], is_sorted: bool, reach: f64) -> usize {
    let mut sorted = if is_sorted { candidates.len() } else { 0 };
    let mut sum = 0.0;
    for index in 0..candidates.len() {
        if index == sorted {
            let rest = &mut candidates[sorted..];
            let more = (8 * sorted).max(256).min(rest.len());
            if more < rest.len() {
                rest.select_nth_unstable_by(more - 1, |&a, &b| rank(logits, a, b));
            }
            rest[..more].sort_unstable_by(|&a, &b| rank(logits, a, b));
            sorted += more;
        }
        sum += f64::from(weight(logits[candidates[index] as usize], max, 1.0));
        if sum >= reach {
            return index + 1;
        }
    }
    candidates.len()
}

/// The probability of a token relative to that of the most likely one, whose logit is `max`.
#[allow(clippy::float_cmp, reason = "`max` is one of the logits")]
fn weight(logit: f32, max: f32, temperature: f32) -> f32 {
    // Also where both are infinite.
    if logit == max {
        return 1.0;
    }
    libm::expf((logit - max) / temperature)
}

/// Step 5: the token of `candidates` in whose share of their weights `unit`, from 0 to below 1, falls;
/// `best` if there are none. Leaves the weights where the logits were.
fn draw(logits: &mut [f32], best: u32, candidates: &[u32], temperature: f32, unit: f64) -> u32 {
    let Some(&max) = logits.get(best as usize) else {
        return best;
    };
    let mut total = 0.0;
    for &id in candidates {
        let logit = &mut logits[id as usize];
        *logit = weight(*logit, max, temperature);
        total += f64::from(*logit);
    }
    let target = unit * total;
    let mut sum = 0.0;
    for &id in candidates {
        sum += f64::from(logits[id as usize]);
        if sum > target {
            return id;
        }
    }
    // `unit * total` can round up to `total`, which is beyond every token by as much as a rounding.
    best
}
