//! From a JSON schema to a program.

use super::error::{Error, Name};
use super::json::{self, Kind, Value};
use super::keywords::{Keyword, Keywords, Type, quoted};
use super::number::MAX_INTEGER;
use super::program::{Builder, MAX_TEXT, Program};
use super::state::{MAX_DEPTH, State};

/// Bytes of a schema, at most. No text of it is longer than a text may be.
pub(super) const MAX_SCHEMA: usize = 1 << 15;
const _: () = assert!(2 * MAX_SCHEMA <= MAX_TEXT + 1);

/// Properties of an object, at most: a key's next byte is looked for among all that may come.
const MAX_PROPERTIES: usize = 128;
/// Alternatives other than lists of scalars, at most. They differ in their first bytes, and there are not many.
const MAX_ALTERNATIVES: usize = 16;
/// Schemas within each other, at most: the compiler's own depth.
const MAX_NESTING: usize = 32;

/// Compiles a schema into `words`; returns the program and its node.
pub(super) fn compile<'a>(
    schema: &str,
    words: &'a mut [u32],
    enough: usize,
) -> Result<(Program<'a>, u32), Error> {
    if schema.len() > MAX_SCHEMA {
        return Err(Error::Length {
            found: schema.len(),
            most: MAX_SCHEMA,
        });
    }
    let mut compiler = Compiler {
        out: Builder::new(words, enough),
    };
    let at = Place {
        depth: 0,
        nesting: 0,
    };
    let node = compiler.schema(json::parse(schema)?, at)?;
    Ok((compiler.out.finish(), node))
}

/// How deep a schema lies.
#[derive(Clone, Copy)]
struct Place {
    /// Objects and arrays of the answer around it.
    depth: usize,
    /// Schemas around it.
    nesting: usize,
}

struct Compiler<'a> {
    out: Builder<'a>,
}

