//! A constraint as it lies in the caller's memory: nodes, one for each schema, and texts.
//!
//! Memory is words. Nodes lie at its beginning, one behind the other; a node is named by the index of its first
//! word, which says its kind. Texts (keys, values of `enum`, choices) lie at its end and are named by their
//! distance from there in bytes: two bytes of length, then the text as it is to be answered.
//!
//! | kind | words behind it |
//! |---|---|
//! | literals | how many; the texts, ascending |
//! | string | the least and the most characters |
//! | integer | the least and the greatest, two words each, lower half first |
//! | number | |
//! | array | node of its elements; how few and how many |
//! | object | how many properties; [`PROPERTY`] words each: text of the key, node of the value, the last property that can be the next one when those before this are done, with [`REQUIRED`] if it has to be there |
//! | any | how many; nodes of the alternatives |

use super::error::Error;

/// Kinds of nodes.
const LITERALS: u32 = 0;
const STRING: u32 = 1;
const INTEGER: u32 = 2;
const NUMBER: u32 = 3;
const ARRAY: u32 = 4;
const OBJECT: u32 = 5;
const ANY: u32 = 6;

/// Words of a property.
const PROPERTY: usize = 3;
const REQUIRED: u32 = 1 << 31;

/// Bytes of a text, at most.
pub(super) const MAX_TEXT: usize = u16::MAX as usize;

/// A node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'a> {
    Literals(&'a [u32]),
    String { min: u32, max: u32 },
    Integer { min: i64, max: i64 },
    Number,
    Array { items: u32, min: u32, max: u32 },
    Object(Properties<'a>),
    Any(&'a [u32]),
}

/// The properties of an object, in the order in which they come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Properties<'a>(&'a [[u32; PROPERTY]]);

impl Properties<'_> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn key(&self, property: usize) -> u32 {
        self.0[property][0]
    }

    pub(super) fn value(&self, property: usize) -> u32 {
        self.0[property][1]
    }

    /// The last property that can come next when those before `property` are done, and whether it has to come
    /// unless one before it does.
    pub(super) fn last(&self, property: usize) -> Option<(usize, bool)> {
        let last = self.0.get(property)?[2];
        Some(((last & !REQUIRED) as usize, last & REQUIRED != 0))
    }
}

/// All nodes and texts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program<'a> {
    words: &'a [u32],
}

impl<'a> Program<'a> {
    #[inline]
    pub(super) fn node(&self, at: u32) -> Node<'a> {
        let node = &self.words[at as usize..];
        let long = |at: usize| (u64::from(node[at + 1]) << 32 | u64::from(node[at])) as i64;
        let list = |at: usize, size: usize| &node[at + 1..][..node[at] as usize * size];
        match node[0] {
            LITERALS => Node::Literals(list(1, 1)),
            STRING => Node::String {
                min: node[1],
                max: node[2],
            },
            INTEGER => Node::Integer {
                min: long(1),
                max: long(3),
            },
            NUMBER => Node::Number,
            ARRAY => Node::Array {
                items: node[1],
                min: node[2],
                max: node[3],
            },
            OBJECT => Node::Object(Properties(list(1, PROPERTY).as_chunks().0)),
            _ => Node::Any(list(1, 1)),
        }
    }

    pub(super) fn text(&self, text: u32) -> &'a [u8] {
        text_in(self.words, text)
    }
}

/// A text that lies at the end of `words`, or of all of them.
fn text_in(words: &[u32], text: u32) -> &[u8] {
    let bytes: &[u8] = bytemuck::cast_slice(words);
    let record = &bytes[bytes.len() - text as usize..];
    let len = usize::from(u16::from_le_bytes([record[0], record[1]]));
    &record[2..][..len]
}

/// A program in the making.
pub(super) struct Builder<'a> {
    words: &'a mut [u32],
    /// Words of nodes so far.
    nodes: usize,
    /// Bytes of texts so far.
    texts: usize,
    /// The error when memory is at its end.
    full: Error,
}

impl<'a> Builder<'a> {
    /// In `words`, of which `enough` are enough.
    pub(super) fn new(words: &'a mut [u32], enough: usize) -> Self {
        // Texts are named by 32 bits, and no constraint comes near that.
        let most = words.len().min(u32::MAX as usize / 4);
        let full = Error::Memory {
            what: "the constraint",
            found: most,
            enough,
        };
        Self {
            words: &mut words[..most],
            nodes: 0,
            texts: 0,
            full,
        }
    }

