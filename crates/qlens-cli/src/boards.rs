//! The boards that this program was built with.

use qlens_board::description::Board;

use crate::failure::Failure;

/// Name and description of every folder of `boards/` that has one.
const DESCRIPTIONS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/boards.rs"));

/// The board of that name.
pub fn find(name: &str) -> Result<Board, Failure> {
    let Some((_, text)) = DESCRIPTIONS.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = DESCRIPTIONS.iter().map(|(name, _)| *name).collect();
        return Err(Failure::usage(format_args!(
            "there is no board {name:?}; the boards are: {}",
            names.join(", ")
        )));
    };
    parse(name, text)
}

/// All boards, in order of their names.
pub fn all() -> Result<Vec<Board>, Failure> {
    DESCRIPTIONS
        .iter()
        .map(|(name, text)| parse(name, text))
        .collect()
}

fn parse(name: &str, text: &str) -> Result<Board, Failure> {
    Board::parse(text)
        .map_err(|error| Failure::new(format_args!("boards/{name}/board.toml {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_description_is_sound_and_of_its_folder() {
        assert!(DESCRIPTIONS.iter().any(|(name, _)| *name == "qemu-virt"));
        for (name, _) in DESCRIPTIONS {
            assert_eq!(
                find(name)
                    .map_err(|failure| failure.sentence().to_owned())
                    .unwrap()
                    .name,
                *name
            );
        }
    }
}
