//! The table of tools and members that the detector knows, each with its source (docs/SPEC.md#shared-account-tools).
//!
//! Sources: `OpenRouter SDK` is PyPI `openrouter` 1.3.84, `OpenRouter docs` are OpenRouter's documentation pages,
//! `Anthropic API` and `OpenAI API` are the references of the two request formats that OpenRouter accepts.
//! `.ci/drift` compares this table with the newest SDK.

use super::type_name::TypeName;

/// The treatment of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grant {
    /// Has no state of the account, or only by ids of stored things, which are refused.
    Free,
    /// As [`Grant::Free`], but it runs in a container.
    Container,
    /// Reaches or may reach state of the account. The number is its row.
    Blocked(u8),
    /// In no row.
    Unlisted,
}

/// The spellings of a row's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// The name alone.
    Exact,
    /// The name and an underscore with a date of eight digits.
    Dated,
    /// The name, with or without `openrouter:` before it and `_v1`, any number, or a date after it.
    Server,
    /// As [`Spelling::Server`], with more words between (`web_search_preview_2025_03_11`).
    Family,
}

/// One row of [`TOOLS`].
#[derive(Debug)]
pub(super) struct ToolRow {
    pub(super) name: &'static str,
    spelling: Spelling,
    treatment: Treatment,
    #[cfg_attr(not(test), expect(dead_code, reason = "the origin of each row, for readers"))]
    pub(super) source: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    Allow,
    AllowContainer,
    Block,
}

const fn tool(name: &'static str, spelling: Spelling, treatment: Treatment, source: &'static str) -> ToolRow {
    ToolRow { name, spelling, treatment, source }
}

use Spelling::{Dated, Exact, Family, Server};
use Treatment::{Allow, AllowContainer, Block};

/// The types of tools.
pub(super) static TOOLS: [ToolRow; 29] = [
    tool("function", Exact, Allow, "OpenRouter SDK: ChatFunctionTool, ResponsesRequest.tools; run by the client"),
    tool("custom", Exact, Allow, "OpenRouter SDK: CustomTool; Anthropic API: Tool; run by the client"),
    tool("namespace", Exact, Allow, "OpenRouter SDK: NamespaceTool; a group of functions, each checked"),
    tool("bash", Dated, Allow, "Anthropic API: bash_20250124; run by the client"),
    tool("text_editor", Dated, Allow, "Anthropic API: text_editor_20250124 and later; run by the client"),
    tool("computer", Dated, Allow, "Anthropic API: computer_20250124 and later; run by the client"),
    tool("web_search", Family, Allow, "OpenRouter docs: web search; no state"),
    tool("web_fetch", Family, Allow, "OpenRouter docs: web fetch; no state"),
    tool("datetime", Server, Allow, "OpenRouter docs: datetime; no state"),
    tool("image_generation", Server, Allow, "OpenRouter docs: image generation; no state"),
    tool("apply_patch", Server, Allow, "OpenRouter docs: apply patch; OpenAI API: run by the client"),
    tool("fusion", Server, Allow, "OpenRouter docs: fusion; its own tools are checked"),
    tool("advisor", Server, Allow, "OpenRouter docs: advisor; its own tools are checked"),
    tool("subagent", Server, Allow, "OpenRouter docs: subagent; its own tools are checked"),
    tool("tool_search", Family, Allow, "OpenRouter docs: tool search; Anthropic API: tool_search_tool_bm25; no state"),
    tool("experimental__search_models", Server, Allow, "OpenRouter docs: model search; no state"),
    tool("mcp", Exact, Allow, "OpenRouter SDK: McpServerTool; a server of the client's choice"),
    tool("file_search", Exact, Allow, "OpenRouter SDK: FileSearchServerTool; useless without vector_store_ids"),
    tool("code_interpreter", Exact, AllowContainer, "OpenRouter SDK: CodeInterpreterServerTool"),
    tool("openrouter:bash", Server, Block, "OpenRouter docs: bash; a container of the account"),
    tool("openrouter:shell", Server, Block, "OpenRouter docs: shell; a container of the account"),
    tool("openrouter:files", Server, Block, "OpenRouter docs: files; files of the workspace"),
    tool("openrouter:memory", Server, Block, "OpenRouter SDK: OutputMemoryServerToolItem"),
    tool("openrouter:browser_use", Server, Block, "OpenRouter SDK: OutputBrowserUseServerToolItem"),
    tool("shell", Server, Block, "OpenRouter docs: shell; a short name of openrouter:shell"),
    tool("local_shell", Server, Block, "OpenRouter docs: shell; runs in OpenRouter's sandbox"),
    tool("computer_use_preview", Server, Block, "OpenRouter SDK: ComputerUseServerTool"),
    tool("code_execution", Family, Block, "Anthropic API: code_execution_20250825; a container of the provider"),
    tool("memory", Dated, Block, "Anthropic API: memory_20250818; OpenRouter may map it to openrouter:memory"),
];

