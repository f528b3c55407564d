//! Templates that no mutation makes: each would take all the time or memory there is.

use std::fs;
use std::process::Command;

/// The status and what was said on both streams.
fn run(name: &str, template: &str) -> (Option<i32>, String) {
    let path = std::env::temp_dir().join(format!("qlens-hostile-{}-{name}", std::process::id()));
    fs::write(&path, template).unwrap();
    let program = env!("CARGO_BIN_EXE_qlens-hostile");
    let run = Command::new(program)
        .args(["template", "--file"])
        .arg(&path)
        .output();
    fs::remove_file(&path).unwrap();
    let run = run.unwrap();
    let said = [run.stdout, run.stderr].concat();
    (
        run.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn slow_steps_are_stopped_by_the_clock() {
    // Few steps, each of which sorts a long list.
    let slow = "{% set m = range(99999)|list %}{% for a in range(9999) %}{% if m|sort|length %}{% endif %}{% endfor %}";
    let (status, said) = run("slow", slow);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.starts_with("refused: "), "{said}");
}

#[test]
fn a_text_that_doubles_is_refused() {
    let double = "{% set n = namespace(x='ab') %}{% for a in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}";
    let (status, said) = run("double", double);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.starts_with("refused: "), "{said}");
}

#[test]
fn one_that_keeps_all_it_makes_ends_with_a_sentence() {
    let keep = "{% set n = namespace(x=[]) %}{% for a in range(2000) %}{% set n.x = [n.x, 'x' * 99999] %}{% endfor %}";
    let (status, said) = run("keep", keep);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("takes more memory than it may"), "{said}");
}

#[test]
fn steps_without_end_are_counted() {
    let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% set c = a %}{% endfor %}{% endfor %}";
    let (status, said) = run("endless", endless);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.starts_with("refused: "), "{said}");
}

/// The first conversation looks like that of a template that is built in, and none may be slow.
#[test]
fn a_template_that_is_slow_later_is_stopped_too() {
    let source = include_str!("../../qlens-jinja/templates/qwen2.5-coder.jinja");
    let slow = "{%- if messages|length > 1 %}{% set m = range(99999)|list %}{% for a in range(20) %}{% if m|sort|length %}{% endif %}{% endfor %}{% endif %}";
    let (status, said) = run("later", &[slow, source].concat());
    assert_eq!(status, Some(0), "{said}");
    assert!(said.starts_with("refused: "), "{said}");
}
