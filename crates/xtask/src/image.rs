//! `cargo xtask build`: the firmware image of a board, or the `qlens` tool as a static program for another
//! machine, each with its size by section and a map file that says where every symbol went.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::boards::{self, Board};
use crate::sections;
use crate::setup::{self, Need};
use crate::workspace;

#[derive(clap::Args)]
pub struct Args {
    /// Board whose firmware to build [default: qemu-virt]
    #[arg(long, value_name = "NAME", conflicts_with = "target")]
    board: Option<String>,
    /// Build the `qlens` tool for this target triple instead
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
}

/// What a build left.
pub struct Image {
    /// The executable (ELF).
    pub path: PathBuf,
    /// The same as bytes in memory, on a board whose boot loader wants that.
    pub raw: Option<PathBuf>,
    /// The linker's map of it.
    pub map: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let image = match &args.target {
        Some(triple) => tool(triple)?,
        None => firmware(&boards::find(
            args.board.as_deref().unwrap_or(boards::DEFAULT),
        )?)?,
    };
    let bytes =
        fs::read(&image.path).with_context(|| format!("cannot read {}", image.path.display()))?;
    let sections = sections::of_elf(&bytes)?;
    println!("image  {}", image.path.display());
    if let Some(raw) = &image.raw {
        println!("raw    {}", raw.display());
    }
    println!("map    {}", image.map.display());
    println!("\n{}", sections::table(&sections));
    Ok(())
}

/// Builds a board's firmware in release.
pub fn firmware(board: &Board) -> Result<Image> {
    setup::make_sure_of(&[Need::Target(&board.triple)])?;
    let mut image = build(&board.name, &board.name, &board.triple, "-Map=")?;
    if let Some(name) = board.machine.and_then(|machine| machine.raw_image) {
        let folder = workspace::output_folder(&format!("boards/{}", board.name))?;
        let path = folder.join(name);
        let raw = sections::in_memory(&fs::read(&image.path)?)?;
        fs::write(&path, raw).with_context(|| format!("cannot write {}", path.display()))?;
        image.raw = Some(path);
    }
    Ok(image)
}

impl Image {
    /// The file that the board is started with.
    pub fn bootable(&self) -> &Path {
        self.raw.as_deref().unwrap_or(&self.path)
    }
}

/// Builds the `qlens` tool for this machine in release; returns the program.
pub fn host_tool() -> Result<PathBuf> {
    eprintln!("building qlens for this machine");
    let mut command = workspace::cargo("build");
    command
        .args(["--release", "--package", "qlens-cli", "--bin", "qlens"])
        .args(["--message-format", "json-render-diagnostics"]);
    workspace::build_binary(&mut command)
}

/// Builds the `qlens` tool for another machine in release.
fn tool(triple: &str) -> Result<Image> {
    setup::make_sure_of(&[Need::Target(triple)])?;
    // What `.cargo/config.toml` links with rust-lld takes a linker's options, the rest a C compiler's.
    build(
        "qlens-cli",
        "qlens",
        triple,
        if triple == setup::LINUX {
            "-Map="
        } else {
            "-Wl,-Map="
        },
    )
}

fn build(package: &str, binary: &str, triple: &str, map_option: &str) -> Result<Image> {
    eprintln!("building {binary} for {triple}");
    let map = map_path(binary, triple)?;
    // The options reach the linker through `cargo rustc`, not RUSTFLAGS, which would build the
    // dependencies anew and drop the flags of `.cargo/config.toml`.
    let mut command = workspace::cargo("rustc");
    command
        .args([
            "--release",
            "--package",
            package,
            "--bin",
            binary,
            "--target",
            triple,
        ])
        .args(["--message-format", "json-render-diagnostics", "--"])
        .arg(format!("-Clink-arg={map_option}{}", map.display()));
    Ok(Image {
        path: workspace::build_binary(&mut command)?,
        raw: None,
        map,
    })
}

fn map_path(binary: &str, triple: &str) -> Result<PathBuf> {
    let folder = workspace::output_folder(
        Path::new(triple)
            .join("release")
            .to_str()
            .context("odd triple")?,
    )?;
    Ok(folder.join(format!("{binary}.map")))
}
