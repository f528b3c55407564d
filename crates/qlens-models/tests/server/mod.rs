//! A small HTTP server that does what a test wants it to do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What was asked.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    /// First byte of the range that was asked for, if one was.
    pub from: Option<usize>,
    /// Requests before this one.
    pub nth: usize,
}

/// What is answered.
pub struct Reply {
    status: String,
    headers: Vec<String>,
    pub body: Vec<u8>,
    /// What `Content-Length` says; without one the body ends with the connection.
    pub length: Option<usize>,
    /// Bytes of the body that are sent before the connection ends.
    sent: usize,
    /// How long it stays open after that.
    silence: Duration,
}

impl Reply {
    fn new(status: &str, headers: Vec<String>, body: Vec<u8>) -> Self {
        Self {
            status: status.into(),
            headers,
            length: Some(body.len()),
            sent: body.len(),
            body,
            silence: Duration::ZERO,
        }
    }

    /// A file from a byte on, as servers answer a range.
    pub fn file(bytes: &[u8], from: Option<usize>) -> Self {
        let kind = "Content-Type: application/octet-stream".to_owned();
        let size = bytes.len();
        match from {
            None => Self::new("200 OK", vec![kind], bytes.to_vec()),
            Some(from) if from >= size => Self::new(
                "416 Range Not Satisfiable",
                vec![format!("Content-Range: bytes */{size}")],
                Vec::new(),
            ),
            Some(from) => Self::new(
                "206 Partial Content",
                vec![
                    kind,
                    format!("Content-Range: bytes {from}-{}/{size}", size - 1),
                ],
                bytes[from..].to_vec(),
            ),
        }
    }

    pub fn status(status: &str) -> Self {
        Self::new(status, Vec::new(), b"sorry".to_vec())
    }

    pub fn redirect(to: &str) -> Self {
        Self::new("302 Found", vec![format!("Location: {to}")], Vec::new())
    }

    pub fn page(text: &str) -> Self {
        let kind = "Content-Type: text/html; charset=utf-8".to_owned();
        Self::new("200 OK", vec![kind], text.into())
    }

    /// The connection ends after so many bytes of the body.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.sent = self.sent.min(bytes);
        self
    }

    /// After so many bytes of the body nothing comes any more.
    pub fn then_silence(self, bytes: usize) -> Self {
        Self {
            silence: Duration::from_secs(5),
            ..self.cut(bytes)
        }
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        write!(stream, "HTTP/1.1 {}\r\nConnection: close\r\n", self.status)?;
        for header in &self.headers {
            write!(stream, "{header}\r\n")?;
        }
        if let Some(length) = self.length {
            write!(stream, "Content-Length: {length}\r\n")?;
        }
        write!(stream, "\r\n")?;
        stream.write_all(&self.body[..self.sent])?;
        thread::sleep(self.silence);
        Ok(())
    }
}

pub struct Server {
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            requests: Arc::default(),
        };
        let (requests, reply) = (server.requests.clone(), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (requests, reply) = (requests.clone(), reply.clone());
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    if let Some(request) = read(&stream, &requests) {
                        // A client that has heard enough closes its end.
                        let _ = reply(&request).send(&mut stream);
                    }
                });
            }
        });
        server
    }

    /// All that was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn read(stream: &TcpStream, requests: &Mutex<Vec<Request>>) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let from = headers.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let range = value.strip_prefix("bytes=")?.strip_suffix('-')?;
        name.eq_ignore_ascii_case("range")
            .then(|| range.parse().unwrap())
    });
    let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
    let request = Request {
        path,
        from,
        nth: requests.len(),
    };
    requests.push(request.clone());
    Some(request)
}
