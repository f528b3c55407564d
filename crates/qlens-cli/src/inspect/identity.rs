//! What a model is called: by its file's name, where that follows the naming convention of GGUF files
//! (`BaseName-SizeLabel-FineTune-Version-Encoding.gguf`), and otherwise by its metadata.

use std::fmt::Display;
use std::path::Path;

use ggml_rs::parse_gguf_filename;
use qlens::gguf::Gguf;
use serde::Serialize;

use super::metadata::one_line;
use crate::failure::Failure;

/// Names of `general.file_type`, by number; those of retired formats are left out.
const FILE_TYPES: [(u64, &str); 33] = [
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
    (32, "BF16"),
    (36, "TQ1_0"),
    (37, "TQ2_0"),
    (38, "MXFP4_MOE"),
];

/// The parts of a model's name.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub struct Identity {
    base_name: Option<String>,
    size: Option<String>,
    fine_tune: Option<String>,
    version: Option<String>,
    encoding: Option<String>,
    /// Where the parts are from: `file name` or `metadata`.
    named_by: &'static str,
}

impl Identity {
    /// What the file at `path`, which holds `gguf`, is called.
    pub fn of(path: &Path, gguf: &Gguf<'_>) -> Self {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        Self::of_file_name(name).unwrap_or_else(|| Self::of_metadata(gguf))
    }

    fn of_file_name(name: &str) -> Option<Self> {
        let parts = parse_gguf_filename(name)?;
        Some(Self {
            base_name: parts.base_name,
            size: parts.size_label,
            fine_tune: parts.fine_tune,
            version: Some(parts.version),
            encoding: parts.encoding,
            named_by: "file name",
        })
    }

    fn of_metadata(gguf: &Gguf<'_>) -> Self {
        let text = |key| {
            gguf.get(key)
                .and_then(|value| value.as_str())
                .map(str::to_owned)
        };
        let file_type = gguf
            .get("general.file_type")
            .and_then(|value| value.as_u64());
        let encoding = FILE_TYPES
            .iter()
            .find(|(number, _)| Some(*number) == file_type);
        Self {
            base_name: text("general.basename").or_else(|| text("general.name")),
            size: text("general.size_label"),
            fine_tune: text("general.finetune"),
            version: text("general.version"),
            encoding: encoding.map(|(_, name)| (*name).into()),
            named_by: "metadata",
        }
    }

    /// Writes one field a part.
    pub fn print(
        &self,
        field: &mut dyn FnMut(&str, &dyn Display) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for (name, part) in [
            ("base name", &self.base_name),
            ("size label", &self.size),
            ("fine tune", &self.fine_tune),
            ("version", &self.version),
            ("encoding", &self.encoding),
        ] {
            if let Some(part) = part {
                field(
                    name,
                    &format_args!("{} (by its {})", one_line(part), self.named_by),
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conventional_file_name_says_it_all() {
        let identity = Identity::of_file_name("Qwen2-0.5B-Instruct-v1.0-Q4_K_M.gguf").unwrap();
        assert_eq!(identity.base_name.as_deref(), Some("Qwen2"));
        assert_eq!(identity.size.as_deref(), Some("0.5B"));
        assert_eq!(identity.fine_tune.as_deref(), Some("Instruct"));
        assert_eq!(identity.encoding.as_deref(), Some("Q4_K_M"));
    }

    #[test]
    fn other_file_names_say_nothing() {
        for name in [
            "qwen2-q4_0.gguf",
            "model.bin",
            "",
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        ] {
            assert_eq!(Identity::of_file_name(name), None, "{name}");
        }
    }
}
