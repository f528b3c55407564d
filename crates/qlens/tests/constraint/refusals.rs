//! What is not supported is refused by name, with its place.

use qlens::constraint::{Constraint, Error, TokenClasses};

use crate::{SMALL, choices, schema, words};

#[track_caller]
fn says(text: &str, sentence: &str) {
    let said = schema(text).err().map(|error| error.to_string());
    let said = said.unwrap_or_else(|| panic!("{text} was taken"));
    assert!(said.contains(sentence), "{text}: {said}");
}

#[test]
fn text_that_is_not_json() {
    for (text, sentence) in [
        ("", "at byte 0 there should be a value"),
        ("  nul", "at byte 2 there should be a value"),
        (
            "{\"type\":\"null\"",
            "at byte 14 there should be a comma or the end of the object",
        ),
        (
            "{\"type\":\"null\"} x",
            "at byte 16 there should be the end",
        ),
        ("{\"type\" \"null\"}", "at byte 8 there should be a colon"),
        ("{type:1}", "at byte 1 there should be a key in quotes"),
        ("{\"a\":1,}", "at byte 7 there should be a key in quotes"),
        ("[1,]", "at byte 3 there should be a value"),
        (
            "[1 2]",
            "at byte 3 there should be a comma or the end of the array",
        ),
        ("[,1]", "at byte 1 there should be a value"),
        ("{,}", "at byte 1 there should be a key in quotes"),
        ("[01]", "at byte 2 there should be a comma"),
        ("[-]", "at byte 2 there should be a digit"),
        ("[1.]", "at byte 3 there should be a digit"),
        ("[1e+]", "at byte 4 there should be a digit"),
        ("\"abc", "at byte 4 there should be a quote"),
        ("\"a\nc\"", "at byte 2 there should be no control character"),
        (
            "\"\\x\"",
            "at byte 2 there should be an escape that JSON has",
        ),
        (
            "\"\\u12g4\"",
            "at byte 5 there should be four hexadecimal digits",
        ),
        ("\"\\ud83d\"", "the second half of a surrogate pair"),
        ("\"\\ud83d\\u0041\"", "the second half of a surrogate pair"),
        (
            "\"\\ude00\"",
            "at byte 2 there should be the first half of a surrogate pair",
        ),
        ("\u{feff}{}", "at byte 0 there should be a value"),
    ] {
        says(text, sentence);
    }
    says(&"[".repeat(200), "the schema nests too deep at byte 128");
    says(
        &" ".repeat(40_000),
        "the schema has 40000 bytes and may have 32768",
    );
}

