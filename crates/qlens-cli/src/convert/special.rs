//! What tokens begin and end a text: `tokenizer.json` and `tokenizer_config.json` together say it.

use serde_json::Value as Json;

/// Tokens by their texts, and which of them are added to a text.
#[derive(Default)]
pub struct Specials {
    pub bos: Option<String>,
    pub eos: Option<String>,
    pub pad: Option<String>,
    /// What ends a turn, where a text ends with another token.
    pub eot: Option<String>,
    pub adds_bos: Option<bool>,
    pub adds_eos: Option<bool>,
}

impl Specials {
    /// What the two files say: what a tokenizer does to a text counts more than what its settings say.
    pub fn read(tokenizer: &Json, settings: &Json) -> Self {
        let text = |key: &str| {
            let found = &settings[key];
            let text = found.as_str().or(found["content"].as_str());
            text.map(str::to_owned)
        };
        let mut specials = Self {
            bos: text("bos_token"),
            eos: text("eos_token"),
            pad: text("pad_token"),
            ..Self::default()
        };
        let processor = &tokenizer["post_processor"];
        let parts = processor["processors"].as_array();
        for part in parts.map_or(std::slice::from_ref(processor), Vec::as_slice) {
            match part["type"].as_str() {
                Some("ByteLevel") => {
                    specials.adds_bos.get_or_insert(false);
                    specials.adds_eos.get_or_insert(false);
                }
                Some("TemplateProcessing") => specials.around_text(&part["single"]),
                _ => (),
            }
        }
        let is = |key: &str| settings[key].as_bool();
        specials.adds_bos = specials.adds_bos.or(is("add_bos_token"));
        specials.adds_eos = specials.adds_eos.or(is("add_eos_token"));
        specials
    }

    /// The tokens that a template has before and behind a text.
    fn around_text(&mut self, template: &Json) {
        let parts = template.as_array().map_or(&[][..], Vec::as_slice);
        let [first, .., last] = parts else {
            return;
        };
        let [first, last] = [first, last].map(|part| part["SpecialToken"]["id"].as_str());
        if let Some(first) = first {
            let bos = self.bos.get_or_insert_with(|| first.to_owned());
            self.adds_bos = Some(bos == first);
        }
        if let Some(last) = last {
            if self.eos.as_deref() != Some(last) {
                self.eot = self.eos.replace(last.to_owned());
            }
            self.adds_eos = Some(true);
        }
    }
}
