//! Detects requests for tools, files and containers that all callers of one OpenRouter account share
//! (docs/SPEC.md#shared-account-tools).
//!
//! The detector gets keys and values from the scanner and remembers the open containers that matter, see [`frames`].
//! Client data (schemas, arguments) is skipped by the scanner at full speed. A member whose meaning depends on a later
//! member, such as `input` before `type`, is decided when its object ends. The data is in [`table`].

mod error;
mod frames;
mod names;
mod table;
mod type_name;

use std::sync::Arc;

use super::raw_name::RawName;
pub use error::SharedToolError;
use error::What;
use frames::{Bits, Frames, Kind, Region};
use names::find_key;
pub(super) use names::{is_common_type, is_exempt, may_matter};
use table::{Exemption, Grant, Role};
use type_name::{RAW_CAP, TypeName};

/// Length of the longest name that is compared in the outer object, in bytes.
pub(super) const LONGEST_OUTER: usize = table::LONGEST_KEY;
/// Longest type that `server_tools_allowed` may list, in bytes.
pub const LONGEST_TYPE: usize = type_name::LONGEST_TYPE;
/// Depth of the elements of an outer array.
const ITEM_DEPTH: usize = 3;

/// The tools that an operator allows besides those of the table (`server_tools_allowed`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedToolPolicy {
    allowed: Vec<String>,
}

impl SharedToolPolicy {
    /// Allows these types too.
    pub fn new(allowed: Vec<String>) -> Self {
        Self { allowed }
    }

    fn grant(&self, name: &TypeName<'_>) -> Grant {
        let listed = || self.allowed.iter().any(|allowed| name.is(allowed));
        match table::grant(name) {
            // The operator may allow tools that run in a container, so such tools count as doing so.
            Grant::Blocked(_) | Grant::Unlisted if listed() => Grant::Container,
            grant => grant,
        }
    }
}

/// The next value's treatment by the scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Pass,
    /// Stop at the value.
    Show,
    /// Skip the value without further stops.
    Skip,
}

/// The keys at which the scanner stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Off,
    /// Keys of the table, except a `type` below items with a frequent value that has no role.
    Common,
    /// Keys of the table.
    Strict,
    All,
}

/// The events that the detector needs from the scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    pub(super) keys: Keys,
    /// The scanner stops when a container closes and this depth is reached.
    pub(super) floor: usize,
    /// The scanner stops at strings and arrays directly in the array at this depth; 0 for none.
    pub(super) elements: usize,
}

/// The detector's state between two stops of the scanner.
#[derive(Debug)]
pub(super) struct SharedToolDetector {
    policy: Arc<SharedToolPolicy>,
    /// True for the Responses API, whose `input` may replay items of server tools.
    replays: bool,
    frames: Frames,
    /// The relevant member whose value comes next or is being read, and the depth of its object.
    member: Member,
    depth: usize,
    /// True inside the outer array `input`.
    in_input: bool,
    /// True if an enabled tool runs in a container.
    runs_container: bool,
    /// A stored id in a replayed call.
    replayed: Option<What>,
    /// The beginning of a key or value that the end of an earlier piece split.
    cut: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    None,
    Role(Role, What),
    /// After the opening bracket of a list of stored ids.
    List(What),
}

impl SharedToolDetector {
    pub(super) fn new(policy: Arc<SharedToolPolicy>, replays: bool) -> Self {
        Self {
            policy,
            replays,
            frames: Frames::default(),
            member: Member::None,
            depth: 1,
            in_input: false,
            runs_container: false,
            replayed: None,
            cut: Vec::new(),
        }
    }

    /// Returns the events that are needed at this point.
    pub(super) fn watch(&self) -> Watch {
        let context = self.frames.context();
        let keys = if context.container != 0 {
            Keys::All
        } else if context.tools != 0 || context.region.is_output() {
            Keys::Strict
        } else {
            Keys::Common
        };
        let elements = if context.tools_array { usize::from(context.tools) } else { 0 };
        Watch { keys, floor: self.frames.floor(), elements }
    }

    /// Returns the needed events if they may have changed since the last call.
    pub(super) fn changed_watch(&mut self) -> Option<Watch> {
        self.frames.take_changed().then(|| self.watch())
    }

    /// Takes the key of an outer member.
    pub(super) fn outer_key(&mut self, key: RawName<'_>) -> Next {
        self.in_input = false;
        self.key(key, 1)
    }

    /// Takes a nested key of the object at `depth`; `text` continues what was carried.
    pub(super) fn inner_key(&mut self, text: &[u8], depth: usize) -> Next {
        let cut = std::mem::take(&mut self.cut);
        let joined = joined(&cut, text);
        let next = self.key(RawName::of_text(if cut.is_empty() { text } else { &joined }), depth);
        self.cut = cut;
        self.cut.clear();
        next
    }

