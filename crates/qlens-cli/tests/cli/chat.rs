//! `qlens chat`, through pipes and at a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{
    Outcome, QLENS, first_text, folder, model, path_in, qlens, run, run_with_input, signal, start,
};

/// What the model says after a conversation that is given whole.
fn answer(conversation: &str, most: &str) -> String {
    let report = run(&[
        "generate",
        &model(),
        "--prompt",
        conversation,
        "-n",
        most,
        "--json",
    ])
    .json();
    report["text"].as_str().unwrap().to_owned()
}

fn user(text: &str) -> String {
    format!("<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n")
}

#[test]
fn every_turn_sees_the_turns_before_it() {
    let first = answer(&user("the first"), "6");
    let asked = format!(
        "{}{first}<|im_end|>\n{}",
        user("the first"),
        user("the second")
    );
    let second = answer(&asked, "6");
    let output = run_with_input(&["chat", &model(), "-n", "6"], "the first\n\nthe second\n").done();
    assert_eq!(output, format!("{first}\n{second}\n"));
    assert_ne!(
        second,
        answer(&user("the second"), "6"),
        "the test would see it"
    );
}

#[test]
fn the_system_text_comes_first() {
    let told = format!(
        "<|im_start|>system\nBe the one.<|im_end|>\n{}",
        user("who?")
    );
    let output = run_with_input(
        &["chat", &model(), "-n", "6", "--system", "Be the one."],
        "who?\n",
    )
    .done();
    assert_eq!(output, format!("{}\n", answer(&told, "6")));
}

#[test]
fn a_conversation_can_begin_anew() {
    let input = "the first\n/clear\nthe second\n/exit\nnever asked\n";
    let output = run_with_input(&["chat", &model(), "-n", "6"], input).done();
    let answers = [
        answer(&user("the first"), "6"),
        answer(&user("the second"), "6"),
    ];
    assert_eq!(output, format!("{}\n{}\n", answers[0], answers[1]));
}

#[test]
fn a_full_context_forgets_the_oldest_and_never_the_system_text() {
    let system = "Be the one.";
    let args = [
        "chat",
        &model(),
        "-n",
        "20",
        "--ctx",
        "160",
        "--system",
        system,
    ];
    let questions: Vec<String> = (0..5)
        .map(|i| format!("question {i} {}", "x".repeat(40)))
        .collect();
    let outcome = run_with_input(&args, &questions.join("\n"));
    assert!(
        outcome.stderr.contains("of the oldest questions forgotten"),
        "{outcome:?}"
    );
    let output = outcome.done();
    // Each question takes 60 tokens of the 160: with the last one only itself and the system text are left
    // beside room for an answer.
    let told = format!(
        "<|im_start|>system\n{system}<|im_end|>\n{}",
        user(&questions[4])
    );
    let last = answer(&told, "20");
    assert!(
        output.ends_with(&format!("{last}\n")),
        "{last:?} is not at the end of {output:?}"
    );
}

#[test]
fn a_question_that_is_too_long_is_refused_and_the_next_one_answered() {
    let long = "x".repeat(200);
    let outcome = run_with_input(
        &["chat", &model(), "-n", "6", "--ctx", "100"],
        &format!("{long}\nwho?\n"),
    );
    assert_eq!(outcome.status, Some(1), "a script learns of it");
    assert_eq!(outcome.stdout, format!("{}\n", answer(&user("who?"), "6")));
    assert!(
        outcome.stderr.starts_with("error: the prompt is ") && outcome.stderr.contains("--ctx"),
        "{outcome:?}"
    );
}

#[test]
fn ctrl_c_cancels_the_answer_and_not_the_program() {
    let mut child = start(&mut qlens(&[
        "chat",
        &model(),
        "--kernel",
        "scalar",
        "--threads",
        "1",
        "-n",
        "400",
    ]));
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    input.write_all(b"the first\n").unwrap();
    first_text(&mut output);
    signal(&child, "INT");
    input.write_all(b"/clear\nwho?\n/exit\n").unwrap();
    let mut rest = Vec::new();
    // The second answer comes whole: the first Ctrl-C was not meant for it.
    output.read_to_end(&mut rest).unwrap();
    let outcome = Outcome::from(child.wait_with_output().unwrap());
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(
        outcome.stderr.matches("[cancelled]").count(),
        1,
        "{outcome:?}"
    );
    let second = answer(&user("who?"), "400");
    assert!(String::from_utf8_lossy(&rest).ends_with(&format!("{second}\n")));
}

#[test]
fn ctrl_c_between_questions_is_not_kept_for_the_next_answer() {
    let mut child = start(&mut qlens(&["chat", &model(), "-n", "6"]));
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"the first\n").unwrap();
    first_text(child.stdout.as_mut().unwrap());
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, "INT");
    input.write_all(b"/clear\nwho?\n").unwrap();
    drop(input);
    let outcome = Outcome::from(child.wait_with_output().unwrap());
    assert!(!outcome.stderr.contains("[cancelled]"), "{outcome:?}");
    assert!(
        outcome
            .done()
            .ends_with(&format!("\n{}\n", answer(&user("who?"), "6")))
    );
}

