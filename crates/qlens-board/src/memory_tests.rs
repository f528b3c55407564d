//! Tests of the memory map: the numbers in a refusal are what a person acts on, so they are exact.

use std::string::ToString;

use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;
const START: u64 = 0x4000_0000;

fn region(usage: Usage, at_mib: u64, size_mib: Option<u64>) -> Region {
    Region {
        usage,
        start: START + at_mib * MIB,
        size: size_mib.map(|size| size * MIB),
    }
}

fn typical() -> [Region; 3] {
    [
        region(Usage::Reserved, 0, Some(2)),
        region(Usage::Firmware, 2, Some(8)),
        region(Usage::Model, 10, None),
    ]
}

fn map(regions: &[Region], ram_mib: u64) -> MemoryMap<'_> {
    MemoryMap {
        ram: Span::new(START, ram_mib * MIB),
        regions,
    }
}

#[test]
fn the_model_region_grows_with_the_ram() {
    let regions = typical();
    let map = map(&regions, 1024);
    map.check().unwrap();
    assert_eq!(
        map.model_room(),
        Ok(Span::new(START + 10 * MIB, 1014 * MIB))
    );
    let larger = map.with_ram(2048 * MIB);
    larger.check().unwrap();
    assert_eq!(larger.model_room().unwrap().size, 2038 * MIB);
}

#[test]
fn model_and_arena_fill_the_region_to_the_last_byte() {
    let regions = typical();
    let map = map(&regions, 64);
    // 54 MiB: a model that ends inside a page, and everything behind that page.
    let model = 20 * MIB + 1;
    let arena = 54 * MIB - 20 * MIB - PAGE;
    let layout = map.place(model, arena).unwrap();
    assert_eq!(layout.model, Span::new(START + 10 * MIB, 20 * MIB + PAGE));
    assert_eq!(layout.arena, Span::new(layout.model.end(), arena));
    assert_eq!(layout.arena.end(), map.ram.end());

    let refused = map.place(model, arena + 1).unwrap_err();
    assert_eq!(
        refused,
        MapError::NoRoom {
            model,
            arena: arena + 1,
            needed: 54 * MIB + 1,
            room: 54 * MIB
        }
    );
    assert!(refused.to_string().ends_with("1 bytes missing"));
}

#[test]
fn an_arena_region_of_its_own_is_used() {
    let regions = [
        region(Usage::Arena, 0, Some(16)),
        region(Usage::Model, 16, Some(16)),
    ];
    let map = map(&regions, 64);
    let layout = map.place(16 * MIB, 16 * MIB).unwrap();
    assert_eq!(layout.model, Span::new(START + 16 * MIB, 16 * MIB));
    assert_eq!(layout.arena, Span::new(START, 16 * MIB));
    assert!(matches!(
        map.place(16 * MIB, 16 * MIB + 1),
        Err(MapError::NoRoom { needed, room, .. }) if needed == 16 * MIB + 1 && room == 16 * MIB
    ));
    assert!(matches!(
        map.place(16 * MIB + 1, 1),
        Err(MapError::NoRoom { needed, room, .. }) if needed == 16 * MIB + PAGE && room == 16 * MIB
    ));
}

#[test]
fn too_little_ram_says_how_much_is_needed() {
    let regions = typical();
    let map = map(&regions, 8);
    assert_eq!(
        map.model_room(),
        Err(MapError::TooLittleRam {
            found: 8 * MIB,
            needed: 10 * MIB + PAGE
        })
    );
    assert_eq!(
        map.place(1, 1).unwrap_err().to_string(),
        "too little RAM: 8 MiB found, at least 11 MiB needed"
    );
}

#[test]
fn a_board_without_models_says_so() {
    let regions = [region(Usage::Firmware, 0, Some(1))];
    assert_eq!(
        map(&regions, 1).place(1, 1).unwrap_err().to_string(),
        "the board has no model region"
    );
}

#[test]
fn bad_maps_are_refused() {
    let overlapping = [
        region(Usage::Reserved, 0, Some(3)),
        region(Usage::Firmware, 2, Some(8)),
    ];
    assert_eq!(
        map(&overlapping, 64).check(),
        Err(MapError::Overlap {
            first: Usage::Reserved,
            second: Usage::Firmware,
            at: START + 2 * MIB
        })
    );
    let twice = [
        region(Usage::Firmware, 0, Some(1)),
        region(Usage::Firmware, 2, Some(1)),
    ];
    let usage = Usage::Firmware;
    assert_eq!(map(&twice, 64).check(), Err(MapError::Twice { usage }));
    let outside = [region(usage, 60, Some(8))];
    assert!(matches!(
        map(&outside, 64).check(),
        Err(MapError::OutsideRam { .. })
    ));
    let unaligned = [Region {
        usage,
        start: START + 1,
        size: Some(PAGE),
    }];
    assert_eq!(
        map(&unaligned, 64).check(),
        Err(MapError::Unaligned {
            usage,
            value: START + 1
        })
    );
    // Reserved ranges may be many.
    let reserved = [
        region(Usage::Reserved, 0, Some(1)),
        region(Usage::Reserved, 1, Some(1)),
    ];
    assert_eq!(map(&reserved, 64).check(), Ok(()));
}

proptest! {
    /// Whatever sizes are asked for, what is granted lies inside RAM, holds what was asked for and
    /// does not overlap; and what is refused really does not fit.
    #[test]
    fn place_is_sound(ram_mib in 0_u64..3000, model: u64, arena: u64, small: bool) {
        let (model, arena) = if small { (model % (1 << 31), arena % (1 << 31)) } else { (model, arena) };
        let regions = typical();
        let map = map(&regions, ram_mib);
        match map.place(model, arena) {
            Ok(layout) => {
                prop_assert!(layout.model.size >= model && layout.arena.size == arena);
                prop_assert!(map.ram.contains(layout.model) && map.ram.contains(layout.arena));
                prop_assert!(layout.model.end() <= layout.arena.start);
                prop_assert_eq!(layout.arena.start % PAGE, 0);
            }
            Err(MapError::NoRoom { room, .. }) => {
                prop_assert!(u128::from(model.div_ceil(PAGE)) * u128::from(PAGE) + u128::from(arena) > u128::from(room));
            }
            Err(MapError::TooLittleRam { found, needed }) => prop_assert!(found < needed),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
