//! Ctrl-C leaves no half-written file and no cut-off line, so the signal only sets a flag that every
//! long step looks at; the way out is the ordinary one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Number of the signal that came; 0 while none did.
static CAME: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// Listens for the signals that ask a program to end. A second one ends it at once, in case the
/// ordinary way out hangs.
pub fn listen() {
    let again = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Without a handler the signal ends the program, which is also what it asks for.
        let _ = flag::register_conditional_shutdown(signal, 128 + signal, again.clone());
        let _ = flag::register(signal, again.clone());
        let _ = flag::register_usize(signal, CAME.clone(), signal as usize);
    }
}

/// Listens for Ctrl-C alone, which never ends the program: whoever is asked to stop calls [`take`].
pub fn listen_for_cancel() {
    let _ = flag::register_usize(SIGINT, CAME.clone(), SIGINT as usize);
}

/// The signal that came, if one did.
pub fn came() -> Option<u8> {
    u8::try_from(CAME.load(Ordering::Relaxed))
        .ok()
        .filter(|&signal| signal != 0)
}

/// Forgets the signal that came.
pub fn take() -> Option<u8> {
    let signal = came();
    CAME.store(0, Ordering::Relaxed);
    signal
}