#[test]
fn keywords_that_constrain_and_are_not_supported() {
    for (text, sentence) in [
        (
            r##"{"$ref":"#"}"##,
            "\"$ref\" at byte 1 of the schema is not supported here; what is: type, enum",
        ),
        (
            r##"{"type":"object","properties":{"next":{"$ref":"#"}}}"##,
            "\"$ref\" at byte 39",
        ),
        (
            r#"{"type":"string","pattern":"a"}"#,
            "\"pattern\" at byte 17",
        ),
        (r#"{"type":"string","format":"date"}"#, "\"format\""),
        (
            r#"{"type":"string","minimum":1}"#,
            "\"minimum\" at byte 17 of the schema is not supported here; what is: enum, const, minLength and maxLength",
        ),
        (r#"{"type":"number","maximum":1}"#, "\"maximum\""),
        (r#"{"type":"integer","multipleOf":2}"#, "\"multipleOf\""),
        (
            r#"{"enum":["a"],"maxLength":2}"#,
            "beside enum and const, type",
        ),
        (r#"{"enum":["a"],"const":"a"}"#, "\"const\""),
        (
            r#"{"anyOf":[{"type":"null"}],"type":"null"}"#,
            "beside anyOf and oneOf, nothing else",
        ),
        (r#"{"allOf":[{"type":"null"}]}"#, "\"allOf\""),
        (
            r#"{"type":"array","items":{"type":"null"},"uniqueItems":true}"#,
            "\"uniqueItems\"",
        ),
        (
            r#"{"a_keyword_\u00e9that_nobody_has_ever_heard_of":1}"#,
            "\"a_keyword_éthat_nobody_has_ever\"",
        ),
    ] {
        says(text, sentence);
    }
}

#[test]
fn schemas_that_are_wrong() {
    for (text, sentence) in [
        ("true", "there should be a schema at byte 0"),
        ("[]", "there should be a schema at byte 0"),
        ("{}", "the schema at byte 0 allows anything"),
        (
            r#"{"properties":{}}"#,
            "the schema at byte 0 allows anything",
        ),
        (
            r#"{"type":"text"}"#,
            "\"text\" at byte 8 of the schema is no type",
        ),
        (
            r#"{"type":7}"#,
            "at byte 8 of the schema there should be the name of a type",
        ),
        (r#"{"type":[]}"#, "at byte 8"),
        (
            r#"{"type":"null","t\u0079pe":"null"}"#,
            "\"type\" at byte 15 of the schema is there a second time",
        ),
        (
            r#"{"type":["null","null"]}"#,
            "\"null\" at byte 16 of the schema is there a second time",
        ),
        (r#"{"type":"object"}"#, "needs \"properties\""),
        (r#"{"type":"array"}"#, "needs \"items\""),
        (
            r#"{"type":"array","items":{}}"#,
            "the schema at byte 24 allows anything",
        ),
        (
            r#"{"type":"object","properties":[]}"#,
            "an object of schemas",
        ),
        (
            r#"{"type":"object","properties":{},"additionalProperties":true}"#,
            "at byte 56 of the schema there should be false",
        ),
        (
            r#"{"type":"object","properties":{},"required":["a"]}"#,
            "\"a\" at byte 45 of the schema is required and not among",
        ),
        (
            r#"{"type":"object","properties":{},"required":{}}"#,
            "an array of the names of properties",
        ),
        (
            r#"{"type":"object","properties":{"a":{"type":"null"},"\u0061":{"type":"null"}}}"#,
            "\"a\" at byte 51 of the schema is there a second time",
        ),
        (r#"{"enum":[]}"#, "an array of values, one or more"),
        (r#"{"enum":{"a":1}}"#, "an array of values, one or more"),
        (
            r#"{"enum":[{}]}"#,
            "at byte 9 of the schema there should be a string, a number",
        ),
        (
            r#"{"type":"string","enum":["a",1]}"#,
            "the value at byte 29 of the schema is not of the type",
        ),
        (r#"{"type":"integer","const":1.0}"#, "is not of the type"),
        (r#"{"anyOf":[]}"#, "an array of schemas"),
        (
            r#"{"type":"string","minLength":-1}"#,
            "an integer from 0 to 4294967295",
        ),
        (
            r#"{"type":"string","minLength":1e2}"#,
            "an integer from 0 to 4294967295",
        ),
        (
            r#"{"type":"string","maxLength":4294967296}"#,
            "an integer from 0 to 4294967295",
        ),
        (
            r#"{"type":"string","minLength":3,"maxLength":2}"#,
            "nothing can satisfy the schema at byte 0: minLength is above maxLength",
        ),
        (
            r#"{"type":"integer","minimum":3,"maximum":2}"#,
            "nothing can satisfy",
        ),
        (
            r#"{"type":"integer","exclusiveMinimum":9223372036854775807}"#,
            "at most 15 digits",
        ),
        (
            r#"{"type":"integer","minimum":9223372036854775808}"#,
            "an integer of 64 bits",
        ),
        (
            r#"{"type":["string","null","integer","number"]}"#,
            "two alternatives of the schema at byte 0 can begin with '-'",
        ),
        (
            r#"{"anyOf":[{"type":"string"},{"const":"a"}]}"#,
            "can begin with '\\\"'",
        ),
    ] {
        says(text, sentence);
    }
}

#[test]
fn too_much_of_something() {
    let nested = |times| {
        (0..times).fold(String::from(r#"{"type":"null"}"#), |inner, _| {
            format!(r#"{{"type":"array","items":{inner}}}"#)
        })
    };
    assert!(schema(&nested(16)).is_ok());
    says(&nested(17), "at most 16 objects and arrays of an answer");
    let any = |times| {
        (0..times).fold(String::from(r#"{"type":"null"}"#), |inner, _| {
            format!(r#"{{"anyOf":[{inner}]}}"#)
        })
    };
    assert!(schema(&any(31)).is_ok());
    says(&any(60), "at most 32 schemas may lie within each other");
    let properties = |count| {
        let all: Vec<_> = (0..count)
            .map(|i| format!(r#""{i}":{{"type":"null"}}"#))
            .collect();
        format!(r#"{{"type":"object","properties":{{{}}}}}"#, all.join(","))
    };
    assert!(schema(&properties(128)).is_ok());
    says(&properties(129), "too many properties: at most 128");
    let strings = vec![r#"{"type":"string"}"#; 17].join(",");
    says(
        &format!(r#"{{"anyOf":[{strings}]}}"#),
        "too many alternatives",
    );
}

#[test]
fn memory_that_is_too_small() {
    let text =
        r#"{"type":"object","properties":{"a":{"enum":["yes","no"]},"b":{"type":"integer"}}}"#;
    let least = (0..200)
        .find(|&count| Constraint::schema(text, words(count)).is_ok())
        .unwrap();
    let enough = Constraint::schema_words(text.len());
    assert!(least <= enough);
    for found in 0..least {
        let what = "the constraint";
        assert_eq!(
            Constraint::schema(text, words(found)).err(),
            Some(Error::Memory {
                what,
                found,
                enough
            })
        );
    }
    let list = ["yes", "no", "perhaps"];
    let enough = Constraint::choices_words(&list);
    assert!(Constraint::choices(&list, words(enough)).is_ok());
    assert!(matches!(
        Constraint::choices(&list, words(enough - 1)),
        Err(Error::Memory { .. })
    ));
    let n_vocab = SMALL.tokenizer.n_vocab();
    let error = TokenClasses::new(&SMALL.tokenizer, &mut vec![0; n_vocab - 1]).err();
    let sentence = format!(
        "the memory for the classes of tokens has {} elements; {n_vocab} are enough",
        n_vocab - 1
    );
    assert_eq!(error.unwrap().to_string(), sentence);
}

#[test]
fn choices_that_are_none() {
    let error = |list: &[&str]| {
        Constraint::choices(list, words(20_000))
            .err()
            .unwrap()
            .to_string()
    };
    assert_eq!(
        error(&[]),
        "there is nothing to choose from: give at least one choice"
    );
    assert_eq!(
        error(&["a", ""]),
        "choice 2 has 0 bytes; it has to have 1 to 65535"
    );
    let long = "x".repeat(65_536);
    assert_eq!(
        error(&[&long]),
        "choice 1 has 65536 bytes; it has to have 1 to 65535"
    );
    choices(&[&long[1..]]);
}
