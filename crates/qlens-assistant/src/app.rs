//! The application on any board: the loop that carries events to the assistant, prompts to the session
//! and what comes of both to the display, the console and the report channel. A board's own `main`
//! brings up its hardware, fills in [`Ports`] and calls [`App::run`].
//!
//! Two loops, one inside the other. The outer one gets a model into RAM and a session onto it; whatever
//! goes wrong there ends on an error page, and a tap tries again. The inner one waits for events and
//! answers questions; a fault there costs the question at most.
//!
//! While the model works, between any two of its layers, [`App`] still polls the sensors, so that a
//! double-tap ends an answer and a swipe turns a page at any moment. When the glasses are hot or the battery is
//! low it pauses between two tokens, and the display goes dark when nobody looks: see [`crate::pace`].

mod answer;
mod events;
mod pacing;
mod ports;
mod report;
pub mod selftest;

use core::fmt;

use embedded_io::Write;
use qlens::model::Model;
use qlens::pack;
use qlens::plan::Plan;
use qlens::session::Session;
use qlens::workers::Workers;
use qlens_board::memory::{MemoryMap, PAGE};
use qlens_board::sha256::Sha256;
use qlens_board::store::Flow;
use qlens_board::{
    Clock, Display, EventQueue, LoadError, ModelStore, NoteStore, Power, SensorSource, load_model,
};

use crate::applications::notes::Store;
use crate::assistant::Progress;
use crate::hud::Hud;
use crate::pace::FIRST_WORD_US;
use crate::{Action, Actions, Assistant, Fault, State};
use events::Idle;
use pacing::Pacing;
use ports::Refusal;
pub use ports::{Context, Memory, Ports, Settings};
use report::Report;

/// Events that may wait while the model is between two layers.
const EVENTS: usize = 16;

/// Time between two reports of loading, in microseconds: a few a second.
const LOADING_REPORT_US: u64 = 250_000;

/// How a conversation with one session ended.
enum End {
    /// The model is to be loaded again.
    Reload,
    /// The board is to stop.
    Stop,
}

/// The application, on the ports of a board.
pub struct App<'a, D, S, C, P, R, W, N = Store> {
    ports: Ports<D, S, C, P, Report<R>, W>,
    assistant: &'a mut Assistant<N>,
    hud: Hud,
    events: EventQueue<EVENTS>,
    /// What the assistant wants and is not done yet.
    wanted: Actions,
    /// The state that was reported last.
    reported: Option<State>,
    power_at_us: u64,
    pacing: Pacing,
    idle: Idle,
    /// Longest wait for a first token, in microseconds of application time.
    first_word_us: u64,
    /// Application time is the events' own.
    replay: bool,
    /// The latest time of an event.
    event_us: u64,
    /// Lost events that were reported, and when the next report may follow.
    dropped: u32,
    dropped_at_us: u64,
    /// Says when to stop; a board never does.
    running: &'a mut dyn FnMut() -> bool,
}

