//! The keywords of one schema, found and not yet understood.

use super::error::{Error, Name};
use super::json::{Kind, Text, Value};

/// A keyword that is understood somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Type,
    Enum,
    Const,
    AnyOf,
    OneOf,
    Properties,
    Required,
    AdditionalProperties,
    Items,
    MinItems,
    MaxItems,
    MinLength,
    MaxLength,
    Minimum,
    Maximum,
    ExclusiveMinimum,
    ExclusiveMaximum,
}

use Keyword as K;

const KEYWORDS: [(&str, Keyword); 17] = [
    ("type", K::Type),
    ("enum", K::Enum),
    ("const", K::Const),
    ("anyOf", K::AnyOf),
    ("oneOf", K::OneOf),
    ("properties", K::Properties),
    ("required", K::Required),
    ("additionalProperties", K::AdditionalProperties),
    ("items", K::Items),
    ("minItems", K::MinItems),
    ("maxItems", K::MaxItems),
    ("minLength", K::MinLength),
    ("maxLength", K::MaxLength),
    ("minimum", K::Minimum),
    ("maximum", K::Maximum),
    ("exclusiveMinimum", K::ExclusiveMinimum),
    ("exclusiveMaximum", K::ExclusiveMaximum),
];

/// What says something to people and allows what would be allowed without. Definitions are among them: what
/// would refer to them is refused.
const ANNOTATIONS: [&str; 12] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

const ALL: &str = "type, enum, const, anyOf, oneOf, properties, required, additionalProperties, items, minItems, \
                   maxItems, minLength, maxLength, minimum, maximum, exclusiveMinimum, exclusiveMaximum";

/// A type of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    Null,
}

impl Type {
    const NAMES: [(&'static str, Self); 7] = [
        ("object", Self::Object),
        ("array", Self::Array),
        ("string", Self::String),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("null", Self::Null),
    ];

    fn read(value: Value<'_>) -> Result<Self, Error> {
        let expected = "the name of a type or an array of them";
        let at = value.at;
        let name = value.string().ok_or(Error::Value { at, expected })?;
        let found = Self::NAMES.iter().find(|(known, _)| name.is(known));
        found.map(|(_, known)| *known).ok_or(Error::Type {
            at,
            found: Name::new(name.chars()),
        })
    }

    /// Whether a scalar is of this type.
    pub(super) fn is_of(self, value: Value<'_>) -> bool {
        match self {
            Self::Integer => value.integer().is_some(),
            Self::Number => value.kind() == Kind::Number,
            Self::String => value.kind() == Kind::String,
            Self::Boolean => value.kind() == Kind::Boolean,
            Self::Null => value.kind() == Kind::Null,
            Self::Object | Self::Array => false,
        }
    }

    /// What may stand beside `type`, and how to say so.
    fn keywords(self) -> (&'static [Keyword], &'static str) {
        match self {
            Self::Object => (
                &[K::Properties, K::Required, K::AdditionalProperties],
                "properties, required and additionalProperties",
            ),
            Self::Array => (
                &[K::Items, K::MinItems, K::MaxItems],
                "items, minItems and maxItems",
            ),
            Self::String => (
                &[K::MinLength, K::MaxLength],
                "enum, const, minLength and maxLength",
            ),
            Self::Integer => (
                &[
                    K::Minimum,
                    K::Maximum,
                    K::ExclusiveMinimum,
                    K::ExclusiveMaximum,
                ],
                "enum, const, minimum, maximum, exclusiveMinimum and exclusiveMaximum",
            ),
            Self::Number | Self::Boolean | Self::Null => (&[], "enum and const"),
        }
    }
}

/// The keywords of one schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keywords<'s> {
    /// Where the schema is.
    pub(super) at: usize,
    /// The types that it states.
    types: [Option<Type>; Type::NAMES.len()],
    /// By keyword: where it is, and its value.
    found: [Option<(usize, Value<'s>)>; KEYWORDS.len()],
}

impl<'s> Keywords<'s> {
    /// Those of a schema. Each occurs once and beside such as it can stand with.
    pub(super) fn read(schema: Value<'s>) -> Result<Self, Error> {
        let at = schema.at;
        if schema.kind() != Kind::Object {
            return Err(Error::NoObject { at });
        }
        let mut this = Self {
            at,
            types: [None; Type::NAMES.len()],
            found: [None; KEYWORDS.len()],
        };
        for (key, at, value) in schema.members() {
            let name = || Name::new(key.chars());
            if ANNOTATIONS.iter().any(|known| key.is(known)) {
                continue;
            }
            let Some(&(_, keyword)) = KEYWORDS.iter().find(|(known, _)| key.is(known)) else {
                return Err(Error::Keyword {
                    at,
                    found: name(),
                    supported: ALL,
                });
            };
            if this.found[keyword as usize].replace((at, value)).is_some() {
                return Err(Error::Twice { at, found: name() });
            }
        }
        this.read_types()?;
        this.check_company()?;
        Ok(this)
    }

    pub(super) fn get(&self, keyword: Keyword) -> Option<Value<'s>> {
        self.found[keyword as usize].map(|(_, value)| value)
    }

    /// The value of a keyword that is an integer, 0 or greater; `unless` there is none.
    pub(super) fn count(&self, keyword: Keyword, unless: u32) -> Result<u32, Error> {
        let Some(value) = self.get(keyword) else {
            return Ok(unless);
        };
        let count = value.integer().and_then(|count| u32::try_from(count).ok());
        count.ok_or(Error::Value {
            at: value.at,
            expected: "an integer from 0 to 4294967295, without point and exponent",
        })
    }

    /// The schemas of `anyOf` or `oneOf`.
    pub(super) fn alternatives(&self) -> Result<Option<Value<'s>>, Error> {
        let Some(value) = self.get(K::AnyOf).or(self.get(K::OneOf)) else {
            return Ok(None);
        };
        Self::list(value, "an array of schemas, one or more").map(Some)
    }

