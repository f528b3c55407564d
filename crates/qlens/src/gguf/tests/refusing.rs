//! Each kind of damage is named, with its place.

use std::format;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::super::writer::{Writer, array, number, string};
use super::super::*;
use super::*;

/// Where a file's two counts are.
const TENSOR_COUNT_AT: usize = 8;
const METADATA_COUNT_AT: usize = 16;

/// The end of the file's last tensor; what follows is padding.
fn data_end(file: &[u8]) -> usize {
    let gguf = Gguf::parse(file).unwrap();
    gguf.tensors()
        .map(|t| t.offset as usize + t.data.map_or(0, <[u8]>::len))
        .max()
        .unwrap()
}

#[test]
fn reads_version_2_and_names_the_others() {
    let with = |version| Writer::new().version(version).finish();
    assert_eq!(Gguf::parse(&with(2)).unwrap().version(), 2);
    for version in [0, 1, 4, u32::MAX] {
        assert_eq!(error(&with(version)), Error::Version { found: version });
    }
    for version in 1_u32..=3 {
        assert_eq!(error(&with(version.swap_bytes())), Error::BigEndian);
    }
}

#[test]
fn names_what_is_not_gguf() {
    assert_eq!(
        error(b"PK\x03\x04...."),
        Error::NotGguf {
            found: *b"PK\x03\x04"
        }
    );
    assert_eq!(error(b"GG?"), Error::NotGguf { found: *b"GG?\0" });
    for len in 0..4 {
        assert_eq!(
            error(&b"GGUF"[..len]),
            Error::Truncated {
                what: "the magic number",
                at: 0,
                needed: 4,
                left: len
            }
        );
    }
}

#[test]
fn refuses_truncation_at_every_byte() {
    let file = sample();
    let end = data_end(&file);
    assert!(end < file.len(), "the sample should end in padding");
    for len in 0..end {
        let found = error(&file[..len]);
        assert!(
            matches!(
                found,
                Error::Truncated { .. } | Error::TooMany { .. } | Error::TensorOutside { .. }
            ),
            "cut to {len} bytes: {found}"
        );
    }
    for len in end..=file.len() {
        assert!(Gguf::parse(&file[..len]).is_ok(), "padding cut to {len}");
    }
}

#[test]
fn says_where_the_file_is_cut() {
    let file = sample();
    let gguf = Gguf::parse(&file).unwrap();
    let last = gguf.tensor("output_norm.weight").unwrap();
    let cut = data_end(&file) - 1;
    assert_eq!(
        error(&file[..cut]),
        Error::TensorOutside {
            tensor: 1,
            start: last.offset,
            bytes: 12,
            file: cut
        }
    );
    // Eight bytes into the first key's length and text.
    assert_eq!(
        error(&file[..32 + 3]),
        Error::TooMany {
            what: "metadata keys",
            at: METADATA_COUNT_AT,
            found: 7,
            most: 0
        }
    );
    assert_eq!(
        error(&file[..20]),
        Error::Truncated {
            what: "the number of metadata keys",
            at: METADATA_COUNT_AT,
            needed: 8,
            left: 4
        }
    );
}

#[test]
fn bounds_the_counts_by_the_bytes_that_remain() {
    let file = sample();
    for (at, what) in [
        (TENSOR_COUNT_AT, "tensors"),
        (METADATA_COUNT_AT, "metadata keys"),
    ] {
        for count in [u64::MAX, 1 << 63, 1 << 32, 1 << 20] {
            let mut file = file.clone();
            file[at..at + 8].copy_from_slice(&count.to_le_bytes());
            let Error::TooMany {
                what: named,
                at: place,
                found,
                most,
            } = error(&file)
            else {
                panic!("{what} {count}: {}", error(&file));
            };
            assert_eq!((named, place, found), (what, at, count));
            assert!(most < file.len() as u64 / 8);
        }
    }
    // A length whose product with the element size wraps to a small one.
    let wraps = |size: u64| (u64::MAX / size).saturating_add(2);
    // One array element more than there are bytes for.
    for (element_type, size) in [(0, 1), (5, 4), (12, 8), (8, 8)] {
        let elements = array(element_type, 3, &vec![0; 3 * size - 1]);
        let file = Writer::new().raw(b"k", number::ARRAY, &elements).finish();
        // Cut off the padding, so that nothing follows the array.
        let end = 24 + 9 + 4 + elements.len();
        assert!(
            matches!(
                error(&file[..end]),
                Error::TooMany {
                    found: 3,
                    most: 2,
                    ..
                }
            ),
            "{}",
            error(&file[..end])
        );
        let huge = array(element_type, wraps(size as u64), &[0; 64]);
        let file = Writer::new().raw(b"k", number::ARRAY, &huge).finish();
        assert!(matches!(error(&file), Error::TooMany { .. }));
    }
}

