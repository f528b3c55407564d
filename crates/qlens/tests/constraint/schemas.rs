//! Made-up schemas: their text, documents that satisfy them, and whether a document does.

use std::fmt::Write as _;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::Random;

/// A schema.
#[derive(Debug, Clone)]
pub enum Schema {
    /// `enum` of these texts of JSON.
    Scalars(Vec<String>),
    Boolean,
    String {
        min: usize,
        max: usize,
    },
    Integer {
        min: i64,
        max: i64,
    },
    Number,
    Array {
        items: Box<Schema>,
        min: usize,
        max: usize,
    },
    /// Key, schema, whether it is required.
    Object(Vec<(String, Schema, bool)>),
    Any(Vec<Schema>),
}

/// JSON with its keys in order, each as often as it occurs.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Boolean(bool),
    /// As it was written.
    Number(serde_json::Number),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Json;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }
            fn visit_bool<E>(self, it: bool) -> Result<Json, E> {
                Ok(Json::Boolean(it))
            }
            fn visit_u64<E>(self, it: u64) -> Result<Json, E> {
                Ok(Json::Number(it.into()))
            }
            fn visit_i64<E>(self, it: i64) -> Result<Json, E> {
                Ok(Json::Number(it.into()))
            }
            fn visit_f64<E>(self, it: f64) -> Result<Json, E> {
                Ok(Json::Number(serde_json::Number::from_f64(it).unwrap()))
            }
            fn visit_str<E>(self, it: &str) -> Result<Json, E> {
                Ok(Json::String(it.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut all = Vec::new();
                while let Some(element) = seq.next_element()? {
                    all.push(element);
                }
                Ok(Json::Array(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(Json::Object(all))
            }
        }
        from.deserialize_any(Any)
    }
}

pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// Characters of every length and every way to be escaped.
const CHARS: [char; 20] = [
    'a',
    'b',
    'z',
    '0',
    ' ',
    '"',
    '\\',
    '/',
    '\n',
    '\t',
    '\u{8}',
    '\u{1f}',
    '\u{7f}',
    'é',
    'ß',
    '你',
    '\u{ffff}',
    '\u{e000}',
    '😀',
    '\u{10ffff}',
];

fn text(random: &mut Random, chars: usize) -> String {
    (0..chars).map(|_| random.one(&CHARS)).collect()
}

impl Schema {
    /// One that nests at most `depth` deep.
    pub fn random(random: &mut Random, depth: usize) -> Self {
        match random.below(if depth == 0 { 5 } else { 8 }) {
            0 => {
                let count = 1 + random.below(6);
                let scalar = |random: &mut Random| match random.below(4) {
                    0 => random.one(&["1", "12", "1.5", "-0.0", "1e5", "120"]).into(),
                    1 => random.one(&["true", "false", "null"]).into(),
                    _ => {
                        let chars = random.below(4);
                        quoted(&text(random, chars))
                    }
                };
                Self::Scalars((0..count).map(|_| scalar(random)).collect())
            }
            1 => Self::Boolean,
            2 => {
                let min = random.below(4);
                let max = min + random.below(5);
                Self::String {
                    min,
                    max: random.one(&[max, usize::MAX]),
                }
            }
            3 => {
                let bounds = [
                    -1000,
                    -120,
                    -11,
                    -1,
                    0,
                    1,
                    7,
                    10,
                    99,
                    100,
                    1234,
                    999_999_999_999_999,
                ];
                let (a, b) = (random.one(&bounds), random.one(&bounds));
                Self::Integer {
                    min: a.min(b),
                    max: a.max(b),
                }
            }
            4 => Self::Number,
            5 => {
                let min = random.below(3);
                let max = min + random.below(3);
                Self::Array {
                    items: Box::new(Self::random(random, depth - 1)),
                    min,
                    max: random.one(&[max, usize::MAX]),
                }
            }
            6 => {
                let mut properties: Vec<(String, Self, bool)> = Vec::new();
                for _ in 0..random.below(6) {
                    let mut key = String::from(random.one(&["", "a", "ab", "abc", "n", "na"]));
                    let chars = random.below(2);
                    key += &text(random, chars);
                    if properties.iter().all(|(known, ..)| *known != key) {
                        properties.push((key, Self::random(random, depth - 1), random.one_in(2)));
                    }
                }
                Self::Object(properties)
            }
            _ => {
                // Such as differ in their first characters.
                let all = [
                    Self::Scalars(vec!["null".into(), "true".into()]),
                    Self::String { min: 0, max: 3 },
                    Self::Number,
                    Self::Array {
                        items: Box::new(Self::random(random, depth - 1)),
                        min: 0,
                        max: 2,
                    },
                    Self::Object(vec![("a".into(), Self::random(random, depth - 1), true)]),
                ];
                let keep = random.next();
                let some = |(index, _): &(usize, Self)| keep >> index & 1 == 1;
                let mut some: Vec<_> = all.into_iter().enumerate().filter(some).collect();
                if some.is_empty() {
                    return Self::Boolean;
                }
                let first = random.below(some.len());
                some.rotate_left(first);
                Self::Any(some.into_iter().map(|(_, schema)| schema).collect())
            }
        }
    }

    /// As JSON, with spaces and keywords anyhow.
    pub fn text(&self, random: &mut Random) -> String {
        let mut members: Vec<String> = match self {
            Self::Scalars(all) if all.len() == 1 && random.one_in(2) => {
                vec![format!("\"const\":{}", all[0])]
            }
            Self::Scalars(all) => vec![format!("\"enum\":[{}]", all.join(" , "))],
            Self::Boolean => vec!["\"type\":\"boolean\"".into()],
            Self::String { min, max } => {
                let mut members = vec!["\"type\":\"string\"".into()];
                if *min > 0 {
                    members.push(format!("\"minLength\":{min}"));
                }
                if *max < usize::MAX {
                    members.push(format!("\"maxLength\" : {max}"));
                }
                members
            }
            Self::Integer { min, max } => {
                let (exclusive, more) = random.one(&[("minimum", 0), ("exclusiveMinimum", 1)]);
                vec![
                    "\"type\":[\"integer\"]".into(),
                    format!("\"{exclusive}\":{}", min - more),
                    format!("\"maximum\":{max}"),
                ]
            }
            Self::Number => vec!["\"type\":\"number\"".into()],
            Self::Array { items, min, max } => {
                let mut members = vec![
                    "\"type\":\"array\"".into(),
                    format!("\"items\":{}", items.text(random)),
                    format!("\"minItems\":{min}"),
                ];
                if *max < usize::MAX {
                    members.push(format!("\"maxItems\":{max}"));
                }
                members
            }
            Self::Object(properties) => {
                let mut of = Vec::new();
                let mut required = Vec::new();
                for (key, schema, is_required) in properties {
                    of.push(format!("{}:\n{}", quoted(key), schema.text(random)));
                    if *is_required {
                        required.push(quoted(key));
                    }
                }
                vec![
                    "\"type\": \"object\"".into(),
                    format!("\"properties\":{{{}}}", of.join(",")),
                    format!("\"required\":[{}]", required.join(",")),
                    "\"additionalProperties\":false".into(),
                ]
            }
            Self::Any(all) => {
                let all: Vec<_> = all.iter().map(|schema| schema.text(random)).collect();
                let keyword = random.one(&["anyOf", "oneOf"]);
                vec![format!("\"{keyword}\":[{}]", all.join(","))]
            }
        };
        members.push("\"description\":\"{\\\"]\"".into());
        let first = random.below(members.len());
        members.rotate_left(first);
        format!("{{ {}}}", members.join(" ,"))
    }

    /// A document that satisfies it, with a space behind a comma or a colon here and there.
    pub fn document(&self, random: &mut Random, out: &mut String) {
        let space = |random: &mut Random, out: &mut String| {
            if random.one_in(3) {
                out.push(' ');
            }
        };
        match self {
            Self::Scalars(all) => {
                let index = random.below(all.len());
                *out += &all[index];
            }
            Self::Boolean => *out += random.one(&["true", "false"]),
            Self::String { min, max } => {
                let chars = min + random.below((max - min).min(8) + 1);
                *out += &quoted(&text(random, chars));
            }
            Self::Integer { min, max } => {
                let some = i128::from(random.next()) % (i128::from(*max) - i128::from(*min) + 1);
                let some = random.one(&[0, some, i128::from(*max) - i128::from(*min)]);
                write!(out, "{}", i128::from(*min) + some).unwrap();
            }
            Self::Number => {
                let whole = random.next() % random.one(&[1, 10, 1_000_000_000_000_000]);
                *out += random.one(&["", "-"]);
                write!(out, "{whole}").unwrap();
                if random.one_in(2) {
                    let fraction = random.next() % random.one(&[1, 10, 1_000_000_000_000_000]);
                    write!(out, ".{fraction}").unwrap();
                }
            }
            Self::Array { items, min, max } => {
                out.push('[');
                for index in 0..min + random.below((max - min).min(3) + 1) {
                    if index > 0 {
                        out.push(',');
                        space(random, out);
                    }
                    items.document(random, out);
                }
                out.push(']');
            }
            Self::Object(properties) => {
                out.push('{');
                let mut is_first = true;
                for (key, schema, is_required) in properties {
                    if !is_required && random.one_in(2) {
                        continue;
                    }
                    if !is_first {
                        out.push(',');
                        space(random, out);
                    }
                    is_first = false;
                    *out += &quoted(key);
                    out.push(':');
                    space(random, out);
                    schema.document(random, out);
                }
                out.push('}');
            }
            Self::Any(all) => all[random.below(all.len())].document(random, out),
        }
    }

    /// Whether a document satisfies it.
    pub fn is_satisfied(&self, by: &Json) -> bool {
        match (self, by) {
            (Self::Scalars(all), _) => all
                .iter()
                .any(|text| serde_json::from_str::<Json>(text).unwrap() == *by),
            (Self::Boolean, Json::Boolean(_)) | (Self::Number, Json::Number(_)) => true,
            (Self::String { min, max }, Json::String(text)) => {
                (*min..=*max).contains(&text.chars().count())
            }
            (Self::Integer { min, max }, Json::Number(number)) => number
                .as_i64()
                .is_some_and(|integer| (*min..=*max).contains(&integer)),
            (Self::Array { items, min, max }, Json::Array(all)) => {
                (*min..=*max).contains(&all.len()) && all.iter().all(|it| items.is_satisfied(it))
            }
            (Self::Object(properties), Json::Object(members)) => {
                let mut left = members.iter().peekable();
                properties.iter().all(|(key, schema, is_required)| {
                    match left.next_if(|(found, _)| found == key) {
                        Some((_, value)) => schema.is_satisfied(value),
                        None => !is_required,
                    }
                }) && left.next().is_none()
            }
            (Self::Any(all), _) => all.iter().any(|schema| schema.is_satisfied(by)),
            _ => false,
        }
    }
}
