//! A tool call as a response, in place of text.
//!
//! Only `mock/tool-call` sends one, and only if the request offers a tool. The arguments are fixed, so that a test
//! knows them; this file must not read the tool's schema.

use serde_json::{Value, json};

use super::asked::ParsedRequest;

/// The arguments of every call, in the two pieces in which they are streamed.
pub(super) const ARGUMENTS: [&str; 2] = ["{\"city\":", "\"Paris\"}"];

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// The call's id, `call_…`, to which the client's tool result refers.
    pub(super) id: String,
    /// The name of the first tool that the request offers.
    pub(super) name: String,
}

impl Call {
    /// Returns a call of the first tool of `asked`, if that has a name in OpenAI's or Anthropic's format.
    pub(super) fn of(asked: &ParsedRequest, generation: &str) -> Option<Self> {
        let tools = asked.get("tools")?;
        let tool = tools.get(0)?;
        let name = tool.get("function").unwrap_or(tool).get("name")?.as_str()?;
        Some(Self { id: format!("call_{generation}"), name: name.to_owned() })
    }

    /// Returns an element of the chat format's `tool_calls` with these arguments.
    pub(super) fn chat(&self, arguments: &str) -> Value {
        let function = json!({"name": self.name, "arguments": arguments});
        json!({"index": 0, "id": self.id, "type": "function", "function": function})
    }

    /// Returns the id of the Responses API's output item.
    pub(super) fn item_id(&self) -> String {
        format!("fc_{}", self.id)
    }

    /// Returns an output item of the Responses API with these arguments.
    pub(super) fn item(&self, status: &str, arguments: &str) -> Value {
        json!({"type": "function_call", "id": self.item_id(), "call_id": self.id, "name": self.name, "arguments": arguments, "status": status})
    }

    /// Returns a content block of the Messages API with this input.
    pub(super) fn block(&self, input: &Value) -> Value {
        json!({"type": "tool_use", "id": self.id, "name": self.name, "input": input})
    }
}

/// Returns the arguments as JSON text.
pub(super) fn arguments() -> String {
    ARGUMENTS.concat()
}

/// Returns the arguments as a JSON value.
pub(super) fn input() -> Value {
    json!({"city": "Paris"})
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn the_first_tool_is_called_in_both_formats() {
        let call = |body: &str| {
            Call::of(&ParsedRequest::read("x", &HeaderMap::new(), body.as_bytes()).unwrap(), "gen-1")
                .map(|call| call.name)
        };
        let chat = r#"{"tools":[{"type":"function","function":{"name":"a"}},{"function":{"name":"b"}}]}"#;
        assert_eq!(call(chat).as_deref(), Some("a"));
        assert_eq!(call(r#"{"tools":[{"name":"c","input_schema":{}}]}"#).as_deref(), Some("c"));
        for none in ["{}", r#"{"tools":[]}"#, r#"{"tools":[{"type":"function"}]}"#] {
            assert_eq!(call(none), None, "{none}");
        }
        assert_eq!(serde_json::from_str::<Value>(&arguments()).unwrap(), input());
    }
}
