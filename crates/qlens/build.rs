//! Generates the tokenizer's Unicode tables, so that their data come from the Unicode crates while
//! the runtime links neither them nor the allocator that they need.
//!
//! The tables must say what the reference tokenizer's say, or new characters get other token ids
//! than the models were trained with: general categories are those of Unicode 16 (its regular
//! expressions), normalization is that of Unicode 9 (its normalizer). Hence the exact versions of
//! the two crates in the workspace's manifest, asserted here.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use unicode_normalization::char::{canonical_combining_class, compose, decompose_canonical};
use unicode_normalization::{IsNormalized, is_nfc_quick};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    assert_eq!(unicode_properties::UNICODE_VERSION.0, 16);
    assert_eq!(unicode_normalization::UNICODE_VERSION.0, 9);

    let mut source = String::new();
    classes(&mut source);
    let combining_classes = every_char(canonical_combining_class);
    two_level::<32>(&mut source, "COMBINING_CLASS", &combining_classes, |page| {
        page.to_vec()
    });
    decompositions(&mut source);
    compositions(&mut source);

    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("unicode_tables.rs"), source).expect("OUT_DIR is writable");
}

/// A value for every code point; 0 for surrogates.
fn every_char(value: impl Fn(char) -> u8) -> Vec<u8> {
    (0..=u32::from(char::MAX))
        .map(|code| char::from_u32(code).map_or(0, &value))
        .collect()
}

/// Writes the bits that `tokenizer::unicode::Class` reads. Few combinations of them occur, so that
/// the table has half a byte a character: its place in `CLASSES`.
fn classes(source: &mut String) {
    let classes = every_char(class);
    let kinds: BTreeSet<u8> = classes.iter().copied().collect();
    let mut kinds: Vec<u8> = kinds.into_iter().collect();
    let numbers: Vec<u8> = classes
        .iter()
        .map(|class| kinds.binary_search(class).expect("it is one of them") as u8)
        .collect();
    assert!(kinds.len() <= 16);
    kinds.resize(16, 0);
    write_array(source, "CLASSES", "u8", &kinds);
    two_level::<128>(source, "CLASS", &numbers, |page| {
        let pairs = page.as_chunks::<2>().0;
        pairs.iter().map(|[even, odd]| even | odd << 4).collect()
    });
}

/// The class of a character that is of no kind of interest is 0.
fn class(c: char) -> u8 {
    let group = c.general_category_group();
    let inert = canonical_combining_class(c) == 0
        && matches!(is_nfc_quick(std::iter::once(c)), IsNormalized::Yes);
    u8::from(group == GeneralCategoryGroup::Letter)
        | u8::from(group == GeneralCategoryGroup::Number) << 1
        | u8::from(c.is_whitespace()) << 2
        | u8::from(!inert) << 3
        | u8::from(decomposition(c).is_some()) << 4
        | u8::from(group == GeneralCategoryGroup::Mark) << 5
}

/// The full canonical decomposition of a character that has one and is not a Hangul syllable
/// (those are computed).
fn decomposition(c: char) -> Option<String> {
    if ('\u{ac00}'..='\u{d7a3}').contains(&c) {
        return None;
    }
    let mut parts = String::new();
    decompose_canonical(c, |part| parts.push(part));
    (parts.chars().ne([c])).then_some(parts)
}

/// Writes a table in two levels: `NAME_PAGES` has the number of the page that each `PAGE` characters
/// share with all those of equal values, `NAME_VALUES` the pages as `pack` stores them. What is
/// behind the last value other than 0 is left out.
fn two_level<const PAGE: usize>(
    source: &mut String,
    name: &str,
    values: &[u8],
    pack: impl Fn(&[u8; PAGE]) -> Vec<u8>,
) {
    let mut numbers = HashMap::new();
    let mut stored = Vec::new();
    let mut pages: Vec<u8> = Vec::new();
    let mut used = 0;
    for page in values.as_chunks().0 {
        let next = numbers.len();
        let number = *numbers.entry(page).or_insert_with(|| {
            stored.extend(pack(page));
            next
        });
        pages.push(number.try_into().expect("at most 256 different pages"));
        if *page != [0; PAGE] {
            used = pages.len();
        }
    }
    pages.truncate(used);
    writeln!(source, "pub(super) const {name}_PAGE: usize = {PAGE};").unwrap();
    write_array(source, &format!("{name}_PAGES"), "u8", &pages);
    write_array(source, &format!("{name}_VALUES"), "u8", &stored);
}

/// Writes the decompositions: the characters ascending, where each one's parts begin in one string,
/// and the string.
fn decompositions(source: &mut String) {
    let mut chars = Vec::new();
    let mut starts = vec![0];
    let mut parts = String::new();
    for c in '\0'..=char::MAX {
        if let Some(found) = decomposition(c) {
            chars.push(u32::from(c));
            parts.push_str(&found);
            starts.push(u16::try_from(parts.len()).expect("under 64 KB of parts"));
        }
    }
    write_array(source, "DECOMPOSED", "u32", &chars);
    write_array(source, "DECOMPOSED_STARTS", "u16", &starts);
    writeln!(
        source,
        "pub(super) static DECOMPOSED_PARTS: &str = {parts:?};"
    )
    .unwrap();
}

/// Writes the primary composites with the pairs that they are composed of, ascending.
fn compositions(source: &mut String) {
    let mut pairs = Vec::new();
    for composite in '\0'..=char::MAX {
        let Some(parts) = decomposition(composite) else {
            continue;
        };
        // The full decomposition's last part is the second of the pair; the first of it is what the
        // other parts compose to.
        let mut rest: Vec<char> = parts.chars().collect();
        let second = rest.pop().expect("a decomposition has parts");
        let first = rest
            .into_iter()
            .reduce(|first, part| compose(first, part).unwrap_or('\0'));
        if let Some(first) = first
            && compose(first, second) == Some(composite)
        {
            pairs.push((u32::from(first), u32::from(second), u32::from(composite)));
        }
    }
    pairs.sort_unstable();
    // Every composite that the library knows for these characters is in the table.
    let firsts: BTreeSet<u32> = pairs.iter().map(|pair| pair.0).collect();
    let seconds: BTreeSet<u32> = pairs.iter().map(|pair| pair.1).collect();
    let known = firsts
        .iter()
        .flat_map(|&first| seconds.iter().map(move |&second| (first, second)))
        .filter_map(|(first, second)| compose(char::from_u32(first)?, char::from_u32(second)?))
        .count();
    assert_eq!(known, pairs.len());

    let columns: [Vec<u32>; 3] = [
        pairs.iter().map(|pair| pair.0).collect(),
        pairs.iter().map(|pair| pair.1).collect(),
        pairs.iter().map(|pair| pair.2).collect(),
    ];
    write_array(source, "COMPOSED_FIRST", "u32", &columns[0]);
    write_array(source, "COMPOSED_SECOND", "u32", &columns[1]);
    write_array(source, "COMPOSED", "u32", &columns[2]);
}

fn write_array<T: std::fmt::Display>(source: &mut String, name: &str, ty: &str, values: &[T]) {
    write!(
        source,
        "pub(super) static {name}: [{ty}; {}] = [",
        values.len()
    )
    .unwrap();
    for value in values {
        write!(source, "{value},").unwrap();
    }
    source.push_str("];\n");
}