#[test]
fn a_model_that_is_shortened_meanwhile_ends_the_program_with_a_sentence() {
    let folder = folder();
    let path = path_in(&folder, "model.gguf");
    std::fs::copy(model(), &path).unwrap();
    let mut child = start(&mut qlens(&["chat", &path, "-n", "6"]));
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"the first\n").unwrap();
    first_text(child.stdout.as_mut().unwrap());
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(4096)
        .unwrap();
    // Perhaps the program has ended already.
    let _ = input.write_all(b"the second\n");
    drop(input);
    let outcome = Outcome::from(child.wait_with_output().unwrap());
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(
        outcome
            .stderr
            .contains("error: the model's file was shortened"),
        "{outcome:?}"
    );
}

/// Types at the program's terminal, which `script` makes.
struct Terminal {
    child: std::process::Child,
    shown: std::sync::mpsc::Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn open(arguments: &str) -> Self {
        // A shell that stayed would get Ctrl-C, too, and some shells then end with 130 whatever the program did.
        let command = format!("exec {QLENS} chat {} {arguments}", model());
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script, of the package bsdutils");
        let mut output = child.stdout.take().unwrap();
        let (send, shown) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                let _ = send.send(buffer[..read].to_vec());
            }
        });
        Self {
            child,
            shown,
            seen: String::new(),
        }
    }

    fn type_in(&mut self, keys: &str) {
        self.child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(keys.as_bytes())
            .unwrap();
    }

    /// Waits until `text` is shown, and forgets everything up to it.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        while !self.seen.contains(text) {
            match self.shown.recv_timeout(Duration::from_mins(1)) {
                Ok(bytes) => self.seen += &String::from_utf8_lossy(&bytes),
                Err(error) => panic!("{text:?} does not come after {:?}: {error}", self.seen),
            }
        }
        let at = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..at);
    }

    /// Waits for the program's end, of its own accord.
    ///
    /// The keyboard stays plugged in meanwhile: `script` types an end of file when its own input ends, and
    /// fails if nobody is left to read it.
    #[track_caller]
    fn ends_well(mut self) {
        let keyboard = self.child.stdin.take();
        let status = self.child.wait().unwrap();
        drop(keyboard);
        while let Ok(bytes) = self.shown.recv() {
            self.seen += &String::from_utf8_lossy(&bytes);
        }
        assert!(status.success(), "{status} after {:?}", self.seen);
    }
}

#[test]
fn at_a_terminal_lines_are_edited_recalled_and_cancelled() {
    let mut terminal = Terminal::open("--kernel scalar --threads 1 --ctx 512");
    terminal.wait_for("Ctrl-C cancels an answer");
    terminal.wait_for("> ");
    // Ctrl-C at the prompt throws the line away.
    terminal.type_in("never asked\x03");
    terminal.wait_for("> ");
    // Cursor keys and backspace edit.
    terminal.type_in("/helx\x7fp\r");
    terminal.wait_for("/clear forgets everything");
    terminal.wait_for("> ");
    // An answer that would take seconds is cancelled, and the next prompt comes.
    terminal.type_in("the first\r");
    terminal.wait_for("the first");
    std::thread::sleep(Duration::from_millis(500));
    terminal.type_in("\x03");
    terminal.wait_for("[cancelled]");
    terminal.wait_for("> ");
    // The last line but one is two cursor keys away.
    terminal.type_in("\x1b[A\x1b[A\r");
    terminal.wait_for("/clear forgets everything");
    terminal.wait_for("> ");
    terminal.type_in("\x04");
    terminal.ends_well();
}

#[test]
fn a_kept_conversation_goes_on_where_it_was() {
    let (folder, whole) = (folder(), ["the first", "the second", "the third"]);
    let expected = run_with_input(&["chat", &model(), "-n", "6"], &whole.join("\n")).done();
    let path = path_in(&folder, "talk.qlens");
    let mut output = String::new();
    for (question, ctx) in whole.into_iter().zip(["200", "256", "300"]) {
        let args = [
            "chat",
            &model(),
            "-n",
            "6",
            "--ctx",
            ctx,
            "--session",
            &path,
        ];
        output += &run_with_input(&args, question).done();
    }
    assert_eq!(output, expected);
    let kept = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(kept, 1, "nothing is beside the file");

    let before = std::fs::read(&path).unwrap();
    let refused = |args: &[&str], why: &str| {
        let args = [&["chat", "--session", &path], args].concat();
        let outcome = run(&args);
        assert_eq!(
            (outcome.status, &*outcome.stdout),
            (Some(1), ""),
            "{outcome:?}"
        );
        assert!(
            outcome.stderr.starts_with(&format!("error: {path}: ")),
            "{outcome:?}"
        );
        assert!(outcome.stderr.contains(why), "{outcome:?}");
    };
    refused(&[&model(), "--kv", "q8_0"], "use type f16");
    refused(&[&model(), "--ctx", "60"], "use a longer context");
    for (len, why) in [
        (before.len() - 1, "what was said"),
        (90, "ends inside"),
        (0, "ends inside"),
    ] {
        std::fs::write(&path, &before[..len]).unwrap();
        refused(&[&model()], why);
        assert_eq!(
            std::fs::read(&path).unwrap(),
            before[..len],
            "it is left alone"
        );
    }
}