    pub(super) fn finish(self) -> Program<'a> {
        Program { words: self.words }
    }

    /// What there is so far.
    pub(super) fn so_far(&self) -> Program<'_> {
        Program { words: self.words }
    }

    /// Adds words of nodes; returns the index of the first.
    fn push(&mut self, words: &[u32]) -> Result<u32, Error> {
        let at = self.reserve(words.len())?;
        self.words[at as usize..][..words.len()].copy_from_slice(words);
        Ok(at)
    }

    fn reserve(&mut self, words: usize) -> Result<u32, Error> {
        let at = self.nodes;
        let left = (4 * self.words.len() - self.texts) / 4 - at;
        if words > left {
            return Err(self.full);
        }
        self.nodes += words;
        Ok(at as u32)
    }

    /// Adds a text.
    pub(super) fn text(&mut self, text: impl Iterator<Item = u8> + Clone) -> Result<u32, Error> {
        let len = text.clone().count();
        let size = len + 2;
        let short = u16::try_from(len).map_err(|_| self.full)?;
        let room = 4 * (self.words.len() - self.nodes) - self.texts;
        if size > room {
            return Err(self.full);
        }
        self.texts += size;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(self.words);
        let at = bytes.len() - self.texts;
        let record = &mut bytes[at..][..size];
        let all = short.to_le_bytes().into_iter().chain(text);
        record.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        Ok(self.texts as u32)
    }

    /// Bytes of texts so far.
    pub(super) fn texts(&self) -> usize {
        self.texts
    }

    /// Takes back the texts that were added since there were so many bytes of them.
    pub(super) fn forget_texts(&mut self, since: usize) {
        self.texts = self.texts.min(since);
    }

    /// Begins a node of literals, which [`literal`](Self::literal) adds to; nothing else may be added before
    /// [`end_literals`](Self::end_literals).
    pub(super) fn begin_literals(&mut self) -> Result<u32, Error> {
        self.push(&[LITERALS, 0])
    }

    pub(super) fn literal(&mut self, text: impl Iterator<Item = u8> + Clone) -> Result<(), Error> {
        let text = self.text(text)?;
        self.push(&[text]).map(|_| ())
    }

    /// The node, or nothing if there was no literal.
    pub(super) fn end_literals(&mut self, node: u32) -> Option<u32> {
        let (nodes, texts) = self.words.split_at_mut(self.nodes);
        let [_, count, literals @ ..] = &mut nodes[node as usize..] else {
            return None;
        };
        if literals.is_empty() {
            self.nodes = node as usize;
            return None;
        }
        *count = literals.len() as u32;
        literals.sort_unstable_by(|&a, &b| text_in(texts, a).cmp(text_in(texts, b)));
        Some(node)
    }

    pub(super) fn string(&mut self, min: u32, max: u32) -> Result<u32, Error> {
        self.push(&[STRING, min, max])
    }

    pub(super) fn integer(&mut self, min: i64, max: i64) -> Result<u32, Error> {
        let [min, max] = [min, max].map(|long| [long as u32, (long >> 32) as u32]);
        self.push(&[INTEGER, min[0], min[1], max[0], max[1]])
    }

    pub(super) fn number(&mut self) -> Result<u32, Error> {
        self.push(&[NUMBER])
    }

    pub(super) fn array(&mut self, items: u32, min: u32, max: u32) -> Result<u32, Error> {
        self.push(&[ARRAY, items, min, max])
    }

    pub(super) fn any(&mut self, alternatives: &[u32]) -> Result<u32, Error> {
        let node = self.push(&[ANY, alternatives.len() as u32])?;
        self.push(alternatives)?;
        Ok(node)
    }

    /// An object whose properties are yet to be [set](Self::set_property).
    pub(super) fn object(&mut self, properties: usize) -> Result<u32, Error> {
        let node = self.push(&[OBJECT, properties as u32])?;
        self.reserve(PROPERTY * properties)?;
        Ok(node)
    }

    fn properties(&mut self, object: u32) -> &mut [[u32; PROPERTY]] {
        let count = self.words[object as usize + 1] as usize;
        let words = &mut self.words[object as usize + 2..];
        &mut words.as_chunks_mut().0[..count]
    }

    pub(super) fn set_property(&mut self, object: u32, index: usize, key: u32, value: u32) {
        self.properties(object)[index] = [key, value, 0];
    }

    /// The text of a property's key that was set.
    pub(super) fn key(&self, object: u32, property: usize) -> u32 {
        self.words[object as usize + 2 + PROPERTY * property]
    }

    pub(super) fn require(&mut self, object: u32, index: usize) {
        self.properties(object)[index][2] = REQUIRED;
    }

    /// Computes what each property says of the next one.
    pub(super) fn end_object(&mut self, object: u32) {
        let properties = self.properties(object);
        let mut last = properties.len().saturating_sub(1) as u32;
        for (index, property) in properties.iter_mut().enumerate().rev() {
            if property[2] & REQUIRED != 0 {
                last = REQUIRED | index as u32;
            }
            property[2] = last;
        }
    }
}
