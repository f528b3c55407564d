//! Both ends of the link with what stands behind them: samples go in at the hub, the application's events come out at
//! the other chip.

mod glasses;
mod outcomes;
