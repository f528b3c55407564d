//! Dashboard: what is known of the glasses and the world, at a glance upwards.

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
