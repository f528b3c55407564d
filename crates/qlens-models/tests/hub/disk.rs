//! Disks without room.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use qlens_models::Error;

use crate::scene::{SIZE, Scene, bytes, serve};

#[test]
fn a_disk_that_is_too_small_is_told_before_anything_is_fetched() {
    let mut scene = Scene::new("small", |_| panic!("there is no room for it"));
    scene.manifest.size = 1 << 60;
    let fault = scene.fetch().unwrap_err();
    assert!(
        matches!(fault, Error::NoRoom { needed, .. } if needed == 1 << 60),
        "{fault}"
    );
    assert!(fault.to_string().contains("QLENS_CACHE"), "{fault}");
    assert!(scene.files().is_empty());
}

/// A file system of so many bytes, for as long as this lives.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this user may not mount one.
    fn new(name: &str, size: usize) -> Option<Self> {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(&path)
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self(path))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_fills_up_meanwhile_keeps_what_it_has() {
    let Some(disk) = Disk::new("hub-full", 400 << 10) else {
        eprintln!("left out: this user may not mount a file system");
        return;
    };
    let filler = disk.0.join("filler");
    let fill = filler.clone();
    let scene = Scene::in_folder(disk.0.join("models"), move |request| {
        if request.nth == 0 {
            fs::write(&fill, vec![0; 250 << 10]).unwrap();
        }
        serve(request)
    });
    let said = scene.fetch().unwrap_err().to_string();
    assert!(
        said.contains("its disk is full") && said.contains("toy.gguf.part"),
        "{said}"
    );
    assert_eq!(scene.files(), ["toy.gguf.part"]);
    assert!(bytes(SIZE).starts_with(&scene.left()));

    fs::remove_file(filler).unwrap();
    scene.fetch().unwrap();
    scene.is_whole();
}
