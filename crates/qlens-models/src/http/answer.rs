//! What a server's answer says before its first byte: whether these are bytes of the file, and from
//! which one on.

use std::{fmt, io};

use ureq::Body;
use ureq::http::{Response, StatusCode, header};

use crate::Error;

/// Why an attempt failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// Trying again may help.
    Passing(String),
    /// It will not.
    Lasting(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Lasting(error)
    }
}

/// What of a response's head matters.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: u16,
    /// `Content-Type`.
    kind: Option<String>,
    /// `Content-Range`.
    range: Option<String>,
    /// `Content-Length`.
    length: Option<u64>,
}

impl Answer {
    pub(super) fn of(response: &Response<Body>) -> Self {
        let text = |name| {
            let value = response.headers().get(name)?;
            Some(value.to_str().ok()?.to_ascii_lowercase())
        };
        Self {
            status: response.status().as_u16(),
            kind: text(header::CONTENT_TYPE),
            range: text(header::CONTENT_RANGE),
            length: text(header::CONTENT_LENGTH).and_then(|length| length.trim().parse().ok()),
        }
    }

    /// Where in the file, of `size` bytes, the body begins: at `asked` or before.
    pub(super) fn start(&self, url: &str, asked: u64, size: u64) -> Result<u64, Fault> {
        let url = || url.to_owned();
        let wrong = |what: String| Error::WrongAnswer { url: url(), what };
        let length = |found| Error::WrongLength {
            url: url(),
            expected: size,
            found: Some(found),
        };
        match self.status {
            200 | 206
                if self
                    .kind
                    .as_ref()
                    .is_some_and(|kind| kind.starts_with("text/html")) =>
            {
                Err(wrong("the answer is a web page, not a file".into()).into())
            }
            200 => match self.length {
                Some(found) if found != size => Err(length(found).into()),
                _ => Ok(0),
            },
            206 => {
                let range = self.range.as_deref().unwrap_or_default();
                let (start, total) = content_range(range).ok_or_else(|| {
                    wrong(format!(
                        "the answer is a part of a file and says {range:?} of which"
                    ))
                })?;
                match total {
                    Some(found) if found != size => Err(length(found).into()),
                    _ if start > asked => Err(wrong(format!(
                        "bytes from {asked} on were asked for, and those from {start} on came"
                    ))
                    .into()),
                    _ => Ok(start),
                }
            }
            // The file ends before the byte that was asked for.
            416 => match self.range.as_deref().and_then(unsatisfied_range) {
                Some(found) if found != size => Err(length(found).into()),
                _ => Err(wrong("the server does not give the rest of the file".into()).into()),
            },
            408 | 425 | 429 | 500.. => Err(Fault::Passing(format!(
                "the server answered {}",
                named(self.status)
            ))),
            status => Err(Error::Refused { url: url(), status }.into()),
        }
    }
}

/// First byte and size of the file, of `bytes 5-9/10`; the size may be `*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    (first <= last && total.is_none_or(|total| last < total)).then_some((first, total))
}

/// The size of the file, of `bytes */10`.
fn unsatisfied_range(text: &str) -> Option<u64> {
    text.strip_prefix("bytes */")?.trim().parse().ok()
}

fn named(status: u16) -> String {
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    match reason {
        Some(reason) => format!("{status} ({reason})"),
        None => status.to_string(),
    }
}

/// What it means that there was no answer.
pub(super) fn fault(url: &str, error: &ureq::Error) -> Fault {
    let what = match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            "it is not an address; set HF_ENDPOINT to one, such as https://huggingface.co, or to nothing".into()
        }
        ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => {
            "the server sends from one address to the next without end".into()
        }
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => untrusted(error),
        ureq::Error::Io(io) if is_tls(io) => untrusted(io),
        ureq::Error::Io(io) => return Fault::Passing(io.to_string()),
        _ => return Fault::Passing(error.to_string()),
    };
    Fault::Lasting(Error::WrongAnswer {
        url: url.to_owned(),
        what,
    })
}

/// Whether it is the connection's security that failed, not the connection.
fn is_tls(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .is_some()
}

/// A connection that is not secure does not get so by trying again.
fn untrusted(error: &dyn fmt::Display) -> String {
    format!(
        "its server does not prove to be the one ({error}); SSL_CERT_FILE may name a file of certificates to trust"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, kind: &str, range: &str, length: Option<u64>) -> Answer {
        let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Answer {
            status,
            kind: set(kind),
            range: set(range),
            length,
        }
    }

    #[test]
    fn where_the_body_begins() {
        for (answer, expected) in [
            (answer(200, "", "", None), 0),
            (answer(200, "application/octet-stream", "", Some(10)), 0),
            (answer(206, "", "bytes 4-9/10", Some(6)), 4),
            (answer(206, "", "bytes 4-7/*", None), 4),
            (answer(206, "", "bytes 0-9/10", None), 0),
        ] {
            assert_eq!(answer.start("u", 4, 10).unwrap(), expected, "{answer:?}");
        }
    }

    #[test]
    fn what_is_not_the_file_is_told_apart() {
        for (answer, says) in [
            (
                answer(200, "text/html; charset=utf-8", "", Some(10)),
                "a web page",
            ),
            (answer(200, "", "", Some(11)), "the file there has 11"),
            (answer(206, "", "bytes 4-8/9", None), "the file there has 9"),
            (
                answer(206, "", "bytes 5-9/10", None),
                "those from 5 on came",
            ),
            (answer(206, "", "", None), "says \"\" of which"),
            (
                answer(206, "", "bytes 4-99999999999999999999/10", None),
                "of which",
            ),
            (answer(206, "", "bytes 4-3/10", None), "of which"),
            (answer(206, "", "bytes 4-10/10", None), "of which"),
            (answer(206, "", "pages 4-9/10", None), "of which"),
            (answer(416, "", "bytes */3", None), "the file there has 3"),
            (answer(416, "", "", None), "does not give the rest"),
            (answer(404, "", "", None), "no such file"),
            (answer(401, "", "", None), "not public"),
            (answer(418, "", "", None), "status 418"),
            (answer(302, "", "", None), "status 302"),
        ] {
            match answer.start("u", 4, 10) {
                Err(Fault::Lasting(error)) => {
                    let said = error.to_string();
                    assert!(said.contains(says), "{answer:?}: {said}");
                }
                other => panic!("{answer:?}: {other:?}"),
            }
        }
        for status in [408, 429, 500, 502, 503, 599] {
            let fault = answer(status, "text/html", "", None)
                .start("u", 4, 10)
                .unwrap_err();
            assert!(matches!(fault, Fault::Passing(said) if said.contains(&status.to_string())));
        }
    }
}