/// Returns the treatment of a type by the table.
pub(super) fn grant(name: &TypeName<'_>) -> Grant {
    for (index, row) in TOOLS.iter().enumerate() {
        if row.matches(name) {
            return match row.treatment {
                Allow => Grant::Free,
                AllowContainer => Grant::Container,
                Block => Grant::Blocked(u8::try_from(index).unwrap_or(u8::MAX)),
            };
        }
    }
    Grant::Unlisted
}

impl ToolRow {
    fn matches(&self, name: &TypeName<'_>) -> bool {
        let Some(text) = name.whole() else { return false };
        let is_server = matches!(self.spelling, Server | Family);
        let stripped = text.strip_prefix(b"openrouter:").filter(|_| is_server && self.treatment == Allow);
        let Some(rest) = stripped.unwrap_or(text).strip_prefix(self.name.as_bytes()) else { return false };
        let suffix = rest.strip_prefix(b"_");
        let is_date = |suffix: &[u8]| suffix.len() == 8 && suffix.iter().all(u8::is_ascii_digit);
        let is_version = |suffix: &[u8]| {
            let digits = suffix.strip_prefix(b"v").unwrap_or_default();
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        };
        let is_words = |suffix: &[u8]| {
            let word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
            !suffix.is_empty() && suffix.iter().all(word)
        };
        match self.spelling {
            Exact => rest.is_empty(),
            Dated => suffix.is_some_and(is_date),
            Server => rest.is_empty() || suffix.is_some_and(|suffix| is_date(suffix) || is_version(suffix)),
            Family => rest.is_empty() || suffix.is_some_and(is_words),
        }
    }
}

/// A member that is exempt for some types of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exemption {
    /// `input` of a `tool_use` block.
    Input,
    /// `parameters` of a tool of type `function` or `custom`.
    Parameters,
}

impl Exemption {
    /// All exemptions, in the order of their numbers.
    pub(super) const ALL: [Self; 2] = [Self::Input, Self::Parameters];
}

/// The meaning of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Type,
    /// An array of tools, or one tool.
    Tools,
    /// An id of a stored thing, or a list of ids.
    Stored,
    /// The same, or an object with an `id`.
    Container,
    /// An object with an `id`; a text is the client's.
    Template,
    /// `id`, which counts within such an object alone.
    Id,
    /// The items of a request.
    Input,
    /// Client data.
    Exempt,
    ExemptIf(Exemption),
    /// The output of a call.
    Output,
    /// Annotations of a replayed answer.
    Annotations,
}

impl Role {
    /// Returns true for members that are treated with less care than others. Their names are compared exactly.
    pub(super) fn is_lenient(self) -> bool {
        matches!(self, Self::Input | Self::Exempt | Self::ExemptIf(_) | Self::Output | Self::Annotations)
    }
}

/// The objects in which a member has its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Outer,
    Nested,
    Any,
}

/// One row of [`KEYS`].
#[derive(Debug)]
pub(super) struct KeyRow {
    pub(super) name: &'static str,
    pub(super) role: Role,
    pub(super) place: Place,
    #[cfg_attr(not(test), expect(dead_code, reason = "the origin of each row, for readers"))]
    pub(super) source: &'static str,
}

