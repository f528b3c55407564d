//! Everything that satisfies a schema comes through, and what comes through satisfies it.

use qlens::constraint::{Constraint, Matcher};
use qlens::sampler::Mask as _;
use qlens::tokenizer::{SCRATCH_BYTES, Special};

use crate::schemas::{Json, Schema};
use crate::{QWEN, Random, SMALL, Vocabulary, choices, schema};

#[track_caller]
fn accepts(constraint: &Constraint<'static>, text: &str) {
    match SMALL.follow(constraint, text.as_bytes()) {
        Ok(matcher) => assert!(matcher.is_complete(), "{text} is not all"),
        Err(at) => panic!("{text} stops at byte {at}"),
    }
}

#[track_caller]
fn refuses(constraint: &Constraint<'static>, text: &str) {
    let found = SMALL.follow(constraint, text.as_bytes());
    assert!(found.is_err_and(|at| at + 1 == text.len()), "{text}");
}

/// Ends an answer soon: closes what can be closed.
fn finish(vocabulary: &Vocabulary, matcher: &mut Matcher<'_>, out: &mut Vec<u8>) {
    let by_preference: Vec<u8> = b"\"}],:n01".iter().copied().chain(0..=255).collect();
    while !matcher.is_complete() {
        let next = by_preference
            .iter()
            .find(|&&byte| matcher.advance(vocabulary.byte(byte)));
        out.push(*next.expect("no state is a dead end"));
        assert!(out.len() < 10_000, "{}", String::from_utf8_lossy(out));
    }
}

