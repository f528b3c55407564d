//! The image. All of it is in the library of this package, which is empty on any other target than
//! bare metal, so that a check of the whole workspace works on a host.

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
use raspi as _;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is firmware: build it with `cargo xtask build --board raspi4` or raspi3");
}