impl<'a, D, S, C, P, R, W, N> App<'a, D, S, C, P, R, W, N>
where
    D: Display,
    S: SensorSource,
    C: Clock,
    P: Power,
    R: Write,
    W: Write,
    N: NoteStore,
{
    /// The application for an assistant that is made for this display. `running` is asked whenever
    /// there is nothing else to do.
    pub fn new(
        ports: Ports<D, S, C, P, R, W>,
        assistant: &'a mut Assistant<N>,
        running: &'a mut dyn FnMut() -> bool,
    ) -> Self {
        let hud = Hud::new(ports.display.bounding_box().size);
        Self {
            ports: Ports {
                display: ports.display,
                sensors: ports.sensors,
                clock: ports.clock,
                power: ports.power,
                report: Report(ports.report),
                console: ports.console,
            },
            assistant,
            hud,
            events: EventQueue::new(),
            wanted: Actions::NONE,
            reported: None,
            power_at_us: 0,
            pacing: Pacing::new(),
            idle: Idle::default(),
            first_word_us: FIRST_WORD_US,
            replay: false,
            event_us: 0,
            dropped: 0,
            dropped_at_us: 0,
            running,
        }
    }

    /// Gives the ports back.
    pub fn into_ports(self) -> Ports<D, S, C, P, R, W> {
        let Ports {
            display,
            sensors,
            clock,
            power,
            report: Report(report),
            console,
        } = self.ports;
        Ports {
            display,
            sensors,
            clock,
            power,
            report,
            console,
        }
    }

    /// Loads the model of `store` into `memory` and answers questions with it, until `running` says
    /// that it is enough. `hasher` makes a fresh hash for each attempt.
    pub fn run<M: ModelStore>(
        &mut self,
        store: &mut M,
        memory: &mut Memory<'_>,
        settings: &Settings,
        workers: &dyn Workers,
        hasher: fn() -> Sha256,
    ) {
        self.replay = settings.replay;
        self.first_word_us = settings.first_word_us;
        self.set_wall_origin();
        loop {
            self.pacing.working = true;
            self.note_state();
            self.carry_out(Action::Draw.into());
            let end = match self.use_model(store, memory, settings, workers, hasher) {
                Ok(end) => end,
                Err(refusal) => {
                    self.fail(Fault::Load, &refusal);
                    self.ready();
                    self.wait_for_reload()
                }
            };
            if let End::Stop = end {
                return;
            }
        }
    }

    /// One model, from its store to the end of the conversation with it.
    fn use_model<M: ModelStore>(
        &mut self,
        store: &mut M,
        memory: &mut Memory<'_>,
        settings: &Settings,
        workers: &dyn Workers,
        hasher: fn() -> Sha256,
    ) -> Result<End, Refusal> {
        let size = self
            .load(store, memory.model, hasher())
            .map_err(Refusal::Load)?;
        // The arena begins at the next page, or in a region of its own.
        let pages = size.next_multiple_of(PAGE as usize).min(memory.model.len());
        let (model, behind) = memory.model.split_at_mut(pages);
        let room = memory.arena.as_deref_mut().unwrap_or(behind);
        // What is no model is not worth the time.
        Model::parse(&model[..size]).map_err(Refusal::Model)?;
        let is_changed = self.interleave(&mut model[..size], room);
        let end = self.converse_with(&model[..size], room, &memory.map, settings, workers);
        if is_changed && store.is_resident() {
            // Nobody brings it anew: it must be what its checksum is of.
            let _ = pack::deinterleave(&mut model[..size], room);
        }
        end
    }

    /// Permutes the model's matrices where they lie, as the kernels want them; returns whether it did.
    fn interleave(&mut self, model: &mut [u8], scratch: &mut [u8]) -> bool {
        let started = self.ports.clock.now_us();
        let done = pack::interleave(model, scratch, &mut |_| self.poll());
        match done {
            Ok(true) => log::info!(
                "its matrices were interleaved in {} ms",
                (self.ports.clock.now_us() - started) / 1000
            ),
            Ok(false) => {}
            Err(error) => log::warn!("it is used as it is: {error}"),
        }
        done == Ok(true)
    }

    /// From a model in memory to the end of the conversation with it.
    fn converse_with(
        &mut self,
        model: &[u8],
        room: &mut [u8],
        map: &MemoryMap<'_>,
        settings: &Settings,
        workers: &dyn Workers,
    ) -> Result<End, Refusal> {
        let size = model.len();
        let model = Model::parse(model).map_err(Refusal::Model)?;
        let plan = Plan::new(model.config(), &settings.limits(&model)).map_err(Refusal::Plan)?;
        let bytes = plan.total();
        let layout = map.place(size as u64, bytes as u64);
        let layout = layout.map_err(Refusal::Map)?;
        // The map said that it fits; what it says of addresses is the board's business.
        let arena = room.get_mut(..bytes).unwrap_or_default();
        let started = self.ports.clock.now_us();
        let mut session = Session::new(&model, &plan, arena, workers).map_err(Refusal::Session)?;
        match model.config().tokenizer_bytes {
            0 => log::info!("the tokenizer's index is the file's"),
            bytes => log::info!(
                "the tokenizer's index was built in {} ms, {bytes} bytes",
                (self.ports.clock.now_us() - started) / 1000
            ),
        }
        log::info!(
            "context {} tokens, batch {}, kernel {}, {} cores; model at {}, arena of {} bytes at {}",
            plan.limits().context,
            plan.limits().batch,
            session.kernel(),
            workers.count(),
            layout.model,
            bytes,
            layout.arena,
        );
        session.set_max_tokens(Some(settings.max_tokens));
        session.set_draft(settings.draft);
        let actions = self.assistant.on_ready();
        self.carry_out(actions);
        // With the log's time stamp, how long it took from reset: `cargo xtask bench` reads it.
        log::info!("ready");
        self.ready();
        Ok(self.converse(&mut session, plan.limits().context, settings.max_tokens))
    }

    /// Brings the model into RAM; returns its size.
    fn load<M: ModelStore>(
        &mut self,
        store: &mut M,
        ram: &mut [u8],
        hash: Sha256,
    ) -> Result<usize, LoadError> {
        let info = store.info()?;
        let verb = if store.is_resident() {
            "checking"
        } else {
            "loading"
        };
        log::info!("{verb} {}, {} bytes", info.name, info.size);
        let started = self.ports.clock.now_us();
        let mut report_at = started;
        load_model(store, ram, hash, &mut |progress| {
            let now = self.ports.clock.now_us();
            if now >= report_at {
                report_at = now + LOADING_REPORT_US;
                self.ports.report.loading(progress.done, progress.total);
            }
            self.poll();
            let actions = self.assistant.on_loading(
                &info.name,
                Progress {
                    done: progress.done,
                    total: progress.total,
                },
            );
            self.carry_out(actions);
            Flow::Continue
        })?;
        let took = self.ports.clock.now_us() - started;
        log::info!("{} is in memory after {} ms", info.name, took / 1000);
        // It was read into a slice of this address space.
        Ok(info.size as usize)
    }

    /// Waits on an error page until a tap asks for another attempt.
    fn wait_for_reload(&mut self) -> End {
        while !self.take(Action::Load) {
            if !(self.running)() {
                return End::Stop;
            }
            self.poll_at_rest();
            self.rest();
        }
        End::Reload
    }

    /// Answers questions until a model is to be loaded again.
    fn converse(
        &mut self,
        session: &mut Session<'_, '_, '_>,
        context: usize,
        max_tokens: usize,
    ) -> End {
        loop {
            self.poll_at_rest();
            if self.take(Action::Load) {
                return End::Reload;
            }
            if self.take(Action::Prompt) {
                if self.take(Action::Cancel) {
                    // Taken back before it was begun.
                    let actions = self.assistant.on_stop(crate::Stop::Cancelled);
                    self.carry_out(actions);
                } else {
                    self.answer(session, context, max_tokens);
                    // It is over, however it ended.
                    self.take(Action::Cancel);
                }
                self.ready();
            } else if (self.running)() {
                self.rest();
            } else {
                return End::Stop;
            }
        }
    }

    /// Shows, logs and reports a fault.
    fn fail(&mut self, fault: Fault, sentence: &dyn fmt::Display) {
        log::error!("{sentence}");
        self.ports.report.error(sentence);
        let actions = self.assistant.on_error(fault, sentence);
        self.carry_out(actions);
    }

    /// Logs and reports the error page that the assistant made by itself.
    fn tell_error(&mut self) {
        let sentence = self.assistant.sentence();
        log::error!("{sentence}");
        self.ports.report.error(&sentence);
    }

    /// Back at the prompt.
    fn ready(&mut self) {
        self.pacing.working = false;
        self.note_state();
        self.ports.report.ready();
    }

    /// Reports the state if it changed.
    fn note_state(&mut self) {
        let state = self.assistant.state();
        if self.reported.replace(state) != Some(state) {
            self.ports.report.state(state);
        }
    }

    /// Whether this is wanted; afterwards it is not any more.
    fn take(&mut self, action: Action) -> bool {
        let wanted = self.wanted.contains(action);
        self.wanted = self.wanted.without(action);
        wanted
    }

    /// Sleeps until something happens, if nothing is to be done.
    fn rest(&mut self) {
        if self.wanted.is_empty() && self.events.is_empty() {
            self.begin_idle();
            self.sleep_until(None);
        }
    }
}
