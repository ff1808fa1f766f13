//! Validates values against the part of JSON Schema that the OpenAPI document uses. Undocumented members are errors
//! too.

use serde_json::Value;

/// Returns each violation of `schema` in `value`.
pub(super) fn check(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    walk(document, schema, value, "$", &mut wrong);
    wrong
}

fn walk(document: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    for keyword in schema.as_object().into_iter().flatten().map(|(keyword, _)| keyword.as_str()) {
        let known = "type properties required additionalProperties items enum oneOf $ref description format pattern minimum \
                     maximum default";
        assert!(
            known.split_whitespace().any(|known| known == keyword),
            "the schema keyword {keyword} at {at} is not supported here"
        );
    }
    if let Some(target) = schema["$ref"].as_str() {
        let target = document.pointer(&target[1..]).unwrap_or_else(|| panic!("the document has no {target}"));
        return walk(document, target, value, at, wrong);
    }
    if let Some(schemas) = schema["oneOf"].as_array() {
        let matching = schemas.iter().filter(|schema| check(document, schema, value).is_empty()).count();
        if matching != 1 {
            wrong.push(format!("{at}: {value} matches {matching} of the schemas"));
        }
        return;
    }
    if !is_of_type(&schema["type"], value) {
        wrong.push(format!("{at}: {value} is no {}", schema["type"]));
        return;
    }
    if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
        wrong.push(format!("{at}: {value} is none of {}", schema["enum"]));
    }
    let within = |bound: &str, holds: fn(f64, f64) -> bool| {
        schema[bound].as_f64().zip(value.as_f64()).is_none_or(|(bound, value)| holds(value, bound))
    };
    if !within("minimum", |value, bound| value >= bound) || !within("maximum", |value, bound| value <= bound) {
        wrong.push(format!("{at}: {value} is out of range"));
    }
    if schema["format"] == "date-time" && value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_err()) {
        wrong.push(format!("{at}: {value} is no time"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        walk(document, &schema["items"], item, &format!("{at}[{index}]"), wrong);
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            wrong.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) => walk(document, schema, member, &at, wrong),
            (None, Some(Value::Bool(false))) => wrong.push(format!("{at} is not documented")),
            (None, Some(schema)) if schema.is_object() => walk(document, schema, member, &at, wrong),
            (None, _) => {}
        }
    }
}

fn is_of_type(types: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is not a JSON Schema type"),
    };
    match types {
        Value::Null => true,
        Value::String(name) => is(name),
        names => names.as_array().is_some_and(|names| names.iter().filter_map(Value::as_str).any(is)),
    }
}
