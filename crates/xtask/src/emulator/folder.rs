//! A folder for one run's sockets and small files. It is short-lived and its path is short: a Unix socket's
//! path has to fit in 108 bytes, which a path below the build output may not.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

/// Removed when dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "qlens-{}-{}",
            process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        // An earlier process with this id may have been killed before it could clean up.
        let _ = fs::remove_dir_all(&path);
        // Whoever can write to the sockets controls the machine.
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    pub fn qmp(&self) -> PathBuf {
        self.0.join("qmp")
    }

    pub fn speech(&self) -> PathBuf {
        self.0.join("speech")
    }

    /// The link between the two chips.
    pub fn link(&self) -> PathBuf {
        self.0.join("link")
    }

    /// What the sensor hub is to measure.
    pub fn samples(&self) -> PathBuf {
        self.0.join("samples")
    }

    /// What the sensor hub says.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    pub fn card(&self) -> PathBuf {
        self.0.join("card.img")
    }

    pub fn picture(&self) -> PathBuf {
        self.0.join("display.ppm")
    }

    /// Writes a small file that QEMU is to hand to the board.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
