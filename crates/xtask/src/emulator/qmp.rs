//! QEMU's machine protocol: one JSON object a line. Commands are sent one at a time and answered in order;
//! events come in between and are passed over.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// QEMU answers at once, except when the disk it writes a picture to is slow.
const ANSWER: Duration = Duration::from_secs(30);

pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Qmp {
    /// Greets QEMU.
    pub fn over(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(ANSWER))?;
        let mut qmp = Self {
            reader: BufReader::new(stream.try_clone()?),
            writer: stream,
        };
        qmp.object()?;
        qmp.run("qmp_capabilities", None)?;
        Ok(qmp)
    }

    /// Runs one command and returns what it answers.
    pub fn run(&mut self, command: &str, arguments: Option<Value>) -> Result<Value> {
        let mut request = json!({ "execute": command });
        if let Some(arguments) = arguments {
            request["arguments"] = arguments;
        }
        self.writer
            .write_all(format!("{request}\n").as_bytes())
            .context("QEMU does not listen any more")?;
        loop {
            let mut answer = self
                .object()
                .with_context(|| format!("QEMU did not answer to `{command}`"))?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                bail!(
                    "QEMU refused `{command}`: {}",
                    error["desc"].as_str().unwrap_or("no reason given")
                );
            }
        }
    }

    /// Presses a key, or lets it go.
    pub fn key(&mut self, qcode: &str, down: bool) -> Result<()> {
        let key = json!({ "type": "key", "data": { "down": down, "key": { "type": "qcode", "data": qcode } } });
        self.run("input-send-event", Some(json!({ "events": [key] })))?;
        Ok(())
    }

    /// Writes the display to a file as `png` or `ppm`.
    pub fn screendump(&mut self, path: &Path, format: &str) -> Result<()> {
        self.run(
            "screendump",
            Some(json!({ "filename": path, "format": format })),
        )?;
        Ok(())
    }

    fn object(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            bail!("QEMU closed the connection");
        }
        serde_json::from_str(&line).context("QEMU sent something that is not JSON")
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A QEMU that greets, then answers each request with the next of `answers`.
    fn fake(answers: &'static [&'static str]) -> (Qmp, thread::JoinHandle<Vec<Value>>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = thread::spawn(move || {
            let mut writer = theirs.try_clone().unwrap();
            writer
                .write_all(b"{\"QMP\": {\"capabilities\": [\"oob\"]}}\n")
                .unwrap();
            let mut answers = ["{\"return\": {}}"].iter().chain(answers);
            let requests = BufReader::new(theirs).lines().map_while(Result::ok);
            requests
                .map(|line| {
                    writer
                        .write_all(format!("{}\n", answers.next().unwrap()).as_bytes())
                        .unwrap();
                    serde_json::from_str(&line).unwrap()
                })
                .collect()
        });
        (Qmp::over(ours).unwrap(), server)
    }

    #[test]
    fn passes_over_events_and_reports_refusals() {
        let (mut qmp, server) = fake(&[
            "{\"event\": \"RESUME\"}\n{\"return\": {\"running\": true}}",
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such key\"}}",
        ]);
        assert_eq!(qmp.run("query-status", None).unwrap()["running"], true);
        let said = qmp.key("abc", true).unwrap_err().to_string();
        assert!(said.contains("no such key"), "{said}");
        drop(qmp);
        let requests = server.join().unwrap();
        assert_eq!(requests[1], json!({ "execute": "query-status" }));
        assert_eq!(
            requests[2]["arguments"]["events"][0]["data"]["key"]["data"],
            "abc"
        );
    }
}