    /// The scalars that the schema lists; true if it lists some.
    pub(super) fn scalars(&self, each: &mut Each<'_, Value<'s>>) -> Result<bool, Error> {
        let mut scalar = |value: Value<'s>| {
            let at = value.at;
            if matches!(value.kind(), Kind::Object | Kind::Array) {
                let expected = "a string, a number, true, false or null";
                return Err(Error::Value { at, expected });
            }
            let fits = |of: Type| of.is_of(value);
            if self.get(K::Type).is_some() && !self.types().any(fits) {
                return Err(Error::EnumType { at });
            }
            each(value)
        };
        if let Some(value) = self.get(K::Const) {
            scalar(value)?;
        } else if let Some(values) = self.get(K::Enum) {
            Self::list(values, "an array of values, one or more")?
                .elements()
                .try_for_each(scalar)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The types that the schema states.
    pub(super) fn types(&self) -> impl Iterator<Item = Type> + use<'s> {
        self.types.into_iter().flatten()
    }

    fn read_types(&mut self) -> Result<(), Error> {
        let Some(value) = self.get(K::Type) else {
            return Ok(());
        };
        let mut add = |value: Value<'_>| {
            let of = Type::read(value)?;
            if self.types[of as usize].replace(of).is_some() {
                return Err(Error::Twice {
                    at: value.at,
                    found: Name::new(Type::NAMES[of as usize].0.chars()),
                });
            }
            Ok(())
        };
        if value.kind() != Kind::Array {
            return add(value);
        }
        Self::list(value, "the name of a type or an array of them")?
            .elements()
            .try_for_each(add)
    }

    /// The value, which is an array of at least one element.
    fn list(value: Value<'s>, expected: &'static str) -> Result<Value<'s>, Error> {
        if value.elements().next().is_none() {
            let at = value.at;
            return Err(Error::Value { at, expected });
        }
        Ok(value)
    }

    /// Refuses keywords that say nothing, or nothing that is understood, beside those that are there.
    fn check_company(&self) -> Result<(), Error> {
        let has = |keyword| self.get(keyword).is_some();
        let (mut supported, mut allowed) = ("nothing else", [false; KEYWORDS.len()]);
        if has(K::AnyOf) || has(K::OneOf) {
            supported = "beside anyOf and oneOf, nothing else";
            let only = if has(K::AnyOf) { K::AnyOf } else { K::OneOf };
            allowed[only as usize] = true;
        } else if has(K::Enum) || has(K::Const) {
            supported = "beside enum and const, type";
            let only = if has(K::Enum) { K::Enum } else { K::Const };
            (allowed[only as usize], allowed[K::Type as usize]) = (true, true);
        } else if has(K::Type) {
            allowed[K::Type as usize] = true;
            for of in self.types() {
                let (keywords, names) = of.keywords();
                supported = names;
                for &keyword in keywords {
                    allowed[keyword as usize] = true;
                }
            }
        } else {
            return Err(Error::Anything { at: self.at });
        }
        for ((name, keyword), allowed) in KEYWORDS.iter().zip(allowed) {
            if let Some((at, _)) = self.found[*keyword as usize]
                && !allowed
            {
                return Err(Error::Keyword {
                    at,
                    found: Name::new(name.chars()),
                    supported,
                });
            }
        }
        Ok(())
    }
}

/// Is shown one thing after the other.
pub(super) type Each<'e, T> = dyn FnMut(T) -> Result<(), Error> + 'e;

/// A string as JSON that is answered spells it: quoted, with the escapes that have to be, the short ones where
/// there are any.
pub(super) fn quoted(text: Text<'_>) -> impl Iterator<Item = u8> + Clone {
    let escaped = text.chars().flat_map(|c| {
        let mut bytes = heapless::Vec::<u8, 6>::new();
        let short = match c {
            '"' | '\\' => Some(c as u8),
            '\u{8}' => Some(b'b'),
            '\u{c}' => Some(b'f'),
            '\n' => Some(b'n'),
            '\r' => Some(b'r'),
            '\t' => Some(b't'),
            _ => None,
        };
        // Six bytes are the longest of these, so that none fails.
        let _ = if let Some(short) = short {
            bytes.extend_from_slice(&[b'\\', short])
        } else if c < ' ' {
            let hex = |digit: u32| b"0123456789abcdef"[(c as usize >> digit) & 15];
            bytes.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(4), hex(0)])
        } else {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes())
        };
        bytes
    });
    [b'"'].into_iter().chain(escaped).chain([b'"'])
}
