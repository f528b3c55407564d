//! Integers and numbers, digit by digit. They end: neither has more than [`MAX_DIGITS`] digits before or behind
//! its point, which a 64-bit float still tells apart, and there are no exponents.

/// Digits of an integer, at most.
const MAX_DIGITS: u8 = 15;

/// The greatest integer, and less its sign the least one.
pub(super) const MAX_INTEGER: i64 = 10_i64.pow(MAX_DIGITS as u32) - 1;

/// The beginning of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Integer {
    negative: bool,
    digits: u8,
    magnitude: u64,
}

impl Integer {
    /// Begins with a byte an integer from `min` to `max`.
    pub(super) fn begin(byte: u8, min: i64, max: i64) -> Option<Self> {
        let none = |negative| Self {
            negative,
            digits: 0,
            magnitude: 0,
        };
        if byte == b'-' {
            return (min < 0).then(|| none(true));
        }
        none(false).then(byte, min, max)
    }

    /// Goes on with a byte, if there is still an integer from `min` to `max` that begins so.
    pub(super) fn then(self, byte: u8, min: i64, max: i64) -> Option<Self> {
        let digit = char::from(byte).to_digit(10)?;
        // No digit follows a leading zero.
        if self.digits == MAX_DIGITS || self.digits > 0 && self.magnitude == 0 {
            return None;
        }
        let next = Self {
            digits: self.digits + 1,
            magnitude: 10 * self.magnitude + u64::from(digit),
            ..self
        };
        next.leads_to(min, max).then_some(next)
    }

    /// The magnitudes that an integer of this sign may have from `min` to `max`.
    fn magnitudes(self, min: i64, max: i64) -> (u64, u64) {
        if self.negative {
            // There is no negative zero.
            (max.min(-1).unsigned_abs(), min.min(0).unsigned_abs())
        } else {
            (min.max(0) as u64, max.try_into().unwrap_or(0))
        }
    }

    fn leads_to(self, min: i64, max: i64) -> bool {
        if !self.negative && max < 0 {
            return false;
        }
        let (least, most) = self.magnitudes(min, max);
        let (mut from, mut to) = (self.magnitude, self.magnitude);
        for _ in self.digits..=MAX_DIGITS {
            if from <= most && to >= least {
                return true;
            }
            if from == 0 {
                return false;
            }
            (from, to) = (10 * from, 10 * to + 9);
        }
        false
    }

    /// Whether it may end here.
    pub(super) fn is_within(self, min: i64, max: i64) -> bool {
        let (least, most) = self.magnitudes(min, max);
        self.digits > 0 && (self.negative || max >= 0) && (least..=most).contains(&self.magnitude)
    }
}

/// The beginning of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Minus,
    /// A zero, which only a point may follow.
    Zero,
    /// So many digits before the point.
    Whole(u8),
    Point,
    /// So many digits behind it.
    Fraction(u8),
}

impl Number {
    /// Begins with a byte.
    pub(super) fn begin(byte: u8) -> Option<Self> {
        match byte {
            b'-' => Some(Self::Minus),
            _ => Self::Minus.then(byte),
        }
    }

    /// Goes on with a byte.
    pub(super) fn then(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Minus, b'1'..=b'9') => Some(Self::Whole(1)),
            (Self::Whole(digits), b'0'..=b'9') if digits < MAX_DIGITS => {
                Some(Self::Whole(digits + 1))
            }
            (Self::Zero | Self::Whole(_), b'.') => Some(Self::Point),
            (Self::Point, b'0'..=b'9') => Some(Self::Fraction(1)),
            (Self::Fraction(digits), b'0'..=b'9') if digits < MAX_DIGITS => {
                Some(Self::Fraction(digits + 1))
            }
            _ => None,
        }
    }

    /// Whether it may end here.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Zero | Self::Whole(_) | Self::Fraction(_))
    }
}
