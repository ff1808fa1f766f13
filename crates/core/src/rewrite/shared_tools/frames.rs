//! The open containers that matter to the detector, outermost first.
//!
//! A frame exists from the stop that made its container matter until that container closes. Each frame holds a summary
//! of all frames up to it, so that a stop costs the same at any depth. There are at most a few frames for each open
//! container, so their number is bounded by the depth of the body.

use super::error::What;
use super::table::{CONTENT_PARTS, Exemption};
use super::type_name::TypeName;

/// A set of roles that types can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits(u8);

impl Bits {
    /// A replayed call of the model: `*_call`.
    pub(super) const CALL: Self = Self(4);
    /// A content part that may name a stored file.
    pub(super) const PART: Self = Self(8);
    const ALL: Self = Self(u8::MAX);

    /// Returns the roles of a type.
    pub(super) fn of(name: &TypeName<'_>) -> Self {
        let Some(name) = name.whole() else { return Self(0) };
        let bit = |holds: bool, bits: Self| if holds { bits.0 } else { 0 };
        Self(
            bit(name.ends_with(b"tool_use"), Exemption::Input.bit())
                | bit(matches!(name, b"function" | b"custom"), Exemption::Parameters.bit())
                | bit(name.ends_with(b"_call"), Self::CALL)
                | bit(CONTENT_PARTS.iter().any(|part| part.as_bytes() == name), Self::PART),
        )
    }

    pub(super) fn has(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }

    pub(super) fn with(self, bits: Self) -> Self {
        Self(self.0 | bits.0)
    }
}

impl Exemption {
    /// Returns the role of the types that exempt the member.
    pub(super) fn bit(self) -> Bits {
        Bits(1 << self as u8)
    }
}

/// Findings in a member that a type of its object may exempt.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    pub(super) found: Option<What>,
    /// A stored id outside of tools.
    pub(super) id: Option<What>,
    pub(super) replayed: Option<What>,
    pub(super) runs_container: bool,
}

/// An object with a `type`, or with findings that its `type` decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    /// True if a `type` was read.
    pub(super) typed: bool,
    /// The roles that all types have.
    pub(super) all: Bits,
    /// The roles that any type has.
    pub(super) any: Bits,
    /// The exemptions by which members were skipped.
    pub(super) used: Bits,
    pub(super) held: [Held; Exemption::ALL.len()],
    /// A stored id that the types decide about.
    pub(super) id: Option<What>,
}

impl Object {
    const NEW: Self = Self {
        typed: false,
        all: Bits::ALL,
        any: Bits(0),
        used: Bits(0),
        held: [Held { found: None, id: None, replayed: None, runs_container: false }; Exemption::ALL.len()],
        id: None,
    };

    /// Adds a type. Returns true if a member was skipped that this type does not exempt.
    pub(super) fn type_is(&mut self, bits: Bits) -> bool {
        self.typed = true;
        self.all = Bits(self.all.0 & bits.0);
        self.any = self.any.with(bits);
        !bits.has(self.used)
    }
}

/// A container whose content has a special meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Region {
    #[default]
    None,
    /// Exempt if the types of the object around it say so.
    Conditional(Exemption),
    /// The output of a call: exempt, except ids of content parts directly in it.
    Output { array: bool },
}

impl Region {
    pub(super) fn is_output(self) -> bool {
        matches!(self, Self::Output { .. })
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Object(Object),
    /// An array of tools, or one tool.
    Tools {
        array: bool,
    },
    Region(Region),
    /// A `container` that is an object.
    Container,
    /// Annotations of a replayed answer.
    Annotations,
}

/// The summary of a frame and all frames around it. Depths are 0 for none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    /// Depth of the innermost [`Kind::Tools`].
    pub(super) tools: u16,
    pub(super) tools_array: bool,
    pub(super) region: Region,
    pub(super) region_depth: u16,
    /// Depth of the innermost [`Kind::Container`].
    pub(super) container: u16,
    /// True within annotations in the region.
    pub(super) replayed: bool,
}

