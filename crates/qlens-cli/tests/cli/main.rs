//! Runs the program as a user or a script would, and looks at what comes out of it.

mod bad_input;
mod bench;
mod chat;
mod command_line;
mod constrain;
mod convert;
mod embed;
mod format;
mod generate;
mod inspect;
mod logits;
mod models;
mod pack;
mod perplexity;
mod plan;
mod pull;
mod quantize;
mod replay;
#[path = "../../../qlens-models/tests/server/mod.rs"]
mod server;
mod shapes;
mod support;
mod tokenize;
