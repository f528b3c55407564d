//! `qlens chat`: a conversation at the keyboard, or through a pipe, a line a question.

mod conversation;
pub mod format;
mod kept;
mod prompt;
pub mod show;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use qlens::chat::Role;
use qlens::sampler::Sampler;
use qlens::session::{Error, Session, Stop};

use crate::destination::Destination;
use crate::failure::Failure;
use crate::generate::Answer;
use crate::interrupt;
use crate::model_file::ModelArg;
use crate::output::Output;
use crate::runtime::{DraftArgs, Runtime, RuntimeArgs, token_count, usual_context};
use crate::sampling::SamplingArgs;
use conversation::Conversation;
use format::{Format, FormatArgs, Refusal};
use prompt::Questions;
use show::Shown;

/// Talk with a model
///
/// Each line is a question, or with /tool before it what a tool that was called gave back. Ctrl-C cancels an answer, Ctrl-D ends the conversation. When the context is
/// full, the oldest questions are forgotten; what --system says never is.
#[derive(clap::Args, Debug)]
pub struct ChatArgs {
    #[command(flatten)]
    model: ModelArg,
    /// What the model is told before the first question [default: what its file says]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    system: Option<String>,
    /// Most tokens of an answer [default: as many as the context holds]
    #[arg(short = 'n', long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Tokens of questions and answers together [default: 2048, or what the model was trained for if that is less]
    #[arg(long, value_name = "N", value_parser = token_count())]
    ctx: Option<u32>,
    /// Go on with the conversation that is kept in FILE, if there is one, and keep this one there at its end
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    drafts: DraftArgs,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// Runs the verb.
pub fn run(args: &ChatArgs) -> Result<(), Failure> {
    let sampler = args.sampling.sampler()?;
    let file = args.model.open()?;
    let model = file.model()?;
    let format = Format::new(&args.format, &file)?;
    let context = usual_context(args.ctx, &model);
    let mut runtime = Runtime::new(&file, &model, &args.runtime, context)?;
    let (mut session, _) = runtime.session()?;
    session.set_max_tokens(args.max_tokens);
    session.set_draft(args.drafts.draft);
    format.set_up(&mut session)?;
    let mut conversation = Conversation::new(args.system.clone());
    if let Some(path) = &args.session {
        // Who cannot keep a conversation says so before it, not after.
        drop(Destination::open(path, &file)?);
        if let Some(kept) = kept::load(path, &mut session)? {
            conversation = kept;
            if let Some(system) = &args.system {
                conversation.set_system(system.clone());
            }
        }
    }

    interrupt::listen_for_cancel();
    let mut questions = Questions::new()?;
    if questions.are_typed() {
        eprintln!(
            "{}, context {context}. {}",
            file.path().display(),
            prompt::KEYS
        );
    }
    let mut talk = Talk {
        conversation,
        format,
        session,
        sampler,
        output: Output::stdout(),
        // Room that an answer is to find, unless that would leave no room to remember anything.
        reserve: (context / 4).min(args.max_tokens.unwrap_or(usize::MAX)),
        context,
        is_verbose: std::io::stderr().is_terminal(),
    };
    let mut unanswered = false;
    while let Some(question) = questions.next()? {
        match question.as_str() {
            "" => {}
            "/exit" => break,
            "/clear" => talk.conversation.clear(),
            "/help" => eprintln!("{}", prompt::KEYS),
            _ => {
                let (role, text) = match question.strip_prefix("/tool ") {
                    Some(given) => (Role::Tool, given.to_owned()),
                    None => (Role::User, question),
                };
                unanswered |= !talk.ask(role, text)?;
            }
        }
    }
    if let Some(path) = &args.session {
        kept::store(path, &file, &talk.session, &talk.conversation)?;
    }
    // Somebody at the keyboard has seen it; a script looks at the exit status.
    if unanswered && !questions.are_typed() {
        Err(Failure::said())
    } else {
        Ok(())
    }
}

/// A conversation under way.
struct Talk<'m, 's> {
    conversation: Conversation,
    format: Format<'m>,
    session: Session<'m, 's, 's>,
    sampler: Sampler,
    output: Output,
    /// Tokens to keep free for an answer.
    reserve: usize,
    context: usize,
    is_verbose: bool,
}

impl Talk<'_, '_> {
    /// Answers a question. Says so and returns false if that is not possible.
    fn ask(&mut self, role: Role, question: String) -> Result<bool, Failure> {
        // A Ctrl-C of before was not meant for this answer.
        interrupt::take();
        self.conversation.ask(role, question);
        if let Err(refusal) = self.feed() {
            self.conversation.take_back();
            eprintln!("error: {}", Failure::from(refusal).sentence());
            return Ok(false);
        }
        let session = &mut self.session;
        let mut shown = Shown::new(session.prompt_is_thinking(), Some(&mut self.output));
        let mut answer = Answer::generate(session, &mut self.sampler, None, &mut |text| {
            shown.push(text)
        })?;
        let (_, is_thinking) = shown.finish()?;
        if is_thinking {
            // What is remembered of it is a thought, too.
            answer.text += "\n</think>\n\n";
        }
        let cut = match answer.stop {
            Stop::Cancelled => Some("cancelled"),
            Stop::ContextFull => Some("cut off: the context is full"),
            Stop::MaxTokens => Some("cut off at its limit of tokens"),
            Stop::EndOfTurn | Stop::Deadline => None,
        };
        if let Some(cut) = cut {
            eprintln!("[{cut}]");
        }
        if self.is_verbose {
            eprintln!("[{}]", answer.summary());
        }
        if answer.stop == Stop::Cancelled && answer.tokens.is_empty() {
            self.conversation.take_back();
        } else {
            self.conversation.answer(answer.text);
        }
        Ok(true)
    }

    /// Makes the conversation the session's context, forgetting as much of it as has to be.
    fn feed(&mut self) -> Result<(), Refusal> {
        let mut forgotten = 0;
        let fed = loop {
            let fed = self
                .format
                .feed(&mut self.session, self.conversation.chat());
            let is_too_long = match fed {
                Ok(()) => self.session.tokens().len() + self.reserve > self.context,
                Err(Refusal::Session(Error::PromptTooLong { .. } | Error::TooManyTurns)) => true,
                Err(_) => false,
            };
            if !is_too_long || !self.conversation.forget_oldest() {
                break fed;
            }
            forgotten += 1;
        };
        if forgotten > 0 {
            eprintln!("[the context is full: {forgotten} of the oldest questions forgotten]");
        }
        fed
    }
}