const fn key(name: &'static str, role: Role, place: Place, source: &'static str) -> KeyRow {
    KeyRow { name, role, place, source }
}

use Place::{Any, Nested, Outer};
use Role::{Annotations, Container, Exempt, ExemptIf, Id, Input, Output, Stored, Template, Tools, Type};

/// The members.
pub(super) static KEYS: [KeyRow; 29] = [
    key("type", Type, Any, "all request formats"),
    key("tools", Tools, Any, "ChatRequest, ResponsesRequest, MessagesRequest, FusionPlugin, AdditionalToolsItem"),
    key("additional_tools", Tools, Any, "OpenRouter SDK: AdditionalToolsItem, should it be written as a member"),
    key("tool_definition", Tools, Any, "OpenRouter SDK: MessagesToolAdditionBlock"),
    key("container_id", Stored, Any, "OpenRouter SDK: ContainerReferenceEnvironment"),
    key("container", Container, Any, "OpenRouter SDK: CodeInterpreterServerTool; Anthropic API: container"),
    key("file_ids", Stored, Any, "OpenRouter SDK: ContainerAutoEnvironment"),
    key("file_id", Stored, Any, "OpenRouter SDK: ChatContentFile, InputFile, AnthropicFileDocumentSource"),
    key("vector_store_ids", Stored, Any, "OpenRouter SDK: FileSearchServerTool"),
    key("skill_id", Stored, Any, "Anthropic API: container.skills"),
    key("previous_response_id", Stored, Outer, "OpenAI API: Responses; OpenRouter SDK: ResponsesRequest"),
    key("conversation", Container, Outer, "OpenAI API: Responses; a stored conversation"),
    key("prompt", Template, Outer, "OpenRouter SDK: StoredPromptTemplate; elsewhere a text"),
    key("id", Id, Nested, "Anthropic API: container.id; OpenAI API: conversation.id, prompt.id"),
    key("input", Input, Outer, "OpenRouter SDK: ResponsesRequest.input"),
    key("function", Exempt, Any, "OpenRouter SDK: ChatFunctionTool.function, ChatToolCall.function"),
    key("functions", Exempt, Outer, "OpenAI API: functions, the older form of tools"),
    key("documents", Exempt, Outer, "OpenRouter SDK: rerank documents"),
    key("state", Exempt, Outer, "OpenRouter SDK: DecisionsRequest.state, the content to evaluate"),
    key("questions", Exempt, Outer, "OpenRouter SDK: DecisionsRequest.questions, named by the client"),
    key("input_schema", Exempt, Any, "Anthropic API: Tool.input_schema; OpenAI API: mcp_list_tools"),
    key("output_schema", Exempt, Any, "OpenAI API: FunctionTool.output_schema"),
    key("input_examples", Exempt, Nested, "Anthropic API: Tool.input_examples"),
    key("schema", Exempt, Any, "OpenRouter SDK: json_schema.schema"),
    key("arguments", Exempt, Any, "OpenRouter SDK: OutputFunctionCallItem.arguments"),
    key("input", ExemptIf(Exemption::Input), Nested, "Anthropic API: ToolUseBlock.input"),
    key("parameters", ExemptIf(Exemption::Parameters), Nested, "OpenRouter SDK: FunctionTool.parameters"),
    key("output", Output, Nested, "OpenRouter SDK: FunctionCallOutputItem.output"),
    key("annotations", Annotations, Nested, "OpenAI API: container_file_citation of a replayed answer"),
];

/// Length of the longest name in [`KEYS`], in bytes.
pub(super) const LONGEST_KEY: usize = "previous_response_id".len();

/// The types of content parts that may name a stored file.
pub(super) const CONTENT_PARTS: [&str; 6] =
    ["input_file", "input_image", "computer_screenshot", "file", "image", "document"];

/// The type of items of the Responses `input` that stand for a stored one (OpenAI API: `ItemReferenceParam`).
pub(super) const REFERENCE: &str = "item_reference";
