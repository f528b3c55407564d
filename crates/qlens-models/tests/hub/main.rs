//! Fetching from a hub as it happens to people: a server on this machine that redirects, breaks off,
//! lies, is busy, falls silent, answers with an error page; and disks that are too small.

mod disk;
mod faults;
mod scene;
#[path = "../server/mod.rs"]
mod server;

use std::ops::ControlFlow;

use qlens_models::Source;

use scene::{HALF, PATH, SIZE, Scene, bytes, serve};
use server::Reply;

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
