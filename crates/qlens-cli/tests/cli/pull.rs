//! `qlens pull`, from a hub on this machine.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use qlens_models::{Hasher, Sha256};
use tempfile::TempDir;

use crate::server::{Reply, Request, Server};
use crate::support::{Outcome, QLENS, folder, model, names_in, path_in, qlens, signal, start};

fn sha256(bytes: &[u8]) -> Sha256 {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// A hub that has the fixture model, and an empty cache.
struct Scene {
    cache: TempDir,
    server: Server,
    manifest: String,
}

impl Scene {
    fn new(reply: impl Fn(&Request, &[u8]) -> Reply + Send + Sync + 'static) -> Self {
        let bytes = fs::read(model()).unwrap();
        let manifest = format!(
            "name = \"toy\"\narchitecture = \"qwen2\"\nfile = \"toy.gguf\"\nsize = {}\nsha256 = \"{}\"\n\
             licence = \"MIT\"\n[[source]]\nkind = \"hugging-face\"\nrepository = \"owner/toy\"\n",
            bytes.len(),
            sha256(&bytes)
        );
        Self {
            cache: folder(),
            server: Server::start(move |request| reply(request, &bytes)),
            manifest,
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = qlens(args);
        command
            .env("QLENS_CACHE", self.cache.path())
            .env("HF_ENDPOINT", &self.server.address)
            .env("NO_PROXY", "127.0.0.1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Outcome {
        Outcome::of(&mut self.command(args))
    }

    /// Writes the manifest and returns its path.
    fn written(&self) -> String {
        let path = path_in(&self.cache, "mine.toml");
        fs::write(&path, &self.manifest).unwrap();
        path
    }

    fn models(&self) -> PathBuf {
        self.cache.path().join("models")
    }

    fn file(&self) -> PathBuf {
        self.models().join("toy.gguf")
    }
}

fn serve(request: &Request, bytes: &[u8]) -> Reply {
    Reply::file(bytes, request.from)
}

#[test]
fn a_manifest_of_ones_own_is_a_model_like_any() {
    let scene = Scene::new(serve);
    let said = scene.run(&["pull", "toy"]).refused(1);
    assert!(
        said.contains("\"toy\"") && said.contains("qwen2.5-coder-1.5b"),
        "{said}"
    );

    let path = scene.run(&["pull", &scene.written()]).done();
    assert_eq!(path.trim_end(), scene.file().to_str().unwrap());
    assert!(fs::read(model()).unwrap() == fs::read(scene.file()).unwrap());
    assert_eq!(
        scene.server.requests()[0].path,
        "/owner/toy/resolve/main/toy.gguf"
    );

    // From then on it has a name, and nothing more is asked for.
    assert_eq!(scene.run(&["pull", "toy"]).done(), path);
    assert_eq!(scene.server.requests().len(), 1);
    let plan = scene
        .run(&["plan", "toy", "--board", "rokid", "--json"])
        .json();
    assert_eq!(plan["fits"], true);
    let report = scene.run(&["models", "--json"]).json();
    let toy = report["models"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&toy["name"], &toy["cache"]),
        (&"toy".into(), &"verified".into())
    );
    assert_eq!(toy["fits_from"], "file");
    let fits = toy["fits"].as_array().unwrap();
    let is_named = |board: &str| fits.iter().any(|fit| fit["board"] == board);
    assert!(is_named("qemu-virt") && is_named("rokid"), "{toy}");
    assert!(!is_named("sensor-hub"), "it runs no model");
    assert!(fits.iter().all(|fit| fit["context"] == 512), "{toy}");
}

#[test]
fn ctrl_c_leaves_what_the_next_run_goes_on_from() {
    let scene = Scene::new(|request, bytes| match request.nth {
        0 => serve(request, bytes).then_silence(1_200_000),
        _ => serve(request, bytes),
    });
    let path = scene.written();
    let mut child = start(&mut scene.command(&["pull", &path]));
    let growing = scene.models().join("toy.gguf.part");
    while fs::metadata(&growing).map_or(0, |found| found.len()) < 1_200_000 {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    signal(&child, "INT");
    let outcome = Outcome::from(child.wait_with_output().unwrap());
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(130), ""));
    for part in ["1.2 MB of 1.4 MB are kept", "`qlens pull toy` goes on"] {
        assert!(outcome.stderr.contains(part), "{outcome:?}");
    }
    assert!(!scene.file().exists());
    assert_eq!(
        scene.run(&["models", "--json"]).json()["models"][2]["cache"],
        "partial"
    );

    scene.run(&["pull", "toy"]).done();
    assert!(fs::read(model()).unwrap() == fs::read(scene.file()).unwrap());
    let asked: Vec<_> = scene.server.requests().iter().map(|r| r.from).collect();
    assert_eq!(asked, [None, Some(1_200_000)]);
}

/// The last line that was said, without those of progress.
fn sentence(outcome: &Outcome) -> String {
    assert_eq!(
        (outcome.status, outcome.stdout.as_str()),
        (Some(1), ""),
        "{outcome:?}"
    );
    let said: Vec<&str> = outcome
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(said.len(), 1, "{outcome:?}");
    said[0].to_owned()
}

#[test]
fn what_does_not_match_is_refused() {
    let scene = Scene::new(|request, bytes| {
        let mut other = bytes.to_vec();
        other[1000] ^= 1;
        Reply::file(&other, request.from)
    });
    let said = sentence(&scene.run(&["pull", &scene.written()]));
    assert!(
        said.contains("is wrong and was deleted: expected SHA-256"),
        "{said}"
    );
    let left = names_in(&scene.models());
    assert_eq!(left, ["toy.gguf.lock", "toy.toml"]);

    let scene = Scene::new(|_, _| Reply::page("<html>no</html>"));
    let said = sentence(&scene.run(&["pull", &scene.written()]));
    assert!(said.contains("a web page, not a file"), "{said}");
    assert!(!scene.file().exists());

    let scene = Scene::new(|request, _| match request.path.as_str() {
        "/elsewhere" => Reply::status("404 Not Found"),
        _ => Reply::redirect("/elsewhere"),
    });
    let said = sentence(&scene.run(&["pull", &scene.written()]));
    assert!(said.contains("there is no such file"), "{said}");

    let mut scene = Scene::new(serve);
    scene.manifest = scene.manifest.replace("toy.gguf", "../toy.gguf");
    let said = sentence(&scene.run(&["pull", &scene.written()]));
    assert!(
        said.contains("mine.toml") && said.contains("plain file name"),
        "{said}"
    );
    assert!(!scene.models().exists());
}

#[test]
fn a_file_that_may_not_grow_is_kept_as_far_as_it_came() {
    let scene = Scene::new(serve);
    let path = scene.written();
    // Blocks of 512 bytes; without the trap the signal would end the program.
    let shell = format!("trap '' XFSZ; ulimit -f 1000; exec {QLENS} pull {path}");
    let outcome = Outcome::of(
        Command::new("sh")
            .args(["-c", &shell])
            .env("QLENS_CACHE", scene.cache.path())
            .env("HF_ENDPOINT", &scene.server.address)
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null()),
    );
    let said = sentence(&outcome);
    assert!(
        said.contains("cannot write") && said.contains("toy.gguf.part"),
        "{said}"
    );
    assert!(!scene.file().exists());
    let kept = fs::metadata(scene.models().join("toy.gguf.part"))
        .unwrap()
        .len();
    assert!((1..=512_000).contains(&kept), "{kept}");
    scene.run(&["pull", "toy"]).done();
    assert_eq!(scene.server.requests()[1].from, Some(kept as usize));
}

#[test]
fn progress_goes_to_stderr_alone() {
    let scene = Scene::new(serve);
    let path = scene.written();
    let mut child = start(&mut scene.command(&["pull", &path]));
    let first = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .next()
        .unwrap()
        .unwrap();
    assert!(first.contains("fetching toy (1.4 MB, MIT) into"), "{first}");
    let outcome = child.wait_with_output().unwrap();
    assert_eq!(
        String::from_utf8(outcome.stdout).unwrap().lines().count(),
        1
    );
}
