//! The rest of a file over HTTP (RFC 9110): asked for as a range, tried again when it breaks off, and
//! taken for what it is. A server may answer a range with the whole file, with a page that says sorry,
//! or not at all; none of that ends up in a model.
//!
//! A range is asked for without `If-Range`: what the bytes have to be is known before the first of them
//! comes, so a file that changed meanwhile is found out by its size at once and by its digest at the end.
//!
//! Requests run on a thread of their own, so that whoever watches is asked several times a second even
//! while a server is silent.

mod answer;

use std::io::Read as _;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustls::crypto::CryptoProvider;
use ureq::Agent;
use ureq::http::header;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::assembly::Assembly;
use crate::{Error, Progress, Step, Watch};
use answer::{Answer, Fault};

/// This many failures in a row are the end. One that brought a good piece before it failed does not count.
const ATTEMPTS: u32 = 5;
const GOOD_PIECE: u64 = 1 << 20;
/// Pauses between attempts get no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often the caller hears of progress and may stop it.
const POLL: Duration = Duration::from_millis(100);
/// Bytes that are handed over at a time: few enough that a slow connection shows progress.
const PIECE: u64 = 1 << 17;
/// Pieces that have arrived and wait to be written.
const PIECES: usize = 16;
const USER_AGENT: &str = concat!("qlens/", env!("CARGO_PKG_VERSION"));

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Before the second attempt; twice as long each time after.
    pub pause: Duration,
    /// For a server that says nothing.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(1),
            silence: Duration::from_secs(30),
        }
    }
}

/// Fetches what `assembly` misses of the file at `url`.
pub(crate) fn append_rest(
    url: &str,
    patience: Patience,
    assembly: &mut Assembly,
    watch: &mut Watch<'_>,
) -> Result<(), Error> {
    let mut failures = 0;
    loop {
        let (before, total) = assembly.progress();
        if before == total {
            return Ok(());
        }
        let said = match attempt(url, patience, assembly, watch) {
            Ok(()) => return Ok(()),
            Err(Fault::Lasting(error)) => return Err(error),
            Err(Fault::Passing(said)) => said,
        };
        if assembly.progress().0 - before >= GOOD_PIECE {
            failures = 0;
        }
        failures += 1;
        if failures == ATTEMPTS {
            return Err(Error::Unreachable {
                url: url.to_owned(),
                said,
                attempts: ATTEMPTS,
            });
        }
        let pause = patience.pause.saturating_mul(1 << (failures - 1));
        wait(pause.min(LONGEST_PAUSE), assembly, watch)?;
    }
}

/// What the thread that talks to the server has to say.
enum Message {
    Answer(Answer),
    Bytes(Vec<u8>),
    Fault(Fault),
}

/// Makes one request and keeps what it brings.
fn attempt(
    url: &str,
    patience: Patience,
    assembly: &mut Assembly,
    watch: &mut Watch<'_>,
) -> Result<(), Fault> {
    let agent = agent(patience.silence)?;
    let (done, total) = assembly.progress();
    let (to, from) = sync_channel(PIECES);
    let asked = url.to_owned();
    // It ends with the answer, with a server's silence, or when nobody listens any more.
    thread::spawn(move || {
        if let Err(fault) = talk(&agent, &asked, done, &to) {
            let _ = to.send(Message::Fault(fault));
        }
    });
    // Bytes of the answer that are there already.
    let mut skip = 0;
    while let Some(message) = next(&from, assembly, watch)? {
        match message {
            Message::Fault(fault) => return Err(fault),
            Message::Answer(answer) => skip = done - answer.start(url, done, total)?,
            Message::Bytes(mut bytes) => {
                let known = usize::try_from(skip).map_or(bytes.len(), |skip| skip.min(bytes.len()));
                skip -= known as u64;
                bytes.drain(..known);
                let (done, _) = assembly.progress();
                if bytes.len() as u64 > total - done {
                    return Err(Fault::Lasting(Error::WrongLength {
                        url: url.to_owned(),
                        expected: total,
                        found: None,
                    }));
                }
                assembly.write(&bytes).map_err(Fault::Lasting)?;
            }
        }
    }
    match assembly.progress() {
        (done, total) if done == total => Ok(()),
        _ => Err(Fault::Passing("the connection was cut".into())),
    }
}

