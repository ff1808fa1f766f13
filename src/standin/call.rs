//! A call of a tool, in place of a text: what a model answers when it wants the client to do something.
//!
//! Only `standin/tool-call` answers so, and only where the request offers a tool. It must not look at the tool's schema:
//! the arguments are always the same, so that a test knows them.

use serde_json::{Value, json};

use super::asked::Asked;

/// The arguments of every call, in the two pieces in which they are streamed.
pub(super) const ARGUMENTS: [&str; 2] = ["{\"city\":", "\"Paris\"}"];

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// `call_…`, by which the client answers it.
    pub(super) id: String,
    /// The name of the first tool that the request offers.
    pub(super) name: String,
}

impl Call {
    /// The call that answers `asked`, if it offers a tool with a name, in OpenAI's or Anthropic's shape.
    pub(super) fn of(asked: &Asked, generation: &str) -> Option<Self> {
        let tools = asked.get("tools")?;
        let tool = tools.get(0)?;
        let name = tool.get("function").unwrap_or(tool).get("name")?.as_str()?;
        Some(Self { id: format!("call_{generation}"), name: name.to_owned() })
    }

    /// As a member of chat's `tool_calls`, with these arguments.
    pub(super) fn chat(&self, arguments: &str) -> Value {
        let function = json!({"name": self.name, "arguments": arguments});
        json!({"index": 0, "id": self.id, "type": "function", "function": function})
    }

    /// How the Responses API calls the item that holds it.
    pub(super) fn item_id(&self) -> String {
        format!("fc_{}", self.id)
    }

    /// As an output item of the Responses API, with these arguments.
    pub(super) fn item(&self, status: &str, arguments: &str) -> Value {
        json!({"type": "function_call", "id": self.item_id(), "call_id": self.id, "name": self.name, "arguments": arguments, "status": status})
    }

    /// As a content block of the Messages API, with this input.
    pub(super) fn block(&self, input: &Value) -> Value {
        json!({"type": "tool_use", "id": self.id, "name": self.name, "input": input})
    }
}

/// The arguments as the JSON text that they are.
pub(super) fn arguments() -> String {
    ARGUMENTS.concat()
}

/// The arguments as a value.
pub(super) fn input() -> Value {
    json!({"city": "Paris"})
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn the_first_tool_is_called_in_either_shape() {
        let call = |body: &str| {
            Call::of(&Asked::read("x", &HeaderMap::new(), body.as_bytes()).unwrap(), "gen-1").map(|call| call.name)
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
