//! Servers that do not give the file, or not all of it.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use qlens_models::{Error, Hub};

use crate::scene::{HALF, PATH, SIZE, Scene, bytes, manifest, serve};
use crate::server::{Reply, Request};

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
        Hub::at(&scene.server.address).patience(Duration::from_mins(1), Duration::from_mins(1));
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
    scene.leave(&vec![0; HALF]);
    assert!(matches!(scene.fetch(), Err(Error::WrongFile { .. })));
    assert!(scene.files().is_empty());
    scene.fetch().unwrap();
    scene.is_whole();
}
