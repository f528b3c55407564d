//! A model in a cache of its own, and the server that has it.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use qlens_models::{Cache, Clients, Error, Hasher, Hub, Manifest, Progress, Sha256, Source, State};

use crate::server::{Reply, Request, Server};

pub const SIZE: usize = 300_001;
pub const HALF: usize = SIZE / 2;

/// Bytes that do not compress, as weights do not.
pub fn bytes(size: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

pub fn sha256(bytes: &[u8]) -> Sha256 {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

pub fn manifest(size: usize) -> Manifest {
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

pub const PATH: &str = "/owner/toy-GGUF/resolve/main/sub/toy-q4_0.gguf";

/// A cache of its own for a test, and a server for it.
pub struct Scene {
    pub cache: Cache,
    pub clients: Clients,
    pub server: Server,
    pub manifest: Manifest,
}

impl Scene {
    pub fn new(test: &str, reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("hub-{test}"));
        let _ = fs::remove_dir_all(&folder);
        Self::in_folder(folder, reply)
    }

    pub fn in_folder(
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

    pub fn fetch(&self) -> Result<PathBuf, Error> {
        self.fetch_watched(&mut |_| ControlFlow::Continue(()))
    }

    pub fn fetch_watched(
        &self,
        watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<PathBuf, Error> {
        self.cache.fetch_with(&self.manifest, &self.clients, watch)
    }

    /// As an earlier run left it.
    pub fn leave(&self, bytes: &[u8]) {
        fs::create_dir_all(self.cache.folder()).unwrap();
        fs::write(self.cache.folder().join("toy.gguf.part"), bytes).unwrap();
    }

    pub fn left(&self) -> Vec<u8> {
        fs::read(self.cache.folder().join("toy.gguf.part")).unwrap()
    }

    #[track_caller]
    pub fn is_whole(&self) {
        let found = fs::read(self.cache.path(&self.manifest)).unwrap();
        assert!(found == bytes(self.manifest.size as usize));
        assert_eq!(self.cache.state(&self.manifest), State::Verified);
        assert_eq!(self.files(), ["toy.gguf", "toy.gguf.verified"]);
    }

    pub fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.cache.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "toy.gguf.lock")
            .collect();
        names.sort();
        names
    }

    /// First bytes of the ranges that were asked for; `None` where it was the whole.
    pub fn ranges(&self) -> Vec<Option<usize>> {
        self.server.requests().iter().map(|r| r.from).collect()
    }
}

/// As a server of files does.
pub fn serve(request: &Request) -> Reply {
    Reply::file(&bytes(SIZE), request.from)
}