#[test]
fn caps_keys_and_tensors() {
    let keys = |count: usize| {
        (0..count)
            .fold(Writer::new(), |w, i| w.u32(&format!("key.{i}"), i as u32))
            .finish()
    };
    let file = keys(MAX_METADATA);
    let gguf = Gguf::parse(&file).unwrap();
    assert_eq!(gguf.get("key.511").unwrap().as_u64(), Some(511));
    assert!(matches!(
        error(&keys(MAX_METADATA + 1)),
        Error::TooMany {
            what: "metadata keys",
            found: 513,
            most: 512,
            ..
        }
    ));

    let tensors = |count: usize| {
        (0..count)
            .fold(Writer::new(), |w, i| {
                w.raw_tensor(format!("blk.{i}.weight").as_bytes(), &[1], F32, 0)
            })
            .tensor("last", &[1], F32, &[0; 4])
            .finish()
    };
    let file = tensors(MAX_TENSORS - 1);
    let gguf = Gguf::parse(&file).unwrap();
    assert_eq!(gguf.tensor("last").unwrap().index, MAX_TENSORS - 1);
    assert!(matches!(
        error(&tensors(MAX_TENSORS)),
        Error::TooMany {
            what: "tensors",
            found: 16_385,
            most: 16_384,
            ..
        }
    ));
}

