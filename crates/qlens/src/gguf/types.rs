//! The ggml tensor types: the numbers that a GGUF file names its block formats by.
//!
//! The table holds every number that ggml ever gave out, not only what this runtime computes with:
//! the reader must know how many bytes a tensor takes before it can say whether it lies inside the
//! file, and an error about an unsupported format should name it. The figures are those of
//! `ggml.h` and `ggml-common.h`.
//!
//! Types of this project's own are ggml's plus [`INTERLEAVED`]: far outside of ggml's range, so that no other
//! reader takes interleaved rows for plain ones.

/// Added to a type's number if its rows are interleaved: `ql` in the upper half.
pub const INTERLEAVED: u32 = 0x716C_0000;
/// The types that can be, with the names of their interleaved kin.
const INTERLEAVED_NAMES: [(u32, &str); 12] = [
    (2, "Q4_0x8"),
    (3, "Q4_1x8"),
    (6, "Q5_0x8"),
    (7, "Q5_1x8"),
    (8, "Q8_0x8"),
    (10, "Q2_Kx8"),
    (11, "Q3_Kx8"),
    (12, "Q4_Kx8"),
    (13, "Q5_Kx8"),
    (14, "Q6_Kx8"),
    (20, "IQ4_NLx8"),
    (23, "IQ4_XSx8"),
];

/// The ggml type whose interleaved kin this is.
pub fn interleaved(ggml_type: u32) -> Option<u32> {
    let plain = ggml_type.checked_sub(INTERLEAVED)?;
    INTERLEAVED_NAMES
        .iter()
        .any(|(number, _)| *number == plain)
        .then_some(plain)
}

/// How a ggml tensor type lays out its elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TypeInfo {
    /// The name that ggml and its tools print, e.g. `Q4_K`.
    pub name: &'static str,
    /// Elements in one block; a row is a whole number of blocks.
    pub block_len: u32,
    /// Bytes of one block.
    pub block_bytes: u32,
}

/// A number in the table: in use with its block, or retired with its name alone.
#[derive(Clone, Copy)]
enum Entry {
    Used(TypeInfo),
    /// Files of these types exist, and no reader of today takes them.
    Retired(&'static str),
}

const fn used(name: &'static str, block_len: u32, block_bytes: u32) -> Entry {
    Entry::Used(TypeInfo {
        name,
        block_len,
        block_bytes,
    })
}

/// Indexed by the type's number.
static TYPES: [Entry; 43] = [
    used("F32", 1, 4),
    used("F16", 1, 2),
    used("Q4_0", 32, 18),
    used("Q4_1", 32, 20),
    Entry::Retired("Q4_2"),
    Entry::Retired("Q4_3"),
    used("Q5_0", 32, 22),
    used("Q5_1", 32, 24),
    used("Q8_0", 32, 34),
    used("Q8_1", 32, 36),
    used("Q2_K", 256, 84),
    used("Q3_K", 256, 110),
    used("Q4_K", 256, 144),
    used("Q5_K", 256, 176),
    used("Q6_K", 256, 210),
    used("Q8_K", 256, 292),
    used("IQ2_XXS", 256, 66),
    used("IQ2_XS", 256, 74),
    used("IQ3_XXS", 256, 98),
    used("IQ1_S", 256, 50),
    used("IQ4_NL", 32, 18),
    used("IQ3_S", 256, 110),
    used("IQ2_S", 256, 82),
    used("IQ4_XS", 256, 136),
    used("I8", 1, 1),
    used("I16", 1, 2),
    used("I32", 1, 4),
    used("I64", 1, 8),
    used("F64", 1, 8),
    used("IQ1_M", 256, 56),
    used("BF16", 1, 2),
    Entry::Retired("Q4_0_4_4"),
    Entry::Retired("Q4_0_4_8"),
    Entry::Retired("Q4_0_8_8"),
    used("TQ1_0", 256, 54),
    used("TQ2_0", 256, 66),
    Entry::Retired("IQ4_NL_4_4"),
    Entry::Retired("IQ4_NL_4_8"),
    Entry::Retired("IQ4_NL_8_8"),
    used("MXFP4", 32, 17),
    used("NVFP4", 64, 36),
    used("Q1_0", 128, 18),
    used("Q2_0", 64, 18),
];

fn entry(ggml_type: u32) -> Option<Entry> {
    TYPES.get(usize::try_from(ggml_type).ok()?).copied()
}

/// The block of a ggml type; `None` for a number that ggml does not use, or no longer uses.
pub fn type_info(ggml_type: u32) -> Option<TypeInfo> {
    match entry(interleaved(ggml_type).unwrap_or(ggml_type))? {
        Entry::Used(info) => Some(info),
        Entry::Retired(_) => None,
    }
}

/// The name of a ggml type, retired ones included; `"unknown"` for a number ggml never gave out.
pub fn type_name(ggml_type: u32) -> &'static str {
    if let Some(plain) = interleaved(ggml_type) {
        let kin = INTERLEAVED_NAMES
            .iter()
            .find(|(number, _)| *number == plain);
        return kin.map_or("unknown", |(_, name)| name);
    }
    match entry(ggml_type) {
        Some(Entry::Used(info)) => info.name,
        Some(Entry::Retired(name)) => name,
        None => "unknown",
    }
}