/// The next message; `None` when the answer is over.
fn next(
    from: &Receiver<Message>,
    assembly: &Assembly,
    watch: &mut Watch<'_>,
) -> Result<Option<Message>, Fault> {
    loop {
        go_on(assembly, watch).map_err(Fault::Lasting)?;
        match from.recv_timeout(POLL) {
            Ok(message) => return Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
}

fn wait(pause: Duration, assembly: &Assembly, watch: &mut Watch<'_>) -> Result<(), Error> {
    let end = Instant::now() + pause;
    loop {
        go_on(assembly, watch)?;
        match end.checked_duration_since(Instant::now()) {
            None => return Ok(()),
            Some(left) => thread::sleep(left.min(POLL)),
        }
    }
}

fn go_on(assembly: &Assembly, watch: &mut Watch<'_>) -> Result<(), Error> {
    let (done, total) = assembly.progress();
    let step = Step::Fetching;
    match watch(Progress { step, done, total }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Cancelled),
    }
}

/// Asks for the file from byte `done` on, and hands over the answer piece by piece.
fn talk(agent: &Agent, url: &str, done: u64, to: &SyncSender<Message>) -> Result<(), Fault> {
    let mut request = agent.get(url);
    if done > 0 {
        request = request.header(header::RANGE, format!("bytes={done}-"));
    }
    let response = request.call().map_err(|error| answer::fault(url, &error))?;
    let mut heard = to.send(Message::Answer(Answer::of(&response)));
    let mut body = response.into_body().into_reader();
    while heard.is_ok() {
        let mut piece = Vec::new();
        // What came before a cut is worth keeping.
        let read = body.by_ref().take(PIECE).read_to_end(&mut piece);
        if !piece.is_empty() {
            heard = to.send(Message::Bytes(piece));
        }
        match read {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(Fault::Passing(error.to_string())),
        }
    }
    Ok(())
}

fn agent(silence: Duration) -> Result<Agent, Fault> {
    let provider = provider().ok_or(Fault::Lasting(Error::NoTls))?;
    let tls = TlsConfig::builder()
        .root_certs(root_certs())
        .unversioned_rustls_crypto_provider(Arc::new(provider))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .user_agent(USER_AGENT)
        .http_status_as_error(false)
        .timeout_resolve(Some(silence))
        .timeout_connect(Some(silence))
        .timeout_recv_response(Some(silence))
        .timeout_per_read(Some(silence))
        .timeout_per_write(Some(silence))
        .build();
    Ok(config.new_agent())
}

/// Whom this machine trusts; where it does not say, whom browsers do.
fn root_certs() -> RootCerts {
    let own = rustls_native_certs::load_native_certs().certs;
    if own.is_empty() {
        return RootCerts::WebPki;
    }
    let own: Vec<_> = own
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    RootCerts::from(own)
}

/// The cryptography, if this processor has the instructions that it is made of.
#[cfg(target_arch = "x86_64")]
fn provider() -> Option<CryptoProvider> {
    use std::arch::is_x86_feature_detected as has;
    let is_able = has!("adx")
        && has!("aes")
        && has!("avx")
        && has!("avx2")
        && has!("bmi1")
        && has!("pclmulqdq");
    is_able.then(rustls_graviola::default_provider)
}

/// The cryptography, if this processor has the instructions that it is made of.
#[cfg(target_arch = "aarch64")]
fn provider() -> Option<CryptoProvider> {
    use std::arch::is_aarch64_feature_detected as has;
    let is_able = has!("neon") && has!("aes") && has!("pmull") && has!("sha2");
    is_able.then(rustls_graviola::default_provider)
}

/// There is none that is made of portable instructions and needs no C compiler.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn provider() -> Option<CryptoProvider> {
    None
}