impl Context {
    fn inside(mut self, depth: u16, kind: &Kind) -> Self {
        match kind {
            Kind::Object(_) => {}
            Kind::Tools { array } => (self.tools, self.tools_array) = (depth, *array),
            Kind::Region(region) => (self.region, self.region_depth, self.replayed) = (*region, depth, false),
            Kind::Container => self.container = depth,
            Kind::Annotations => self.replayed = true,
        }
        self
    }

    /// Returns true if an object at `depth` is a tool.
    pub(super) fn is_tool(&self, depth: usize) -> bool {
        self.tools != 0 && depth == usize::from(self.tools) + usize::from(self.tools_array)
    }

    /// Returns true if an object at `depth` is a content part of the output around it.
    pub(super) fn is_part(&self, depth: usize) -> bool {
        matches!(self.region, Region::Output { array } if depth == usize::from(self.region_depth) + usize::from(array))
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// The depth of its container; the outer object is 1.
    pub(super) depth: u16,
    pub(super) kind: Kind,
    context: Context,
}

/// The stack of frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    open: Vec<Frame>,
    /// True if a frame was added or removed since [`Frames::take_changed`].
    changed: bool,
}

impl Frames {
    /// Returns true if a frame was added or removed since the last call.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Returns the summary of all frames.
    pub(super) fn context(&self) -> Context {
        self.open.last().map(|frame| frame.context).unwrap_or_default()
    }

    /// Returns the depth around the innermost frame, at least 1.
    pub(super) fn floor(&self) -> usize {
        self.open.last().map_or(1, |frame| usize::from(frame.depth).saturating_sub(1).max(1))
    }

    /// Adds a frame for the container at `depth`, which is the innermost one.
    pub(super) fn push(&mut self, depth: usize, kind: Kind) {
        self.insert(self.open.len(), depth, kind);
    }

    fn insert(&mut self, at: usize, depth: usize, kind: Kind) {
        self.changed = true;
        let depth = u16::try_from(depth).unwrap_or(u16::MAX);
        let around = at.checked_sub(1).and_then(|before| self.open.get(before)).map(|frame| frame.context);
        let context = around.unwrap_or_default().inside(depth, &kind);
        self.open.insert(at, Frame { depth, kind, context });
    }

    /// Removes and returns the innermost frame if its container is deeper than `depth`.
    pub(super) fn pop_below(&mut self, depth: usize) -> Option<Frame> {
        let frame = self.open.pop_if(|frame| usize::from(frame.depth) > depth);
        self.changed |= frame.is_some();
        frame
    }

    /// Returns the object at `depth`, if it has a frame. At most one object of a depth is open.
    pub(super) fn object(&mut self, depth: usize) -> Option<&mut Object> {
        let end = self.open.partition_point(|frame| usize::from(frame.depth) <= depth);
        // A container has at most one frame of each kind, so the search is short.
        let mut same_depth =
            self.open.get_mut(..end)?.iter_mut().rev().take_while(|frame| usize::from(frame.depth) == depth);
        same_depth.find_map(Frame::object)
    }

    /// Changes the object at `depth`, which gets a frame if it has none.
    pub(super) fn change<T>(&mut self, depth: usize, change: impl FnOnce(&mut Object) -> T) -> T {
        if self.open.last().is_none_or(|frame| usize::from(frame.depth) < depth) {
            let mut object = Object::NEW;
            let changed = change(&mut object);
            self.push(depth, Kind::Object(object));
            return changed;
        }
        if self.object(depth).is_none() {
            let end = self.open.partition_point(|frame| usize::from(frame.depth) <= depth);
            self.insert(end, depth, Kind::Object(Object::NEW));
        }
        let mut unused = Object::NEW;
        change(self.object(depth).unwrap_or(&mut unused))
    }

    /// Changes the findings held for the conditional region at `depth`.
    pub(super) fn hold(&mut self, depth: u16, exemption: Exemption, change: impl FnOnce(&mut Held)) {
        let around = usize::from(depth).saturating_sub(1);
        self.change(around, |object| change(&mut object.held[exemption as usize]));
    }
}

impl Frame {
    fn object(&mut self) -> Option<&mut Object> {
        match &mut self.kind {
            Kind::Object(object) => Some(object),
            _ => None,
        }
    }
}
