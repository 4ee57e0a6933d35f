//! What a JSON object is made of, in one line: `status:string error:string|null`.

use serde_json::Value;

/// Fails unless the object has all of these fields and no others. Behind a
/// colon comes what each may be; a `?` behind its name: it may be missing.
#[track_caller]
pub fn expect(value: &Value, shape: &str) {
    let object = value.as_object();
    let object = object.unwrap_or_else(|| panic!("no object: {value}"));
    let fields: Vec<(&str, &str)> = shape
        .split_whitespace()
        .map(|field| field.split_once(':').expect("name:kinds"))
        .collect();
    for (name, kinds) in &fields {
        match object.get(name.trim_end_matches('?')) {
            None => assert!(name.ends_with('?'), "{name} is missing: {value}"),
            Some(found) => assert!(
                kinds.split('|').any(|kind| kind == kind_of(found)),
                "{name} must be {kinds}: {value}"
            ),
        }
    }
    for name in object.keys() {
        let is_known = |(known, _): &(&str, _)| known.trim_end_matches('?') == name;
        assert!(fields.iter().any(is_known), "nobody knows {name}: {value}");
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[test]
fn what_is_missing_or_wrong_or_too_much_is_noticed() {
    let value = serde_json::json!({"a": 1, "b": null});
    for shape in ["a:number b:string|null", "a:number c?:string b:null"] {
        expect(&value, shape);
    }
    for shape in ["a:number", "a:string b:null", "a:number b:null c:number"] {
        let value = value.clone();
        let noticed = std::panic::catch_unwind(|| expect(&value, shape));
        assert!(noticed.is_err(), "{shape}");
    }
}