    fn key(&mut self, key: RawName<'_>, depth: usize) -> Next {
        self.member = Member::None;
        self.depth = depth;
        let Some((index, row)) = find_key(key, depth == 1) else { return Next::Pass };
        let context = self.frames.context();
        let (in_tools, region) = (context.tools != 0, context.region);
        let (next, relevant) = match row.role {
            Role::Exempt => (Next::Skip, false),
            Role::ExemptIf(exemption) => {
                let applies = match exemption {
                    Exemption::Input => !in_tools,
                    Exemption::Parameters => context.is_tool(depth),
                };
                // An output is exempt as a whole.
                if depth == 1 || !applies || region.is_output() {
                    (Next::Pass, false)
                } else {
                    match self.frames.object(depth).filter(|object| object.typed) {
                        Some(object) if object.all.has(exemption.bit()) => {
                            object.used = object.used.with(exemption.bit());
                            (Next::Skip, false)
                        }
                        Some(_) => (Next::Pass, false),
                        None => (Next::Show, true),
                    }
                }
            }
            Role::Output | Role::Annotations => (Next::Show, depth > 1 && !in_tools && !region.is_output()),
            Role::Id => (Next::Show, depth == usize::from(context.container)),
            Role::Type | Role::Stored | Role::Container | Role::Template | Role::Tools | Role::Input => {
                (Next::Show, true)
            }
        };
        if relevant {
            self.member = Member::Role(row.role, What::Key(index));
        }
        if next == Next::Show && !relevant { Next::Pass } else { next }
    }

    /// Takes the first byte of the value. Returns [`Next::Show`] if the first element is needed too.
    ///
    /// # Errors
    /// [`SharedToolError`] if the value is not allowed.
    pub(super) fn value_begins(&mut self, byte: u8) -> Result<Next, SharedToolError> {
        let (depth, member) = (self.depth, std::mem::replace(&mut self.member, Member::None));
        let inside = depth + 1;
        let opens = matches!(byte, b'{' | b'[');
        match member {
            Member::List(what) => self.found(what, depth)?,
            // A string is decided at its end.
            Member::Role(Role::Type | Role::Stored | Role::Container | Role::Id, _) if byte == b'"' => {
                self.member = member;
            }
            Member::Role(Role::Type, _) => {
                if byte != b'n' && self.frames.context().is_tool(depth) {
                    self.found(What::NotText, depth)?;
                }
            }
            Member::Role(Role::Container | Role::Template, _) if byte == b'{' => {
                self.frames.push(inside, Kind::Container);
            }
            Member::Role(Role::Stored | Role::Container | Role::Id, what) => match byte {
                b'[' => {
                    self.member = Member::List(what);
                    return Ok(Next::Show);
                }
                // An object is a schema of a parameter with this name.
                b'n' | b'f' | b'{' => {}
                _ => self.found(what, depth)?,
            },
            Member::Role(Role::Tools, _) if opens => self.frames.push(inside, Kind::Tools { array: byte == b'[' }),
            Member::Role(Role::Tools, _) => {
                if byte == b'"' {
                    self.found(What::Shorthand, depth)?;
                }
            }
            Member::Role(Role::Input, _) => self.in_input = byte == b'[',
            Member::Role(Role::ExemptIf(exemption), _) if opens => {
                self.frames.change(depth, |_| ());
                self.frames.push(inside, Kind::Region(Region::Conditional(exemption)));
            }
            Member::Role(Role::Output, _) if opens => {
                self.frames.push(inside, Kind::Region(Region::Output { array: byte == b'[' }));
            }
            Member::Role(Role::Annotations, _) if opens => self.frames.push(inside, Kind::Annotations),
            Member::None | Member::Role(..) => {}
        }
        Ok(Next::Pass)
    }

    /// Takes the end of a string value; `text` continues what was carried.
    ///
    /// # Errors
    /// [`SharedToolError`] if the value is not allowed.
    pub(super) fn string_ends(&mut self, text: &[u8]) -> Result<Next, SharedToolError> {
        let cut = std::mem::take(&mut self.cut);
        let whole = joined(&cut, text);
        match std::mem::replace(&mut self.member, Member::None) {
            Member::Role(Role::Type, _) => self.type_of_object(if cut.is_empty() { text } else { &whole })?,
            Member::Role(_, what) if !(cut.is_empty() && text.is_empty()) => self.found(what, self.depth)?,
            _ => {}
        }
        Ok(Next::Pass)
    }

    /// Takes the first byte of a string or array directly in an array of tools.
    ///
    /// # Errors
    /// [`SharedToolError`]: only objects are tools.
    pub(super) fn element(&mut self, depth: usize) -> Result<Next, SharedToolError> {
        self.found(What::Shorthand, depth)?;
        Ok(Next::Pass)
    }

