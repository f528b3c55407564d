//! Thinking, tools and the file's own template, in `generate --chat` and `chat`.

use std::fs;

use crate::support::{Changed, Outcome, folder, model, path_in, qlens, run, run_with_input};

const QWEN35: &str = include_str!("../../../qlens-jinja/templates/qwen3.5-0.8b.jinja");
const QWEN3: &str = include_str!("../../../qlens-jinja/templates/qwen3-0.6b.jinja");

/// Answers a question, as JSON.
fn ask(model: &str, more: &[&str]) -> serde_json::Value {
    let args = [
        "generate",
        model,
        "--chat",
        "hello hello hello",
        "-n",
        "24",
        "--json",
    ];
    run(&[&args, more].concat()).json()
}

/// The text of the prompt of which these are the tokens.
fn prompt(model: &str, report: &serde_json::Value, text: &str) {
    let whole = run(&["generate", model, "--prompt", text, "-n", "1", "--json"]).json();
    assert_eq!(report["prompt_tokens"], whole["prompt_tokens"], "{text}");
}

#[test]
fn thinking_is_begun_ruled_out_and_cut_short() {
    let file = Changed::template(QWEN35);
    let asked = "<|im_start|>user\nhello hello hello<|im_end|>\n<|im_start|>assistant\n<think>\n";
    let silent = ask(&file.path, &[]);
    prompt(&file.path, &silent, &format!("{asked}\n</think>\n\n"));
    assert_eq!(
        silent["prompt_tokens"],
        ask(&file.path, &["--no-think"])["prompt_tokens"]
    );
    assert!(silent.get("thinking").is_none(), "{silent}");

    let free = ask(&file.path, &["--think"]);
    prompt(&file.path, &free, asked);
    assert_eq!(free["text"], "", "a random model does not end a thought");
    let cut = ask(&file.path, &["--think", "--think-budget", "5"]);
    let tokens = |report: &serde_json::Value| -> Vec<u64> {
        serde_json::from_value(report["tokens"].clone()).unwrap()
    };
    let (free_tokens, cut_tokens) = (tokens(&free), tokens(&cut));
    assert_eq!(cut_tokens[..5], free_tokens[..5]);
    assert_eq!(cut_tokens[6], 267, "{cut_tokens:?}");
    let (thought, said) = (
        cut["thinking"].as_str().unwrap(),
        cut["text"].as_str().unwrap(),
    );
    assert!(free["thinking"].as_str().unwrap().starts_with(thought) && !thought.is_empty());
    assert!(!said.is_empty() && !said.contains("think>"), "{cut}");
    let drafted = ask(
        &file.path,
        &["--think", "--think-budget", "5", "--draft", "0"],
    );
    assert_eq!(tokens(&drafted), cut_tokens);

    // To people, thoughts go to stderr.
    let args = [
        "generate",
        &file.path,
        "--chat",
        "hello hello hello",
        "-n",
        "24",
        "--think",
        "--think-budget",
        "5",
    ];
    let shown = run(&args);
    assert!(
        shown.stderr.starts_with(&format!("{thought}\n")),
        "{shown:?}"
    );
    assert_eq!(shown.done(), format!("{said}\n"));
}

#[test]
fn what_was_thought_is_not_told_again() {
    let file = Changed::template(QWEN3);
    let args = ["chat", &file.path, "-n", "12", "--think-budget", "0"];
    let shown = run_with_input(&args, "one\ntwo\n");
    assert_eq!(shown.status, Some(0), "{shown:?}");
    assert!(!shown.stdout.contains("think>"), "{shown:?}");
}

#[test]
fn tools_are_told_of_where_the_template_has_a_place_for_them() {
    let file = Changed::template(QWEN3);
    let place = folder();
    let tools = path_in(&place, "tools.json");
    fs::write(&tools, r#"[{"name": "clock", "parameters": {}}]"#).unwrap();
    let text = "<|im_start|>system\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n\
        You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n\
        {\"type\": \"function\", \"function\": {\"name\": \"clock\", \"parameters\": {}}}\n</tools>\n\n\
        For each function call, return a json object with function name and arguments within <tool_call></tool_call> \
        XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n\
        <|im_start|>user\nhello hello hello<|im_end|>\n<|im_start|>assistant\n";
    let told = ask(&file.path, &["--tools", &tools]);
    prompt(&file.path, &told, text);

    let refused = run(&["generate", &model(), "--chat", "x", "--tools", &tools]).refused(1);
    assert!(refused.contains("no place for tools"), "{refused}");
    fs::write(&tools, "{}").unwrap();
    let refused = run(&["generate", &file.path, "--chat", "x", "--tools", &tools]).refused(1);
    assert!(
        refused.contains("a JSON array of function definitions is needed"),
        "{refused}"
    );
}

#[test]
fn what_the_model_cannot_do_is_refused() {
    let model = model();
    for (flags, says) in [
        (
            &["--think"][..],
            "no place for thinking (leave --think out)",
        ),
        (
            &["--think-budget", "3"],
            "no place for thinking (leave --think-budget out)",
        ),
    ] {
        let args = [&["generate", &model, "--chat", "x"][..], flags].concat();
        let refused = run(&args).refused(1);
        assert!(refused.contains(says), "{refused}");
    }
    let refused = run(&["generate", &model, "--prompt", "x", "--no-think"]).refused(2);
    assert!(refused.contains("use --chat TEXT"), "{refused}");
}

#[test]
fn another_template_is_run_and_what_people_say_stays_text() {
    let file = Changed::template(
        "{% for m in messages %}<|im_start|>{{ m.role }}: {{ m.content }}\n{% endfor %}A:",
    );
    let args = [
        "generate",
        &file.path,
        "--chat",
        "a<|im_end|>b",
        "-n",
        "1",
        "--json",
    ];
    let report = run(&args);
    assert!(
        report
            .stderr
            .contains("the file's own chat template is used"),
        "{report:?}"
    );
    let ids: Vec<u32> = serde_json::from_value(report.json()["prompt_tokens"].clone()).unwrap();
    let special: Vec<u32> = ids
        .into_iter()
        .filter(|id| (264..267).contains(id))
        .collect();
    assert_eq!(special, [265], "<|im_start|> and nothing else");
}

#[test]
fn a_template_that_loops_grows_or_is_none_is_a_sentence() {
    let grows = "{% set n = namespace(x='xxxxxxxx') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}";
    for (source, says) in [
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% set c = a %}{% endfor %}{% endfor %}",
            "line 1: it takes more than",
        ),
        ("{% for %}", "its chat template fails in line 1"),
        (grows, "line 1: it takes more than"),
    ] {
        let file = Changed::template(source);
        for outcome in [
            Outcome::of(&mut qlens(&["generate", &file.path, "--chat", "x"])),
            Outcome::of(&mut qlens(&["chat", &file.path])),
        ] {
            let refused = outcome.refused(1);
            assert!(refused.contains(says), "{refused}");
        }
    }
}
