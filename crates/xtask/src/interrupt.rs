//! Ctrl-C must leave no QEMU behind, no half-written file and no terminal without echo, so it only sets a
//! flag that every wait looks at; the way out is the ordinary one, through `Drop`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How often a wait looks at the flag.
pub const POLL: Duration = Duration::from_millis(50);

static CAME: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Starts to listen for the signals that ask a program to end.
pub fn listen() {
    let flag = CAME.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // The second time ends the program at once, in case the ordinary way out hangs.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone());
        let _ = signal_hook::flag::register(signal, flag.clone());
    }
}

/// Whether one of them came.
pub fn came() -> bool {
    CAME.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// An error if one of them came, to be passed on with `?`.
pub fn check() -> Result<()> {
    if came() {
        bail!("stopped");
    }
    Ok(())
}