#[test]
fn caps_string_lengths() {
    let cases = [
        (Writer::new().raw(&vec![b'k'; 65_535], 0, &[0]), None),
        (Writer::new().raw(&vec![b'k'; 65_536], 0, &[0]), Some(KEY)),
        (Writer::new().raw_tensor(&[b'n'; 64], &[1], 99, 0), None),
        (
            Writer::new().raw_tensor(&[b'n'; 65], &[1], 99, 0),
            Some(tensor::NAME),
        ),
        (
            Writer::new().raw(b"k", number::STR, &string(&vec![b'v'; 1 << 20])),
            None,
        ),
        (
            Writer::new().raw(b"k", number::STR, &string(&vec![b'v'; (1 << 20) + 1])),
            Some("a text value"),
        ),
        (
            Writer::new().strs("k", &[vec![b'v'; (1 << 20) + 1]]),
            Some("a string of an array"),
        ),
        (
            Writer::new().raw(b"k", number::STR, &u64::MAX.to_le_bytes()),
            Some("a text value"),
        ),
    ];
    for (writer, refused) in cases {
        match (Gguf::parse(&writer.finish()).err(), refused) {
            (None, None) => {}
            (Some(Error::TooLong { what, .. }), Some(expected)) => assert_eq!(what, expected),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn refuses_types_that_are_none() {
    let value_at = 24 + 9;
    for found in [13, 255, u32::MAX] {
        assert_eq!(
            error(&Writer::new().raw(b"k", found, &[0; 64]).finish()),
            Error::ValueType {
                at: value_at,
                found
            }
        );
        let elements = array(found, 1, &[0; 64]);
        assert_eq!(
            error(&Writer::new().raw(b"k", number::ARRAY, &elements).finish()),
            Error::ValueType {
                at: value_at + 4,
                found
            }
        );
    }
    let inner = array(number::U32, 1, &[0; 4]);
    let nested = array(number::ARRAY, 1, &inner);
    assert_eq!(
        error(&Writer::new().raw(b"k", number::ARRAY, &nested).finish()),
        Error::NestedArray { at: value_at + 4 }
    );
}

#[test]
fn booleans_are_0_or_1() {
    assert_eq!(
        error(&Writer::new().raw(b"k", number::BOOL, &[2]).finish()),
        Error::Bool {
            at: 24 + 9 + 4,
            found: 2
        }
    );
    let elements = array(number::BOOL, 3, &[1, 0, 2]);
    assert_eq!(
        error(&Writer::new().raw(b"k", number::ARRAY, &elements).finish()),
        Error::Bool {
            at: 24 + 9 + 4 + 12 + 2,
            found: 2
        }
    );
}

#[test]
fn refuses_a_key_or_a_name_that_occurs_twice() {
    let file = Writer::new()
        .u32("k", 1)
        .u32("other", 1)
        .u32("k", 1)
        .finish();
    assert_eq!(
        error(&file),
        Error::Duplicate {
            what: KEY,
            at: 24 + 17 + 21,
            first: 24
        }
    );
    // Many names, so that they are checked in several passes; each pair in turn is the same.
    let count = 2_000;
    for twin in [0, 1, 500, 1_500, count - 2] {
        let file = (0..count)
            .map(|i| if i == count - 1 { twin } else { i })
            .fold(Writer::new(), |w, i| {
                w.raw_tensor(format!("blk.{i:04}").as_bytes(), &[1], 99, 0)
            })
            .finish();
        let entry = 8 + 8 + 4 + 8 + 4 + 8;
        assert_eq!(
            error(&file),
            Error::Duplicate {
                what: tensor::NAME,
                at: 24 + (count - 1) * entry,
                first: 24 + twin * entry
            }
        );
    }
}

#[test]
fn refuses_names_made_to_collide() {
    let alike: Vec<_> = (0..)
        .map(|i| format!("{i}"))
        .filter(|name| names::slot(name.as_bytes()) == 5)
        .take(200)
        .collect();
    let file = alike
        .iter()
        .fold(Writer::new(), |w, name| w.u32(name, 0))
        .finish();
    assert!(matches!(error(&file), Error::Colliding { what: KEY, .. }));
    let few = alike[..100]
        .iter()
        .fold(Writer::new(), |w, name| w.u32(name, 0));
    assert!(Gguf::parse(&few.finish()).is_ok());
}

#[test]
fn checks_shapes() {
    let with = |dims: &[u64], ggml_type| {
        let file = Writer::new().raw_tensor(b"t", dims, ggml_type, 0).finish();
        Gguf::parse(&file).err()
    };
    let five = Error::Dimensions {
        tensor: 0,
        found: 5,
    };
    assert_eq!(with(&[1; 5], F32), Some(five));

    let impossible = |dims| Some(Error::Shape { tensor: 0, dims });
    assert_eq!(with(&[0], F32), impossible([0, 1, 1, 1]));
    assert_eq!(with(&[4, 0], F32), impossible([4, 0, 1, 1]));
    let wraps = [1 << 32, 1 << 32, 1, 1];
    assert_eq!(with(&wraps, F32), impossible(wraps));
    let wraps_to_one = [u64::MAX, u64::MAX, 1, 1];
    assert_eq!(with(&wraps_to_one, 99), impossible(wraps_to_one));
    let bytes_wrap = [1 << 62, 1, 1, 1];
    assert_eq!(with(&bytes_wrap, F32), impossible(bytes_wrap));
    let beyond_i64 = [1 << 63, 1, 1, 1];
    assert_eq!(with(&beyond_i64, 99), impossible(beyond_i64));
    // Zero hides no overflow.
    let hidden = [1 << 40, 1 << 40, 0, 1];
    assert_eq!(with(&hidden, F32), impossible(hidden));

    assert_eq!(
        with(&[33, 32], Q8_0),
        Some(Error::RowLength {
            tensor: 0,
            found: 33,
            block_len: 32
        })
    );
    assert_eq!(
        with(&[128, 2], Q4_K),
        Some(Error::RowLength {
            tensor: 0,
            found: 128,
            block_len: 256
        })
    );
    // A scalar has no dimensions and one element.
    let file = Writer::new().tensor("t", &[], F32, &[0; 4]).finish();
    let scalar = Gguf::parse(&file).unwrap().tensor("t").unwrap();
    assert_eq!((scalar.n_dims, scalar.n_elements()), (0, 1));
}

#[test]
fn checks_places() {
    let at = |offset| {
        let writer = Writer::new().tensor("a", &[2], F32, &[0; 8]);
        Gguf::parse(&writer.raw_tensor(b"b", &[2], F32, offset).finish()).err()
    };
    assert_eq!(at(0), None, "sharing data is harmless");
    let misaligned = |offset| {
        Some(Error::TensorAlignment {
            tensor: 1,
            offset,
            alignment: 32,
        })
    };
    assert_eq!(at(4), misaligned(4));
    assert_eq!(at(u64::MAX), misaligned(u64::MAX));
    assert!(matches!(
        at(32),
        Some(Error::TensorOutside {
            tensor: 1,
            bytes: 8,
            ..
        })
    ));
    let last = u64::MAX - 31;
    assert!(matches!(
        at(last),
        Some(Error::TensorOutside {
            tensor: 1,
            start: u64::MAX,
            ..
        })
    ));
    assert!(matches!(at(1 << 63), Some(Error::TensorOutside { .. })));
}

#[test]
fn errors_say_what_to_look_at() {
    let said = |error: Error| error.to_string();
    assert_eq!(
        said(Error::NotGguf {
            found: *b"PK\x03\x04"
        }),
        "not a GGUF file: it begins with the bytes 50 4b 03 04, not with \"GGUF\""
    );
    assert_eq!(
        said(Error::Version { found: 1 }),
        "GGUF version 1 is not supported, only 2 and 3 are: convert the model again"
    );
    assert_eq!(
        said(Error::TensorOutside {
            tensor: 3,
            start: 64,
            bytes: 100,
            file: 99
        }),
        "the file is cut off: tensor 3 begins at byte 64 and takes 100 bytes, and the file has 99"
    );
}
