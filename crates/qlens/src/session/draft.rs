//! Guessing what follows from what stood there before (prompt lookup decoding; Saxena, 2023).
//!
//! Answers quote: names, numbers and sentences of the prompt come again. Where the last tokens of the
//! context have occurred before, those that followed them then are read in one pass with the last token,
//! and the sampler is asked position by position whether it chooses them. The weights are read once for
//! all of them, and a draft that was wrong costs its computing and nothing else.

/// Tokens that have to be the same: after fewer, a draft is wrong more often than it pays.
const SHORTEST: usize = 4;
/// Longer matches are as good as this one.
const LONGEST: usize = 16;

/// Where in `context` what follows the longest earlier occurrence of its last tokens begins; of equally
/// long ones the latest.
fn find(context: &[u32]) -> Option<usize> {
    let (&last, before) = context.split_last()?;
    let (mut best, mut at) = (SHORTEST - 1, None);
    for end in (1..context.len()).rev() {
        if context[end - 1] != last {
            continue;
        }
        let earlier = context[..end].iter().rev();
        let same = 1 + before
            .iter()
            .rev()
            .zip(earlier.skip(1))
            .take(LONGEST - 1)
            .take_while(|(a, b)| a == b)
            .count();
        if same > best {
            (best, at) = (same, Some(end));
        }
        if same == LONGEST {
            break;
        }
    }
    at
}

/// Writes at most `most` tokens that may follow the first `len` of `tokens` behind them; returns how many.
pub(super) fn write(tokens: &mut [u32], len: usize, most: usize) -> usize {
    let Some(from) = find(&tokens[..len]) else {
        return 0;
    };
    let most = most.min(tokens.len() - len);
    for i in 0..most {
        // What repeats with a short period goes on from what was just written.
        tokens[len + i] = tokens[from + i];
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn draft(context: &[u32], most: usize) -> Vec<u32> {
        let mut tokens = context.to_vec();
        tokens.resize(context.len() + 8, u32::MAX);
        let count = write(&mut tokens, context.len(), most);
        tokens[context.len()..][..count].to_vec()
    }

    #[test]
    fn what_followed_the_latest_occurrence_follows() {
        let context = [1, 2, 3, 4, 50, 9, 1, 2, 3, 4, 60, 61, 9, 1, 2, 3, 4];
        assert_eq!(draft(&context, 2), [60, 61]);
        assert!(draft(&context, 0).is_empty());
    }

    #[test]
    fn the_longest_occurrence_wins_over_a_later_one() {
        let context = [7, 1, 2, 3, 4, 50, 8, 1, 2, 3, 4, 60, 7, 1, 2, 3, 4];
        assert_eq!(draft(&context, 1), [50]);
    }

    #[test]
    fn three_tokens_are_too_few() {
        assert!(draft(&[1, 2, 3, 50, 9, 1, 2, 3], 3).is_empty());
        assert!(draft(&[1, 2, 3], 3).is_empty());
        assert!(draft(&[], 3).is_empty());
    }

    #[test]
    fn a_period_goes_on() {
        assert_eq!(draft(&[5, 6, 5, 6, 5, 6], 5), [5, 6, 5, 6, 5]);
        assert_eq!(draft(&[5; 5], 3), [5; 3]);
    }

    #[test]
    fn no_more_is_written_than_there_is_room() {
        let mut tokens = [5; 7];
        assert_eq!(write(&mut tokens, 5, usize::MAX), 2);
        assert_eq!(write(&mut tokens, 7, usize::MAX), 0);
    }
}