impl Compiler<'_> {
    fn schema(&mut self, schema: Value<'_>, place: Place) -> Result<u32, Error> {
        let at = schema.at;
        if place.nesting == MAX_NESTING {
            return Err(Error::Nesting {
                at,
                what: "schemas",
                most: MAX_NESTING,
            });
        }
        let keywords = Keywords::read(schema)?;
        let inner = Place {
            nesting: place.nesting + 1,
            ..place
        };
        let mut nodes = heapless::Vec::<u32, MAX_ALTERNATIVES>::new();
        let literals = self.out.begin_literals()?;
        if let Some(alternatives) = keywords.alternatives()? {
            for schema in alternatives.elements() {
                let keywords = Keywords::read(schema)?;
                if keywords.alternatives()?.is_none() {
                    self.literals(&keywords)?;
                }
            }
            nodes.extend(self.out.end_literals(literals));
            for schema in alternatives.elements() {
                let keywords = Keywords::read(schema)?;
                if keywords.alternatives()?.is_some() {
                    let node = self.schema(schema, inner)?;
                    add(&mut nodes, node, at)?;
                } else {
                    self.others(&keywords, inner, &mut nodes)?;
                }
            }
        } else {
            self.literals(&keywords)?;
            nodes.extend(self.out.end_literals(literals));
            self.others(&keywords, inner, &mut nodes)?;
        }
        if let [node] = nodes[..] {
            return Ok(node);
        }
        self.tell_apart(&nodes, at)?;
        self.out.any(&nodes)
    }

    /// Adds the values that a schema lists, or all those of a type that has few.
    fn literals(&mut self, keywords: &Keywords<'_>) -> Result<(), Error> {
        let out = &mut self.out;
        let lists = keywords.scalars(&mut |value| match value.string() {
            Some(text) => out.literal(quoted(text)),
            None => out.literal(value.raw().bytes()),
        })?;
        if lists {
            return Ok(());
        }
        keywords.types().try_for_each(|of| match of {
            Type::Boolean => {
                out.literal("true".bytes())?;
                out.literal("false".bytes())
            }
            Type::Null => out.literal("null".bytes()),
            _ => Ok(()),
        })
    }

    /// Adds the nodes of a schema's types that have many values.
    fn others(
        &mut self,
        keywords: &Keywords<'_>,
        place: Place,
        nodes: &mut heapless::Vec<u32, MAX_ALTERNATIVES>,
    ) -> Result<(), Error> {
        if keywords.scalars(&mut |_| Ok(()))? {
            return Ok(());
        }
        for of in keywords.types() {
            let node = match of {
                Type::Boolean | Type::Null => continue,
                Type::Object => self.object(keywords, place)?,
                Type::Array => self.array(keywords, place)?,
                Type::String => self.string(keywords)?,
                Type::Integer => self.integer(keywords)?,
                Type::Number => self.out.number()?,
            };
            add(nodes, node, keywords.at)?;
        }
        Ok(())
    }

    /// Makes sure that alternatives differ in their first bytes.
    fn tell_apart(&self, nodes: &[u32], at: usize) -> Result<(), Error> {
        let program = self.out.so_far();
        for byte in 0..=u8::MAX {
            let begins = |node: &&u32| State::new(**node).step(program, byte);
            if nodes.iter().filter(begins).count() > 1 {
                return Err(Error::Ambiguous { at, byte });
            }
        }
        Ok(())
    }

    fn string(&mut self, keywords: &Keywords<'_>) -> Result<u32, Error> {
        let (min, max) = range(
            keywords,
            keywords.count(Keyword::MinLength, 0)?,
            keywords.count(Keyword::MaxLength, u32::MAX)?,
            "minLength is above maxLength",
        )?;
        self.out.string(min, max)
    }

    fn integer(&mut self, keywords: &Keywords<'_>) -> Result<u32, Error> {
        let bound = |keyword, unless: i64, more| match keywords.get(keyword) {
            None => Ok(unless),
            Some(value) => value
                .integer()
                .map(|bound| bound.saturating_add(more))
                .ok_or(Error::Value {
                    at: value.at,
                    expected: "an integer of 64 bits, without point and exponent",
                }),
        };
        let (min, max) = (
            bound(Keyword::Minimum, -MAX_INTEGER, 0)?
                .max(bound(Keyword::ExclusiveMinimum, -MAX_INTEGER, 1)?)
                .max(-MAX_INTEGER),
            bound(Keyword::Maximum, MAX_INTEGER, 0)?
                .min(bound(Keyword::ExclusiveMaximum, MAX_INTEGER, -1)?)
                .min(MAX_INTEGER),
        );
        let why = "no integer of at most 15 digits lies between its minimum and its maximum";
        let (min, max) = range(keywords, min, max, why)?;
        self.out.integer(min, max)
    }

    fn array(&mut self, keywords: &Keywords<'_>, place: Place) -> Result<u32, Error> {
        let place = deeper(keywords, place)?;
        let (min, max) = range(
            keywords,
            keywords.count(Keyword::MinItems, 0)?,
            keywords.count(Keyword::MaxItems, u32::MAX)?,
            "minItems is above maxItems",
        )?;
        let items = keywords.get(Keyword::Items).ok_or(Error::Missing {
            at: keywords.at,
            keyword: "items",
        })?;
        let items = self.schema(items, place)?;
        self.out.array(items, min, max)
    }

    fn object(&mut self, keywords: &Keywords<'_>, place: Place) -> Result<u32, Error> {
        let place = deeper(keywords, place)?;
        let at = keywords.at;
        if let Some(value) = keywords.get(Keyword::AdditionalProperties)
            && value.raw() != "false"
        {
            return Err(Error::Value {
                at: value.at,
                expected: "false: no other properties than those that are listed are answered",
            });
        }
        let properties = keywords.get(Keyword::Properties).ok_or(Error::Missing {
            at,
            keyword: "properties",
        })?;
        if properties.kind() != Kind::Object {
            return Err(Error::Value {
                at: properties.at,
                expected: "an object of schemas",
            });
        }
        let count = properties.members().count();
        if count > MAX_PROPERTIES {
            return Err(Error::TooMany {
                what: "properties",
                at,
                most: MAX_PROPERTIES,
            });
        }
        let node = self.out.object(count)?;
        for (index, (key, at, schema)) in properties.members().enumerate() {
            let text = self.out.text(quoted(key).chain([b':']))?;
            if self.property(node, index, text).is_some() {
                return Err(Error::Twice {
                    at,
                    found: Name::new(key.chars()),
                });
            }
            let value = self.schema(schema, place)?;
            self.out.set_property(node, index, text, value);
        }
        if let Some(required) = keywords.get(Keyword::Required) {
            self.required(node, count, required)?;
        }
        self.out.end_object(node);
        Ok(node)
    }

    /// The property among the first `count` of an object that has the key of this text.
    fn property(&self, object: u32, count: usize, text: u32) -> Option<usize> {
        let program = self.out.so_far();
        let text = program.text(text);
        (0..count).find(|&property| program.text(self.out.key(object, property)) == text)
    }

    fn required(&mut self, object: u32, count: usize, required: Value<'_>) -> Result<(), Error> {
        let expected = "an array of the names of properties";
        if required.kind() != Kind::Array {
            let at = required.at;
            return Err(Error::Value { at, expected });
        }
        for name in required.elements() {
            let at = name.at;
            let key = name.string().ok_or(Error::Value { at, expected })?;
            let mark = self.out.texts();
            let text = self.out.text(quoted(key).chain([b':']))?;
            let property = self.property(object, count, text).ok_or(Error::Required {
                at,
                found: Name::new(key.chars()),
            })?;
            self.out.forget_texts(mark);
            self.out.require(object, property);
        }
        Ok(())
    }
}

/// Adds an alternative.
fn add(
    nodes: &mut heapless::Vec<u32, MAX_ALTERNATIVES>,
    node: u32,
    at: usize,
) -> Result<(), Error> {
    nodes.push(node).map_err(|_| Error::TooMany {
        what: "alternatives",
        at,
        most: MAX_ALTERNATIVES,
    })
}

/// The place of what an object or an array contains.
fn deeper(keywords: &Keywords<'_>, place: Place) -> Result<Place, Error> {
    if place.depth == MAX_DEPTH {
        return Err(Error::Nesting {
            at: keywords.at,
            what: "objects and arrays of an answer",
            most: MAX_DEPTH,
        });
    }
    Ok(Place {
        depth: place.depth + 1,
        ..place
    })
}

/// The two, in order.
fn range<T: Ord>(
    keywords: &Keywords<'_>,
    min: T,
    max: T,
    why: &'static str,
) -> Result<(T, T), Error> {
    if min > max {
        let at = keywords.at;
        return Err(Error::Nothing { at, why });
    }
    Ok((min, max))
}
