//! Fetching from a hub as it happens to people: a server on this machine that redirects, breaks off,
//! lies, is busy, falls silent, answers with an error page.

mod server;

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use qlens_models::{Cache, Clients, Error, Hasher, Hub, Manifest, Progress, Sha256, Source, State};
use server::{Reply, Request, Server};

const SIZE: usize = 300_001;
const HALF: usize = SIZE / 2;

/// Bytes that do not compress, as weights do not.
fn bytes(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

fn sha256(bytes: &[u8]) -> Sha256 {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

fn manifest(size: usize) -> Manifest {
    Manifest {
        name: "toy".into(),
        architecture: "qwen3".into(),
        file: "toy.gguf".into(),
        size: size as u64,
        sha256: sha256(&bytes(size)),
        licence: "Apache-2.0".into(),
        boards: Vec::new(),
        sources: vec![Source::HuggingFace {
            repository: "owner/toy-GGUF".into(),
            revision: "main".into(),
            path: Some("sub/toy-q4_0.gguf".into()),
        }],
    }
}

const PATH: &str = "/owner/toy-GGUF/resolve/main/sub/toy-q4_0.gguf";

/// A cache of its own for a test, and a server for it.
struct Scene {
    cache: Cache,
    clients: Clients,
    server: Server,
    manifest: Manifest,
}

impl Scene {
    fn new(test: &str, reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("hub-{test}"));
        let _ = fs::remove_dir_all(&folder);
        Self::in_folder(folder, reply)
    }

    fn in_folder(
        folder: PathBuf,
        reply: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let server = Server::start(reply);
        let hub =
            Hub::at(&server.address).patience(Duration::from_millis(1), Duration::from_millis(300));
        Self {
            cache: Cache::at(folder),
            clients: Clients {
                hub,
                ..Clients::default()
            },
            server,
            manifest: manifest(SIZE),
        }
    }

    fn fetch(&self) -> Result<PathBuf, Error> {
        self.fetch_watched(&mut |_| ControlFlow::Continue(()))
    }

    fn fetch_watched(
        &self,
        watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<PathBuf, Error> {
        self.cache.fetch_with(&self.manifest, &self.clients, watch)
    }

    /// As an earlier run left it.
    fn leave(&self, bytes: &[u8]) {
        fs::create_dir_all(self.cache.folder()).unwrap();
        fs::write(self.cache.folder().join("toy.gguf.part"), bytes).unwrap();
    }

    fn left(&self) -> Vec<u8> {
        fs::read(self.cache.folder().join("toy.gguf.part")).unwrap()
    }

    #[track_caller]
    fn is_whole(&self) {
        let found = fs::read(self.cache.path(&self.manifest)).unwrap();
        assert!(found == bytes(self.manifest.size as usize));
        assert_eq!(self.cache.state(&self.manifest), State::Verified);
        assert_eq!(self.files(), ["toy.gguf", "toy.gguf.verified"]);
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.cache.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "toy.gguf.lock")
            .collect();
        names.sort();
        names
    }

    /// First bytes of the ranges that were asked for; `None` where it was the whole.
    fn ranges(&self) -> Vec<Option<usize>> {
        self.server.requests().iter().map(|r| r.from).collect()
    }
}

/// As a server of files does.
fn serve(request: &Request) -> Reply {
    Reply::file(&bytes(SIZE), request.from)
}

#[test]
fn a_whole_file_behind_redirects() {
    let scene = Scene::new("whole", |request| match request.path.as_str() {
        PATH => Reply::redirect("/one/two"),
        "/one/two" => Reply::redirect("three"),
        "/one/three" => serve(request),
        other => panic!("{other}"),
    });
    let mut seen = Vec::new();
    scene
        .fetch_watched(&mut |progress| {
            seen.push(progress.done);
            ControlFlow::Continue(())
        })
        .unwrap();
    scene.is_whole();
    assert!(seen.is_sorted() && seen.len() > 2);
    assert_eq!(scene.server.requests().len(), 3);
    // What is there is not asked for again.
    scene.fetch().unwrap();
    assert_eq!(scene.server.requests().len(), 3);
}

#[test]
fn the_rest_of_a_file_is_asked_for_wherever_it_lies() {
    let scene = Scene::new("rest", |request| match request.path.as_str() {
        PATH => Reply::redirect("/elsewhere"),
        _ => serve(request),
    });
    scene.leave(&bytes(SIZE)[..HALF]);
    assert_eq!(scene.cache.partial_bytes(&scene.manifest), HALF as u64);
    scene.fetch().unwrap();
    scene.is_whole();
    assert_eq!(scene.ranges(), [Some(HALF), Some(HALF)]);
}

#[test]
fn a_server_that_knows_no_ranges_sends_the_whole() {
    let scene = Scene::new("no-ranges", |_| Reply::file(&bytes(SIZE), None));
    scene.leave(&bytes(SIZE)[..HALF]);
    scene.fetch().unwrap();
    scene.is_whole();
    assert_eq!(scene.ranges(), [Some(HALF)]);
}

#[test]
fn a_server_that_starts_before_what_was_asked_for() {
    let scene = Scene::new("before", |_| Reply::file(&bytes(SIZE), Some(1000)));
    scene.leave(&bytes(SIZE)[..HALF]);
    scene.fetch().unwrap();
    scene.is_whole();
}

#[test]
fn a_file_that_was_all_there_but_for_its_name() {
    let scene = Scene::new("all", |_| panic!("there is nothing to ask for"));
    scene.leave(&bytes(SIZE));
    scene.fetch().unwrap();
    scene.is_whole();
}

#[test]
fn more_than_the_file_is_not_a_part_of_it() {
    let scene = Scene::new("more", serve);
    scene.leave(&bytes(SIZE + 1));
    scene.fetch().unwrap();
    scene.is_whole();
    assert_eq!(scene.ranges(), [None]);
}

#[test]
fn a_busy_server_is_asked_again() {
    let scene = Scene::new("busy", |request| match request.nth {
        0 => Reply::status("503 Service Unavailable"),
        1 => Reply::status("429 Too Many Requests"),
        _ => serve(request),
    });
    scene.fetch().unwrap();
    scene.is_whole();
    assert_eq!(scene.server.requests().len(), 3);
}

#[test]
fn a_server_that_stays_busy_is_let_be() {
    let scene = Scene::new("overload", |_| Reply::status("503 Service Unavailable"));
    scene.leave(&bytes(SIZE)[..HALF]);
    let said = scene.fetch().unwrap_err().to_string();
    assert!(
        said.contains("tried 5 times") && said.contains("503"),
        "{said}"
    );
    assert_eq!(scene.server.requests().len(), 5);
    assert_eq!(scene.left(), bytes(SIZE)[..HALF]);
}

#[test]
fn nobody_answers() {
    let mut scene = Scene::new("nobody", serve);
    // A port that was just given back.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    scene.clients.hub =
        Hub::at(&address).patience(Duration::from_millis(1), Duration::from_millis(300));
    let said = scene.fetch().unwrap_err().to_string();
    assert!(
        said.contains("tried 5 times") && said.contains(&address),
        "{said}"
    );
    scene.clients.hub = Hub::at("not an address");
    let said = scene.fetch().unwrap_err().to_string();
    assert!(said.contains("set HF_ENDPOINT"), "{said}");
}

#[test]
fn what_was_cut_goes_on_where_it_was_cut() {
    for (name, length) in [("cut", true), ("cut-unknown-length", false)] {
        let scene = Scene::new(name, move |request| {
            let mut reply = serve(request);
            reply.length = length.then_some(reply.body.len());
            match request.nth {
                0 => reply.cut(HALF),
                _ => reply,
            }
        });
        scene.fetch().unwrap();
        scene.is_whole();
        assert_eq!(scene.ranges(), [None, Some(HALF)]);
    }
}

#[test]
fn cuts_are_survived_as_long_as_it_goes_on() {
    const LARGE: usize = 9 << 20;
    let mut scene = Scene::new("cuts", |request| {
        Reply::file(&bytes(LARGE), request.from).cut((1 << 20) + 1)
    });
    scene.manifest = manifest(LARGE);
    scene.fetch().unwrap();
    scene.is_whole();
    assert_eq!(scene.server.requests().len(), 9);

    let scene = Scene::new("crumbs", |request| serve(request).cut(1000));
    let said = scene.fetch().unwrap_err().to_string();
    assert!(
        said.contains("tried 5 times") && said.contains("kept"),
        "{said}"
    );
    assert_eq!(scene.left(), bytes(SIZE)[..5000]);
}

#[test]
fn a_server_that_falls_silent_is_asked_again() {
    let scene = Scene::new("silent", |request| match request.nth {
        0 => serve(request).then_silence(HALF),
        _ => serve(request),
    });
    scene.fetch().unwrap();
    scene.is_whole();
    assert_eq!(scene.ranges(), [None, Some(HALF)]);
}

#[test]
fn it_stops_at_once_and_goes_on_another_day() {
    let mut scene = Scene::new("stopped", |request| match request.nth {
        0 => serve(request).then_silence(HALF),
        _ => serve(request),
    });
    scene.clients.hub =
        Hub::at(&scene.server.address).patience(Duration::from_secs(60), Duration::from_secs(60));
    let since = Instant::now();
    let fault = scene
        .fetch_watched(&mut |progress| match progress.done as usize {
            HALF => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .unwrap_err();
    assert!(matches!(fault, Error::Cancelled), "{fault}");
    assert!(since.elapsed() < Duration::from_secs(20));
    assert_eq!(scene.files(), ["toy.gguf.part"]);
    assert_eq!(scene.left(), bytes(SIZE)[..HALF]);
    scene.fetch().unwrap();
    scene.is_whole();
    assert_eq!(scene.ranges(), [None, Some(HALF)]);
}

#[test]
fn a_file_of_unknown_length_is_as_long_as_it_is() {
    let scene = Scene::new("unknown", |request| {
        let mut reply = serve(request);
        reply.length = None;
        reply
    });
    scene.fetch().unwrap();
    scene.is_whole();
    assert_eq!(scene.ranges(), [None]);
}

/// What the server does, what is said of it, how often it was asked.
type Case<'a> = (&'a str, fn(&Request) -> Reply, &'a str, usize);

#[test]
fn what_is_not_the_file_is_refused_and_leaves_what_was_there() {
    let other = SIZE + 1;
    let (longer, shorter) = (other.to_string(), HALF.to_string());
    let cases: [Case; 9] = [
        (
            "missing",
            |_| Reply::status("404 Not Found"),
            "no such file",
            1,
        ),
        ("gone", |_| Reply::status("410 Gone"), "no such file", 1),
        (
            "private",
            |_| Reply::status("401 Unauthorized"),
            "not public",
            1,
        ),
        ("loop", |_| Reply::redirect(PATH), "without end", 11),
        (
            "page",
            |_| Reply::page("<html>Please log in</html>"),
            "a web page",
            1,
        ),
        (
            "longer",
            |r| Reply::file(&bytes(SIZE + 1), r.from),
            &longer,
            1,
        ),
        (
            "shorter",
            |r| Reply::file(&bytes(HALF), r.from),
            &shorter,
            1,
        ),
        (
            "longer-unknown",
            |r| {
                let mut reply = Reply::file(&bytes(SIZE + 1), None);
                reply.length = None;
                assert!(r.from.is_some());
                reply
            },
            "another number",
            1,
        ),
        (
            "other-range",
            |_| Reply::file(&bytes(SIZE), Some(HALF + 7)),
            "from 150000 on were asked for",
            1,
        ),
    ];
    for (name, reply, says, asked) in cases {
        let scene = Scene::new(name, reply);
        scene.leave(&bytes(SIZE)[..HALF]);
        let said = scene.fetch().unwrap_err().to_string();
        assert!(said.contains(says), "{name}: {said}");
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
        assert_eq!(scene.server.requests().len(), asked, "{name}");
        assert_eq!(scene.files(), ["toy.gguf.part"], "{name}");
        assert!(bytes(SIZE).starts_with(&scene.left()), "{name}");
        assert!(scene.left().len() >= HALF, "{name}");
    }
}

#[test]
fn a_shorter_file_of_unknown_length_is_found_out_at_its_end() {
    let scene = Scene::new("shorter-unknown", |request| {
        let mut reply = Reply::file(&bytes(HALF), request.from);
        reply.length = None;
        reply
    });
    let said = scene.fetch().unwrap_err().to_string();
    assert!(
        said.contains(&format!("the file there has {HALF}")),
        "{said}"
    );
    assert_eq!(scene.ranges(), [None, Some(HALF)]);
}

#[test]
fn other_bytes_are_deleted() {
    let scene = Scene::new("other", |request| {
        let mut other = bytes(SIZE);
        other[HALF] ^= 1;
        Reply::file(&other, request.from)
    });
    let fault = scene.fetch().unwrap_err();
    assert!(matches!(fault, Error::WrongFile { .. }), "{fault}");
    assert!(scene.files().is_empty());

    // So is what another file left behind, and the next run begins anew.
    let scene = Scene::new("rotten", serve);
    scene.leave(&[0; HALF]);
    assert!(matches!(scene.fetch(), Err(Error::WrongFile { .. })));
    assert!(scene.files().is_empty());
    scene.fetch().unwrap();
    scene.is_whole();
}

#[test]
fn the_second_source_is_asked_when_the_first_does_not_have_it() {
    let mut scene = Scene::new("second", |request| {
        if request.path.starts_with("/owner/") {
            return Reply::status("404 Not Found");
        }
        serve(request)
    });
    scene.manifest.sources.push(Source::HuggingFace {
        repository: "mirror/toy".into(),
        revision: "v1".into(),
        path: None,
    });
    scene.fetch().unwrap();
    scene.is_whole();
    let asked = scene.server.requests();
    assert_eq!(asked[1].path, "/mirror/toy/resolve/v1/toy.gguf");
}

#[test]
fn a_disk_that_is_too_small_is_told_before_anything_is_fetched() {
    let mut scene = Scene::new("small", |_| panic!("there is no room for it"));
    scene.manifest.size = 1 << 60;
    let fault = scene.fetch().unwrap_err();
    assert!(
        matches!(fault, Error::NoRoom { needed, .. } if needed == 1 << 60),
        "{fault}"
    );
    assert!(fault.to_string().contains("QLENS_CACHE"), "{fault}");
    assert!(scene.files().is_empty());
}

/// A file system of so many bytes, for as long as this lives.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this user may not mount one.
    fn new(name: &str, size: usize) -> Option<Self> {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(&path)
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(Self(path))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_fills_up_meanwhile_keeps_what_it_has() {
    let Some(disk) = Disk::new("hub-full", 400 << 10) else {
        eprintln!("left out: this user may not mount a file system");
        return;
    };
    let filler = disk.0.join("filler");
    let fill = filler.clone();
    let scene = Scene::in_folder(disk.0.join("models"), move |request| {
        if request.nth == 0 {
            fs::write(&fill, vec![0; 250 << 10]).unwrap();
        }
        serve(request)
    });
    let said = scene.fetch().unwrap_err().to_string();
    assert!(
        said.contains("its disk is full") && said.contains("toy.gguf.part"),
        "{said}"
    );
    assert_eq!(scene.files(), ["toy.gguf.part"]);
    assert!(bytes(SIZE).starts_with(&scene.left()));

    fs::remove_file(filler).unwrap();
    scene.fetch().unwrap();
    scene.is_whole();
}
