//! Tests of the reader of `board.toml`.

use std::string::ToString;

use super::*;

const GOOD: &str = r#"
name = "example"
about = "a board for tests"
target = "aarch64-unknown-none"
[cores]
count = 2
stack = 0x4000
exception_stack = 0x1000
[session]
context = 64
batch = 8
max_tokens = 16
draft = 0
kv = "q8_0"
[ram]
start = 0x4000_0000
size = 0x100_0000
[[reserved]]
about = "device tree"
start = 0x4000_0000
size = 0x10_0000
[region.firmware]
start = 0x4010_0000
size = 0x10_0000
[region.stacks]
start = 0x4020_0000
size = 0xe000
[region.model]
start = 0x4030_0000
[device.fw-cfg]
base = 0x902_0000
size = 0x18
[device.uart]
base = 0x900_0000
size = 0x1000
interrupt = 1
"#;

#[test]
fn a_good_one() {
    let board = Board::parse(GOOD).unwrap();
    assert_eq!(board.name, "example");
    assert_eq!(board.session.unwrap().kv, KvCache::Q8_0);
    assert_eq!(
        board.memory().model_room(),
        Ok(Span::new(0x4030_0000, 0xd0_0000))
    );
    assert_eq!(
        board.device("uart"),
        Some(Device {
            registers: Span::new(0x900_0000, 0x1000),
            interrupt: Some(1)
        })
    );
    assert_eq!(
        board.reserved().collect::<Vec<_>>(),
        [("device tree", Span::new(0x4000_0000, 0x10_0000))]
    );
    assert!(
        board
            .linker_memory()
            .unwrap()
            .contains("image : ORIGIN = 0x40100000, LENGTH = 0x100000")
    );
}

#[test]
fn a_board_that_does_not_say_has_an_f16_cache() {
    let board = Board::parse(&GOOD.replace("kv = \"q8_0\"\n", "")).unwrap();
    assert_eq!(board.session.unwrap().kv, KvCache::F16);
}

#[test]
fn the_constants_hold_every_number() {
    let source = Board::parse(GOOD).unwrap().constants();
    for line in [
        "pub const NAME: &str = \"example\";",
        "ram: qlens_board::Span::new(0x40000000, 0x1000000),",
        "usage: qlens_board::Usage::Reserved, start: 0x40000000, size: Some(1048576) }",
        "usage: qlens_board::Usage::Model, start: 0x40300000, size: None }",
        "pub const CORES: usize = 0x2;",
        "pub const CONTEXT: usize = 0x40;",
        "pub const KV: &str = \"q8_0\";",
        "pub const FW_CFG: qlens_board::memory::Device",
        "interrupt: Some(1) };",
    ] {
        assert!(source.contains(line), "{line} is not in\n{source}");
    }
}

#[test]
fn bad_ones_say_what_is_wrong() {
    let bad = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        Board::parse(&GOOD.replace(from, to))
            .unwrap_err()
            .to_string()
    };
    for (from, to, says) in [
        ("name = \"example\"", "", "missing field `name`"),
        (
            "[region.stacks]",
            "[region.stack]",
            "unknown variant `stack`",
        ),
        ("interrupt = 1", "irq = 1", "unknown field `irq`"),
        (
            "size = 0xe000",
            "size = 0xd000",
            "53248 bytes, its cores need 57344",
        ),
        (
            "0x4010_0000",
            "0x4008_0000",
            "regions reserved and firmware overlap at 0x40080000",
        ),
        ("0x4030_0000", "0x5000_0000", "is not inside RAM"),
        ("stack = 0x4000", "stack = 0x4001", "cores.stack = 0x4001"),
        (
            "exception_stack = 0x1000",
            "",
            "cores.exception_stack = 0x0",
        ),
        (
            "[ram]\nstart = 0x4000_0000\nsize = 0x100_0000",
            "",
            "has to have one of them",
        ),
        ("kv = \"q8_0\"", "kv = \"q4_0\"", "unknown variant `q4_0`"),
        ("context = 64", "context = 0", "session.context = 0x0"),
    ] {
        let said = bad(from, to);
        assert!(said.contains(says), "{said:?} does not say {says:?}");
    }
}