    /// Takes the end of a container; `depth` is the depth around it.
    ///
    /// # Errors
    /// [`SharedToolError`] if the object that has ended is not allowed.
    pub(super) fn closed(&mut self, depth: usize) -> Result<Next, SharedToolError> {
        while let Some(frame) = self.frames.pop_below(depth) {
            let Kind::Object(object) = frame.kind else { continue };
            let at = usize::from(frame.depth);
            for exemption in Exemption::ALL {
                let held = object.held[exemption as usize];
                if object.typed && object.all.has(exemption.bit()) {
                    continue;
                }
                if held.runs_container {
                    self.enable_container()?;
                }
                if let Some(what) = held.replayed {
                    self.found_replayed(what)?;
                }
                if let Some(what) = held.found {
                    self.refuse(what)?;
                }
                if let Some(what) = held.id {
                    self.found(what, at)?;
                }
            }
            match object.id {
                None => {}
                // Outputs are the client's, except content parts.
                Some(_) if self.frames.context().region.is_output() && !object.any.has(Bits::PART) => {}
                Some(what) if self.frames.context().region.is_output() => return Err(SharedToolError { what }),
                Some(what) if object.typed && object.all.has(Bits::CALL) => self.found_replayed(what)?,
                Some(what) => return Err(SharedToolError { what }),
            }
        }
        Ok(Next::Pass)
    }

    /// Buffers `text`, the part of a key or value that the end of the piece split off.
    pub(super) fn carry(&mut self, text: &[u8]) {
        // One byte over the cap is kept to recognise an over-long text.
        let room = (RAW_CAP + 1).saturating_sub(self.cut.len()).min(text.len());
        self.cut.extend_from_slice(text.get(..room).unwrap_or_default());
    }

    /// Takes a `type` of the object at the current depth.
    fn type_of_object(&mut self, text: &[u8]) -> Result<(), SharedToolError> {
        let (depth, context) = (self.depth, self.frames.context());
        let name = TypeName::of(text);
        let bits = Bits::of(&name);
        if context.region.is_output() {
            if context.is_part(depth) {
                self.frames.change(depth, |object| object.type_is(bits));
            }
            return Ok(());
        }
        let (is_tool, is_item) = (context.is_tool(depth), self.replays && self.in_input && depth == ITEM_DEPTH);
        if is_item && name.is(table::REFERENCE) {
            self.found(What::Reference, depth)?;
        } else if is_tool || (name.is_openrouter() && !is_item) {
            match self.policy.grant(&name) {
                Grant::Blocked(row) => self.found(What::Tool(row), depth)?,
                Grant::Unlisted => self.found(What::Unlisted, depth)?,
                Grant::Container if is_tool => self.enable_container()?,
                Grant::Container | Grant::Free => {}
            }
        }
        let has_no_role = depth > ITEM_DEPTH && self.watch().keys == Keys::Common && names::is_common(text);
        if depth > 1 && !has_no_role && self.frames.change(depth, |object| object.type_is(bits)) {
            // A member was skipped because of an earlier type.
            self.found(What::TwoTypes, depth)?;
        }
        Ok(())
    }

    /// Takes a finding in the container at `depth`: refuses it, or holds it until its meaning is known.
    fn found(&mut self, what: What, depth: usize) -> Result<(), SharedToolError> {
        let context = self.frames.context();
        if context.region.is_output() {
            if what.is_file_id() && context.is_part(depth) {
                self.frames.change(depth, |object| object.id = Some(what));
            }
            return Ok(());
        }
        if !what.is_stored() || context.tools != 0 {
            return self.refuse(what);
        }
        if context.replayed {
            return self.found_replayed(what);
        }
        match context.region {
            Region::Conditional(exemption) => {
                self.frames.hold(context.region_depth, exemption, |held| held.id = Some(what));
            }
            // A call that is replayed may carry ids.
            _ if self.in_input && depth >= ITEM_DEPTH => {
                self.frames.change(ITEM_DEPTH, |object| object.id = Some(what));
            }
            _ => return Err(SharedToolError { what }),
        }
        Ok(())
    }

    /// Refuses `what`, unless it turns out to be client data.
    fn refuse(&mut self, what: What) -> Result<(), SharedToolError> {
        let context = self.frames.context();
        match context.region {
            Region::Conditional(exemption) => {
                self.frames.hold(context.region_depth, exemption, |held| held.found = Some(what));
                Ok(())
            }
            Region::Output { .. } => Ok(()),
            Region::None => Err(SharedToolError { what }),
        }
    }

    /// Notes a stored id of a replayed call.
    fn found_replayed(&mut self, what: What) -> Result<(), SharedToolError> {
        let context = self.frames.context();
        if let Region::Conditional(exemption) = context.region {
            self.frames.hold(context.region_depth, exemption, |held| held.replayed = Some(what));
            return Ok(());
        }
        if self.runs_container {
            return Err(SharedToolError { what });
        }
        self.replayed = Some(what);
        Ok(())
    }

    /// Notes a tool that runs in a container.
    fn enable_container(&mut self) -> Result<(), SharedToolError> {
        let context = self.frames.context();
        if let Region::Conditional(exemption) = context.region {
            self.frames.hold(context.region_depth, exemption, |held| held.runs_container = true);
            return Ok(());
        }
        self.runs_container = true;
        self.replayed.map_or(Ok(()), |what| Err(SharedToolError { what }))
    }
}

/// Joins the carried part of a text and the rest, if something was carried.
fn joined(cut: &[u8], text: &[u8]) -> Vec<u8> {
    if cut.is_empty() { Vec::new() } else { [cut, text].concat() }
}

#[cfg(test)]
mod tests;
