//! Runs the program as a user or a script would, and looks at what comes out of it.

mod bad_input;
mod bench;
mod chat;
mod command_line;
mod generate;
mod inspect;
mod logits;
mod pack;
mod plan;
mod quantize;
mod support;
mod tokenize;