const USERSPACE: &str = r#"
name = "example"
about = "a board for tests"
target = "aarch64-unknown-linux-musl"
[cores]
count = 4
[userspace]
ram = 0x8000_0000
budget = 0x6000_0000
"#;

#[test]
fn a_program_has_a_budget() {
    let board = Board::parse(USERSPACE).unwrap();
    let memory = board.memory();
    assert_eq!(board.ram_bytes(), 0x8000_0000);
    assert_eq!(memory.model_room(), Ok(Span::new(0, 0x6000_0000)));
    let (model, arena) = (0x4000_0001, 0x1fff_f000);
    assert_eq!(memory.place(model, arena).unwrap().arena.end(), 0x6000_0000);
    assert!(memory.place(model, arena + 1).is_err());
    assert_eq!(board.linker_memory(), None);
    assert_eq!(Board::parse(GOOD).unwrap().ram_bytes(), 0x100_0000);

    for (more, says) in [
        (
            "[ram]\nstart = 0\nsize = 0x1000",
            "either as [ram] or as [userspace]",
        ),
        ("[region.model]\nstart = 0", "has [userspace] and [region]"),
        (
            "[[reserved]]\nabout = \"\"\nstart = 0\nsize = 0x1000",
            "[[reserved]]",
        ),
        ("[device.uart]\nbase = 0\nsize = 0x1000", "[device]"),
    ] {
        let said = Board::parse(&format!("{USERSPACE}{more}"))
            .unwrap_err()
            .to_string();
        assert!(said.contains(says), "{said:?} does not say {says:?}");
    }
    for (from, to, says) in [
        (
            "0x6000_0000",
            "0x8000_1000",
            "userspace.budget = 0x80001000",
        ),
        (
            "0x6000_0000",
            "0",
            "region model at 0x0..0x0 is not inside RAM",
        ),
        ("0x6000_0000", "0x6000_0001", "0x60000001 is not a multiple"),
        ("budget", "left", "unknown field `left`"),
        ("count = 4", "count = 0", "cores.count = 0x0"),
        (
            "count = 4",
            "count = 4\nstack = 0x1000",
            "has [userspace] and cores.stack",
        ),
        (
            "[userspace]\nram = 0x8000_0000\nbudget = 0x6000_0000",
            "",
            "has to have one of them",
        ),
    ] {
        let text = USERSPACE.replace(from, to);
        assert_ne!(text, USERSPACE);
        let said = Board::parse(&text).unwrap_err().to_string();
        assert!(said.contains(says), "{said:?} does not say {says:?}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Board::read(Path::new("/nonexistent/board.toml")).unwrap_err();
    assert!(error.to_string().starts_with("cannot be read"));
}

#[test]
fn firmware_in_flash_has_one_stack_of_what_the_ram_leaves() {
    let text = r#"
        name = "hub"
        about = "a microcontroller"
        target = "thumbv8m.main-none-eabihf"
        [cores]
        count = 1
        [flash]
        start = 0x1000_0000
        size = 0x1_8000
        [ram]
        start = 0x3800_0000
        size = 0x1_0000
        [device.link]
        base = 0x5020_1000
        size = 0x1000
        interrupt = 34
    "#;
    let board = Board::parse(text).unwrap();
    let script = board.linker_memory().unwrap();
    assert!(script.contains("FLASH : ORIGIN = 0x10000000, LENGTH = 0x18000"));
    assert!(script.contains("RAM : ORIGIN = 0x38000000, LENGTH = 0x10000"));
    let program = text.replace(
        "[ram]\n        start = 0x3800_0000\n        size = 0x1_0000",
        "[userspace]\nram = 9\nbudget = 9",
    );
    let refused = Board::parse(&program).unwrap_err().to_string();
    assert!(refused.contains("[flash]"), "{refused}");
}
