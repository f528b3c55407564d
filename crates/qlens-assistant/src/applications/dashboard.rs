//! Dashboard: what is known of the glasses and the world, at a glance upwards.

use core::fmt;

/// What the sensors said last, for the dashboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Readings {
    /// Charge of the battery, 0 to 100.
    pub battery_percent: Option<u8>,
    /// Whether it is on the charger.
    pub charging: bool,
    /// Temperature of the chip in degrees Celsius.
    pub celsius: Option<i16>,
}

/// The time of day, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

impl TimeOfDay {
    /// The time of day at `unix_s`, seconds since 1970-01-01 of the place where the glasses are worn.
    pub const fn at(unix_s: u64) -> Self {
        let minutes = unix_s / 60 % (24 * 60);
        Self {
            hour: (minutes / 60) as u8,
            minute: (minutes % 60) as u8,
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

/// What the dashboard shows, but for the last answer, which is [`ask`](super::ask)'s.
#[derive(Clone, Copy, Debug)]
pub struct Dashboard {
    pub(crate) readings: Readings,
    /// The wall's time when the application's was zero.
    pub(crate) wall_origin: Option<u64>,
}

impl Dashboard {
    /// A dashboard that was told nothing.
    pub const fn new() -> Self {
        Self {
            readings: Readings {
                battery_percent: None,
                charging: false,
                celsius: None,
            },
            wall_origin: None,
        }
    }

    /// Seconds since 1970-01-01 of the place where the glasses are worn, `now_us` after the origin.
    pub fn unix_s(self, now_us: u64) -> Option<u64> {
        let origin = self.wall_origin?;
        Some(origin.saturating_add(now_us / 1_000_000))
    }
}

impl Default for Dashboard {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString as _;

    use super::*;

    #[test]
    fn the_wall_shows_origin_and_application_time_together() {
        let mut dashboard = Dashboard::new();
        let shown = |dashboard: Dashboard, now_us| {
            let unix_s = dashboard.unix_s(now_us);
            unix_s.map(|unix_s| TimeOfDay::at(unix_s).to_string())
        };
        assert_eq!(shown(dashboard, 5), None);
        // 2023-11-14 22:13:20.
        dashboard.wall_origin = Some(1_700_000_000);
        assert_eq!(shown(dashboard, 0).as_deref(), Some("22:13"));
        assert_eq!(shown(dashboard, 39_999_999).as_deref(), Some("22:13"));
        assert_eq!(shown(dashboard, 40_000_000).as_deref(), Some("22:14"));
        assert_eq!(shown(dashboard, 6_400_000_000).as_deref(), Some("00:00"));
        dashboard.wall_origin = Some(u64::MAX);
        assert!(shown(dashboard, u64::MAX).is_some());
    }
}