#[test]
fn documents_of_made_up_schemas_come_through_token_by_token_and_byte_by_byte() {
    let mut random = Random(0x0d0c);
    let mut scratch = vec![0_u32; SCRATCH_BYTES / 4];
    for _ in 0..400 {
        let made_up = Schema::random(&mut random, 3);
        let text = made_up.text(&mut random);
        let constraint = schema(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        for _ in 0..8 {
            let mut document = String::new();
            made_up.document(&mut random, &mut document);
            let parsed: Json = serde_json::from_str(&document).unwrap();
            assert!(made_up.is_satisfied(&parsed), "{text}: {document}");
            accepts(&constraint, &document);

            let mut matcher = Matcher::new(&constraint, &QWEN.classes);
            let scratch = bytemuck::cast_slice_mut(&mut scratch);
            let tokens = QWEN
                .tokenizer
                .encode(&document, Special::Plain, scratch, &mut |id| {
                    assert!(matcher.allows(id), "{text}: {document}: {id}");
                    assert!(matcher.advance(id));
                    Ok(())
                });
            assert!(tokens.is_ok() && matcher.is_complete());
        }
    }
}

#[test]
fn any_tokens_that_may_come_begin_a_document_that_satisfies_the_schema() {
    for (vocabulary, schemas, most) in [(&*SMALL, 300, 60), (&*QWEN, 15, 12)] {
        let mut random = Random(0x00a1_10ed);
        for _ in 0..schemas {
            let made_up = Schema::random(&mut random, 3);
            let text = made_up.text(&mut random);
            let constraint = schema(&text).unwrap();
            for _ in 0..3 {
                let mut matcher = Matcher::new(&constraint, &vocabulary.classes);
                let mut document = Vec::new();
                for _ in 0..random.below(most) {
                    let allowed = vocabulary.allowed(&matcher);
                    assert_eq!(matcher.is_complete(), allowed.contains(&vocabulary.end));
                    assert_eq!(
                        matcher.is_over(),
                        allowed
                            .iter()
                            .all(|&id| vocabulary.tokenizer.is_end_of_turn(id))
                    );
                    let token = random.one(&allowed);
                    assert!(matcher.advance(token));
                    if vocabulary.tokenizer.is_end_of_turn(token) {
                        break;
                    }
                    document.extend(vocabulary.bytes(token));
                }
                finish(vocabulary, &mut matcher, &mut document);
                let document = String::from_utf8(document).unwrap();
                let parsed = serde_json::from_str(&document);
                let parsed: Json = parsed.unwrap_or_else(|e| panic!("{text}: {document}: {e}"));
                assert!(made_up.is_satisfied(&parsed), "{text}: {document}");
            }
        }
    }
}

#[test]
fn integers_of_a_range_and_no_others() {
    for (min, max) in [
        (0, 100),
        (7, 7),
        (-12, 120),
        (-120, -12),
        (-9, 0),
        (-1, -1),
        (95, 1004),
        (0, 0),
        (1, 999_999_999_999_999_i64),
    ] {
        let text = format!(r#"{{"type":"integer","minimum":{min},"maximum":{max}}}"#);
        let constraint = schema(&text).unwrap();
        for integer in -1100..1100 {
            let found = SMALL.follow(&constraint, integer.to_string().as_bytes());
            let is_whole = found.is_ok_and(|matcher| matcher.is_complete());
            assert_eq!(
                is_whole,
                (min..=max).contains(&integer),
                "{integer}: {text}"
            );
        }
        for wrong in ["-0", "00", "01", "+1", "1.0", " 1", "1e1", "-"] {
            let found = SMALL.follow(&constraint, wrong.as_bytes());
            assert!(
                !found.is_ok_and(|matcher| matcher.is_complete()),
                "{wrong}: {text}"
            );
        }
    }
    let any = schema(r#"{"type":"integer"}"#).unwrap();
    accepts(&any, "999999999999999");
    accepts(&any, "-999999999999999");
    refuses(&any, "1000000000000000");
    let wide = schema(
        r#"{"type":"integer","minimum":-9223372036854775808,"exclusiveMaximum":9223372036854775807}"#,
    );
    refuses(&wide.unwrap(), "-1000000000000000");
}

#[test]
fn numbers_as_json_has_them_without_exponents() {
    let constraint = schema(r#"{"type":"number"}"#).unwrap();
    for right in ["0", "-0", "-0.5", "0.0", "10.25", "3", "-7.000"] {
        accepts(&constraint, right);
    }
    for wrong in ["00", ".", "-.", "1..", "1.5.", "--", "1e", "+"] {
        refuses(&constraint, wrong);
    }
    accepts(&constraint, "123456789012345.123456789012345");
    refuses(&constraint, "1234567890123456");
    refuses(&constraint, "0.1234567890123456");
}

#[test]
fn strings_as_json_has_them() {
    let constraint = schema(r#"{"type":"string"}"#).unwrap();
    for right in [
        r#""""#,
        r#""a\"\\\b\f\n\r\t""#,
        r#""\u0000\u001f""#,
        "\"é你😀\u{7f}/\"",
    ] {
        accepts(&constraint, right);
    }
    for wrong in [
        "\"\n",
        "\"\\x",
        r#""\u1"#,
        r#""\u002"#,
        r#""\u001F"#,
        r#""\/"#,
        "\"\"\"",
    ] {
        refuses(&constraint, wrong);
    }
    for not_utf8 in [
        &b"\"\x80"[..],
        b"\"\xc1",
        b"\"\xc3\"",
        b"\"\xe0\x9f",
        b"\"\xed\xa0",
        b"\"\xf0\x8f",
        b"\"\xf4\x90",
        b"\"\xf5",
        b"\"\xe4\xbd\xc0",
    ] {
        let found = SMALL.follow(&constraint, not_utf8);
        assert!(
            found.is_err_and(|at| at + 1 == not_utf8.len()),
            "{not_utf8:x?}"
        );
    }
    let short = schema(r#"{"type":"string","minLength":2,"maxLength":3}"#).unwrap();
    for right in ["\"ab\"", "\"你😀é\"", r#""\n\u0001a""#] {
        accepts(&short, right);
    }
    for wrong in ["\"\"", "\"a\"", r#""\n""#, "\"abcd", r#""abc\"#] {
        refuses(&short, wrong);
    }
}

#[test]
fn objects_have_their_properties_in_order() {
    let object = schema(
        r#"{"type":"object","required":["name","na\u006de2"],"additionalProperties":false,"properties":{
            "n":{"const":1},"name":{"const":2},"names":{"const":3},"name2":{"const":4},"é\"":{"type":"null"}}}"#,
    )
    .unwrap();
    for right in [
        r#"{"name":2,"name2":4}"#,
        r#"{"n": 1, "name": 2, "names": 3, "name2": 4, "é\"": null}"#,
        r#"{"n":1, "name":2,"name2": 4,"é\"":null}"#,
    ] {
        accepts(&object, right);
    }
    for wrong in [
        "{}",
        "{ ",
        r#"{"names"#,
        r#"{"name":2,"n""#,
        r#"{"name":2}"#,
        r#"{"name":2,  "#,
        r#"{"name":2,"name2":4,"n"#,
        r#"{"name":2,"name2":4,}"#,
        r#"{"name":2,"name2":4}}"#,
        r#"{"name" "#,
    ] {
        refuses(&object, wrong);
    }
    let empty = schema(r#"{"type":"object","properties":{}}"#).unwrap();
    accepts(&empty, "{}");
    refuses(&empty, "{\"");
    let array = schema(r#"{"type":"array","maxItems":0,"items":{"type":"null"}}"#).unwrap();
    accepts(&array, "[]");
    refuses(&array, "[n");
}

#[test]
fn choices_are_exact() {
    let constraint = choices(&["yes", "no", "yes, please", "ja", "jawohl", "你好", "no"]);
    for choice in ["yes", "no", "yes, please", "ja", "jawohl", "你好"] {
        accepts(&constraint, choice);
    }
    for wrong in [
        "Y",
        " ",
        "yes ",
        "yes, pleasee",
        "noo",
        "jaw ",
        "jab",
        "你a",
    ] {
        refuses(&constraint, wrong);
    }
    let over = |text: &str| {
        SMALL
            .follow(&constraint, text.as_bytes())
            .unwrap()
            .is_over()
    };
    assert!(over("no") && over("jawohl") && !over("yes") && !over("ja") && !over("jaw"));
    // A thousand of them begin alike.
    let many: Vec<String> = (0..1000).map(|i| format!("intent number {i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let constraint = choices(&many);
    for choice in many {
        accepts(&constraint, choice);
    }
    refuses(&constraint, "intent number 1000");
}
