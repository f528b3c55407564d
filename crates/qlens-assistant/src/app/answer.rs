//! One question, from the prompt to the end of its answer.

use embedded_io::Write;
use qlens::chat::{Event, Parser};
use qlens::sampler::Sampler;
use qlens::session::{self, Interrupt, Phase, Session, Stop, Watch};
use qlens_board::{Clock, Display, NoteStore, Power, SensorSource};

use super::App;
use super::pacing::Work;
use super::report::Done;
use crate::assistant::Progress;
use crate::{Action, Fault, State};

/// The part of the context that is kept free for an answer as long as there are old turns to drop.
const ANSWER_SHARE: usize = 8;

/// Bytes kept of a tool call, which is left out of what is shown.
const CALL_BYTES: usize = 64;

impl<D, S, C, P, R, W, N> App<'_, D, S, C, P, R, W, N>
where
    D: Display,
    S: SensorSource,
    C: Clock,
    P: Power,
    R: Write,
    W: Write,
    N: NoteStore,
{
    /// One question, from the prompt to the end of the answer.
    pub(super) fn answer(
        &mut self,
        session: &mut Session<'_, '_, '_>,
        context: usize,
        max_tokens: usize,
    ) {
        let asked_at = self.ports.clock.now_us();
        self.pacing.working = true;
        // Whatever was to be cancelled before this question is over.
        self.take(Action::Cancel);
        if let (true, Some(reason)) = (self.battery_is_empty(), self.exhausted()) {
            self.fail(Fault::Generation, &reason);
            return;
        }
        let mut work = self.begin_work();
        if let Err(error) = self.feed(session, context, max_tokens) {
            self.fail(Fault::Generation, &error);
            return;
        }
        log::info!("question: {}", self.assistant.question());
        self.ports.report.prompt(session.tokens());
        let mut first_at = None;
        // What the model thinks is not for the lens.
        let mut parser = Parser::<CALL_BYTES>::new(session.prompt_is_thinking());
        let stop = loop {
            let mut watching = Watching {
                app: self,
                work: &mut work,
            };
            let piece = match session.next(&mut Sampler::greedy(), &mut watching) {
                Ok(Some(piece)) => piece,
                Ok(None) => break session.stop_reason().unwrap_or(Stop::EndOfTurn),
                Err(error) => {
                    self.fail(Fault::Generation, &error);
                    return;
                }
            };
            first_at.get_or_insert_with(|| self.ports.clock.now_us());
            if let Some(token) = piece.token {
                self.ports.report.token(token);
            }
            parser.push(piece.text, &mut |event| self.show(event));
        };
        parser.finish(&mut |event| self.show(event));
        let ended_at = self.ports.clock.now_us();
        let first_at = first_at.unwrap_or(ended_at);
        let stats = session.stats();
        let _ = self.ports.console.write_all(b"\n");
        let done = Done {
            stop,
            prompt_us: first_at - asked_at,
            decode_us: ended_at - first_at,
            prompt_tokens: stats.prompt_tokens,
            tokens: stats.generated_tokens,
        };
        log::info!("{done}");
        self.ports.report.done(&done);
        if let (Stop::Deadline, 0, Some(reason)) = (stop, done.tokens, self.exhausted()) {
            self.fail(Fault::Generation, &reason);
            return;
        }
        let actions = self.assistant.on_stop(stop);
        if self.assistant.state() == State::Error {
            self.tell_error();
        }
        self.carry_out(actions);
    }

    /// Shows what is for the person of an answer. Nobody here can be called.
    fn show(&mut self, event: Event<'_>) {
        let Event::Answer(text) = event else {
            return;
        };
        self.ports.report.text(text);
        let _ = self.ports.console.write_all(text.as_bytes());
        let actions = self.assistant.on_token(text);
        self.carry_out(actions);
    }

    /// Makes the session's context the conversation; old turns leave as long as that takes.
    fn feed(
        &mut self,
        session: &mut Session<'_, '_, '_>,
        context: usize,
        max_tokens: usize,
    ) -> Result<(), session::Error> {
        use session::Error::{PromptTooLong, TooManyTurns};
        let wanted = (context / ANSWER_SHARE).min(max_tokens);
        loop {
            let fed = session.feed(&self.assistant.chat());
            let refused = match fed {
                Ok(()) if session.tokens().len() + wanted <= context => return Ok(()),
                Ok(()) => None,
                Err(error) => Some(error),
            };
            let too_much = matches!(refused, None | Some(PromptTooLong { .. } | TooManyTurns));
            if !too_much || !self.assistant.drop_oldest_turn() {
                // A question that fits is asked, however little room it leaves.
                return refused.map_or(Ok(()), Err);
            }
            log::info!("the conversation is too long: its oldest turn was dropped");
        }
    }
}

/// The application, watching over its session.
struct Watching<'w, 'a, D, S, C, P, R, W, N> {
    app: &'w mut App<'a, D, S, C, P, R, W, N>,
    work: &'w mut Work,
}

impl<D, S, C, P, R, W, N> Watch for Watching<'_, '_, D, S, C, P, R, W, N>
where
    D: Display,
    S: SensorSource,
    C: Clock,
    P: Power,
    R: Write,
    W: Write,
    N: NoteStore,
{
    fn check(&mut self, at: session::Progress) -> Option<Interrupt> {
        let app = &mut *self.app;
        app.poll();
        if at.phase == Phase::Prefill {
            let actions = app.assistant.on_progress(Progress {
                done: at.done as u64,
                total: at.total as u64,
            });
            app.carry_out(actions);
        }
        app.pause(self.work, at)
    }
}
