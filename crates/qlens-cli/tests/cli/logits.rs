//! `qlens logits`.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::time::Duration;

use qlens::kernel::Kernel;
use qlens::model::Model;
use qlens::plan::{Limits, Plan};
use qlens::session::Session;
use qlens::workers::Inline;

use crate::support::{
    Outcome, fixture, folder, golden, list, model, names_in, path_in, qlens, run, signal, start,
    ways_to_compute,
};

/// What the runtime itself computes, as the bytes of the file that is to hold it.
fn expected(path: &str, tokens: &[u32]) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    // A slice of words is aligned as a mapping is.
    let mut words = vec![0_u64; bytes.len().div_ceil(8)];
    bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(&bytes);
    let model = Model::parse(&bytemuck::cast_slice(&words)[..bytes.len()]).unwrap();
    let limits = Limits {
        context: 64,
        ..Limits::default()
    };
    let plan = Plan::new(model.config(), &limits).unwrap();
    let mut arena = vec![0; plan.total()];
    let session = Session::new(&model, &plan, &mut arena, &Inline).unwrap();
    let mut session = session.with_kernel(Kernel::Scalar).unwrap();
    session.feed_tokens(tokens).unwrap();
    let mut all = Vec::new();
    session
        .logits(&mut (), &mut |_, logits| {
            all.extend(logits.iter().flat_map(|l| l.to_le_bytes()));
        })
        .unwrap();
    all
}

#[test]
fn the_file_is_the_same_however_it_is_computed() {
    for name in [
        "qwen2-f16.gguf",
        "qwen2-q4_0.gguf",
        "qwen2-q4_k_m.gguf",
        "qwen2-q8_0.gguf",
    ] {
        let tokens = &golden(name).cases[2].tokens;
        let path = fixture(name);
        let expected = expected(&path, tokens);
        assert_eq!(expected.len(), tokens.len() * 288 * 4);
        let folder = folder();
        for way in ways_to_compute() {
            let out = path_in(&folder, "logits.f32");
            let way = way.each_ref().map(String::as_str);
            let given = list(tokens);
            let args = [
                &["logits", &path, "--tokens", &given, "--out", &out][..],
                &way,
            ]
            .concat();
            assert_eq!(run(&args).done(), "");
            assert!(fs::read(&out).unwrap() == expected, "{name} {way:?}");
        }
        assert_eq!(names_in(folder.path()), ["logits.f32"]);
    }
}

#[test]
fn an_existing_file_is_replaced_whole_and_a_link_stays_a_link() {
    let folder = folder();
    let (file, link) = (path_in(&folder, "file"), path_in(&folder, "link"));
    fs::write(&file, "old").unwrap();
    symlink("file", &link).unwrap();
    run(&["logits", &model(), "--tokens", "1,2", "--out", &link]).done();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read(&file).unwrap() == expected(&model(), &[1, 2]));
    assert_eq!(names_in(folder.path()), ["file", "link"]);

    let fresh = path_in(&folder, "fresh");
    run(&["logits", &model(), "--tokens", "1,2", "--out", &fresh]).done();
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        mode(&fresh),
        mode(&file),
        "a new file is readable as any other"
    );
}

#[test]
fn a_name_without_folder_is_in_the_current_one() {
    let folder = folder();
    let model = fs::canonicalize(model()).unwrap();
    let mut command = qlens(&[
        "logits",
        model.to_str().unwrap(),
        "--tokens",
        "1",
        "--out",
        "logits.f32",
    ]);
    Outcome::of(command.current_dir(&folder)).done();
    assert_eq!(names_in(folder.path()), ["logits.f32"]);
}

#[test]
fn a_device_is_written_to_and_stays_a_device() {
    run(&["logits", &model(), "--tokens", "1", "--out", "/dev/null"]).done();
    assert!(
        fs::metadata("/dev/null")
            .unwrap()
            .file_type()
            .is_char_device()
    );
    let mut command = qlens(&[
        "logits",
        &model(),
        "--tokens",
        "1,2",
        "--out",
        "/dev/stdout",
    ]);
    let piped = command.output().unwrap();
    assert!(piped.status.success() && piped.stdout == expected(&model(), &[1, 2]));
    let said = run(&["logits", &model(), "--tokens", "1", "--out", "/dev/full"]).refused(1);
    assert!(
        said.contains("/dev/full") && said.contains("no space left"),
        "{said}"
    );
}

#[test]
fn the_model_is_not_written_over_under_any_name() {
    let folder = folder();
    let original = path_in(&folder, "model.gguf");
    fs::copy(model(), &original).unwrap();
    let (link, hard) = (path_in(&folder, "link"), path_in(&folder, "hard"));
    symlink(&original, &link).unwrap();
    fs::hard_link(&original, &hard).unwrap();
    for out in [&original, &link, &hard] {
        let said = run(&["logits", &original, "--tokens", "1", "--out", out]).refused(1);
        assert!(said.contains("the model's own file"), "{said}");
    }
    assert!(fs::read(&original).unwrap() == fs::read(model()).unwrap());
    assert_eq!(names_in(folder.path()), ["hard", "link", "model.gguf"]);
}

#[test]
fn a_run_that_fails_leaves_nothing() {
    let folder = folder();
    let out = path_in(&folder, "logits.f32");
    for (args, says) in [
        (["--tokens", "1,288", "--ctx", "8"], "0 to 287"),
        (["--tokens", "1,2,3", "--ctx", "2"], "--ctx"),
        (["--tokens", "1", "--ctx", "100000"], "1 to 512"),
    ] {
        let said = run(&[&["logits", &model(), "--out", &out][..], &args].concat()).refused(1);
        assert!(said.contains(says), "{said}");
        assert_eq!(names_in(folder.path()), [""; 0]);
    }
    let long = list(&[7; 513]);
    let said = run(&["logits", &model(), "--out", &out, "--tokens", &long]).refused(1);
    assert!(said.contains("513") && said.contains("512"), "{said}");

    let inside = path_in(&folder, "no/such/folder");
    let said = run(&["logits", &model(), "--tokens", "1", "--out", &inside]).refused(1);
    assert!(said.contains(&inside), "{said}");
    let said = run(&[
        "logits",
        &model(),
        "--tokens",
        "1",
        "--out",
        folder.path().to_str().unwrap(),
    ])
    .refused(1);
    assert!(said.contains("it is a directory"), "{said}");
    assert_eq!(names_in(folder.path()), [""; 0]);
}

#[test]
fn a_run_that_is_stopped_leaves_nothing() {
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let folder = folder();
        let (out, long) = (path_in(&folder, "logits.f32"), list(&[7; 500]));
        let args = [
            "logits",
            &model(),
            "--out",
            &out,
            "--tokens",
            &long,
            "--kernel",
            "scalar",
            "--threads",
            "1",
        ];
        let child = start(&mut qlens(&args));
        // Its temporary file shows that it is at work.
        while names_in(folder.path()).is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        signal(&child, name);
        let outcome = Outcome::from(child.wait_with_output().unwrap());
        assert_eq!(
            (outcome.status, outcome.stderr.as_str()),
            (Some(status), "")
        );
        assert_eq!(names_in(folder.path()), [""; 0]);
    }
}
