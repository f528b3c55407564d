//! The form of a conversation: what the command line asks for, and the file's own template.

use std::path::PathBuf;

use qlens::chat::{Chat, Template, Thinking};
use qlens::session::{self, Session};
use qlens_jinja::{Jinja, python_json};
use serde_json::Value;

use crate::failure::{Failure, reason};
use crate::generate::refuse_prompt;
use crate::model_file::ModelFile;

/// How a conversation is to go.
#[derive(clap::Args, Clone, Debug)]
pub struct FormatArgs {
    /// Let the model think before it answers; what it thinks goes to stderr [default: what its file says]
    #[arg(long, conflicts_with = "no_think")]
    think: bool,
    /// Let it answer without thinking
    #[arg(long)]
    no_think: bool,
    /// Most tokens to think before an answer begins
    #[arg(long, value_name = "N", conflicts_with = "no_think")]
    think_budget: Option<usize>,
    /// Functions that the model may call: a JSON array of their definitions
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
}

impl FormatArgs {
    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        !self.think && !self.no_think && self.think_budget.is_none() && self.tools.is_none()
    }

    /// The same for an answer of which every token is held to something: a thought would be, too.
    pub fn without_thinking(&self) -> Result<Self, Failure> {
        if self.think || self.think_budget.is_some() {
            return Err(Failure::usage(
                "--choices and --schema say all of an answer: leave --think and --think-budget out",
            ));
        }
        Ok(Self {
            no_think: true,
            ..self.clone()
        })
    }

    fn thinking(&self) -> Option<bool> {
        (self.think || self.no_think).then_some(self.think)
    }
}

/// Why a conversation was not fed.
pub enum Refusal {
    /// The session does not take it.
    Session(session::Error),
    /// The file's own template does not.
    Template(Failure),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Session(error) => refuse_prompt(&error),
            Refusal::Template(failure) => failure,
        }
    }
}

/// The form that conversations are given.
pub struct Format<'f> {
    file: &'f ModelFile,
    /// The file's own template, where the runtime has none that renders the same.
    jinja: Option<Jinja<'f>>,
    thinking: Option<bool>,
    think_budget: Option<usize>,
    /// Definitions, one a line.
    tools: String,
}

impl<'f> Format<'f> {
    /// What was asked for, if the model can do it.
    pub fn new(args: &FormatArgs, file: &'f ModelFile) -> Result<Self, Failure> {
        let gguf = file.gguf()?;
        let template = Template::of(&gguf);
        let tools = args.tools.as_ref().map_or(Ok(String::new()), |path| {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("it cannot be read: {}", reason(&error)));
            text.and_then(|text| definitions(&text))
                .map_err(|fault| Failure::of_file(path, fault))
        })?;
        let mut jinja = None;
        if let Some(source) = Template::source(&gguf) {
            let own = Jinja::new(&gguf, source);
            let is_same = own.renders_like(&template);
            let is_same = is_same.map_err(|fault| file.refuse(fault))?;
            if !is_same {
                eprintln!("the file's own chat template is used: it is none that is built in");
                jinja = Some(own);
            }
        }
        let (takes_tools, thinks) = match &jinja {
            Some(own) => (own.mentions("tools"), own.mentions("think")),
            None => (
                template.takes_tools(),
                template.thinking() != Thinking::Never,
            ),
        };
        if !tools.is_empty() && !takes_tools {
            return Err(file.refuse("its chat template has no place for tools (leave --tools out)"));
        }
        if (args.think || args.think_budget.is_some()) && !thinks {
            let flag = if args.think {
                "--think"
            } else {
                "--think-budget"
            };
            return Err(file.refuse(format_args!(
                "its chat template has no place for thinking (leave {flag} out)"
            )));
        }
        Ok(Self {
            file,
            jinja,
            thinking: args.thinking(),
            think_budget: args.think_budget,
            tools,
        })
    }

    /// Sets a session up for it.
    pub fn set_up(&self, session: &mut Session<'_, '_, '_>) -> Result<(), Failure> {
        session
            .set_thinking_budget(self.think_budget)
            .map_err(|error| self.file.refuse(error))
    }

    /// Makes a conversation the session's context.
    pub fn feed(&self, session: &mut Session<'_, '_, '_>, chat: Chat<'_>) -> Result<(), Refusal> {
        let chat = chat.with_tools(&self.tools).with_thinking(self.thinking);
        let Some(jinja) = &self.jinja else {
            return session.feed(&chat).map_err(Refusal::Session);
        };
        if chat.overflowed() {
            return Err(Refusal::Session(session::Error::TooManyTurns));
        }
        let prompt = jinja
            .prompt(&chat, session.tokenizer())
            .map_err(|fault| Refusal::Template(self.file.refuse(fault)))?;
        session
            .feed_pieces(prompt.pieces(&session.tokenizer().clone()))
            .map_err(Refusal::Session)
    }
}

/// Definitions of functions, one a line, spelled as the templates spell them.
fn definitions(text: &str) -> Result<String, String> {
    let expected = "a JSON array of function definitions is needed";
    let definitions: Vec<Value> =
        serde_json::from_str(text).map_err(|error| format!("{error}; {expected}"))?;
    let mut lines = Vec::new();
    for (i, definition) in definitions.iter().enumerate() {
        // As it is usual, {"type": "function", "function": {"name": …}}, or the inside of that.
        let function = definition.get("function").unwrap_or(definition);
        if !function.get("name").is_some_and(Value::is_string) {
            return Err(format!("definition {} has no \"name\"; {expected}", i + 1));
        }
        let whole = if definition.get("function").is_some() {
            definition.clone()
        } else {
            serde_json::json!({"type": "function", "function": definition})
        };
        lines.push(python_json::line(&whole).map_err(|error| error.to_string())?);
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::definitions;

    #[test]
    fn definitions_become_lines() {
        assert_eq!(definitions("[]").unwrap(), "");
        let text = r#"[{"type":"function","function":{"name":"f","z":[1,"é<"]}}, {"name": "g"}]"#;
        assert_eq!(
            definitions(text).unwrap(),
            "{\"type\": \"function\", \"function\": {\"name\": \"f\", \"z\": [1, \"é<\"]}}\n\
             {\"type\": \"function\", \"function\": {\"name\": \"g\"}}"
        );
    }

    #[test]
    fn what_defines_nothing_says_so() {
        for (text, says) in [
            ("{", "JSON array"),
            ("{\"name\": \"f\"}", "JSON array"),
            (
                "[{\"name\": \"f\"}, {\"name\": 1}]",
                "definition 2 has no \"name\"",
            ),
            ("[1]", "definition 1 has no \"name\""),
        ] {
            let said = definitions(text).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
    }
}
