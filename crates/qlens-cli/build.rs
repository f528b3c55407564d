//! Embeds every `boards/*/board.toml`, so that a `qlens` that was copied to another machine still
//! knows the boards.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let variable = |name| env::var_os(name).ok_or_else(|| io::Error::other(name));
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let boards = fs::canonicalize(manifest.join("../../boards"))?;
    println!("cargo::rerun-if-changed={}", boards.display());
    let mut entries = Vec::new();
    for (name, file) in descriptions(&boards)? {
        println!("cargo::rerun-if-changed={}", file.display());
        // Debug formatting of a string is a Rust string literal.
        let file = file.display().to_string();
        entries.push(format!("({name:?}, include_str!({file:?}))"));
    }
    let source = format!("&[{}]\n", entries.join(",\n"));
    fs::write(
        PathBuf::from(variable("OUT_DIR")?).join("boards.rs"),
        source,
    )
}

/// Name and description of each board, sorted by name.
fn descriptions(boards: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(boards)? {
        let entry = entry?;
        let file = entry.path().join("board.toml");
        if file.is_file() {
            found.push((entry.file_name().to_string_lossy().into_owned(), file));
        }
    }
    found.sort();
    Ok(found)
}
