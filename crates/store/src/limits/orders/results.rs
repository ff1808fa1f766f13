//! The results of orders as JSON, for the command line and the admin API (docs/SPEC.md#results-of-acts).

use serde_json::{Map, Value, json};

use super::block::Blocked;
use super::key::NewKey;
use super::limit::Changed;
use crate::limits::blocks::Block;
use crate::limits::keys::list::{KeyState, ListedKey, cells};
use crate::limits::operator_state::acknowledgement::{Acknowledgement, Stored};
use crate::limits::overrides::Override;

/// Formats a block.
pub fn block(block: &Block) -> Value {
    json!({
        "id": block.id,
        "tenant": block.tenant,
        "since": block.since,
        "until": block.until,
        "reason": block.reason,
        "cut": block.cut,
        "user_id": block.user_id,
        "forgotten": block.forgotten,
    })
}

/// Formats a new block. `note` says if its id was not looked up.
pub fn blocked(blocked: &Blocked) -> Value {
    let mut result = block(&blocked.block);
    result["note"] = json!(blocked.unchecked.as_ref().map(ToString::to_string));
    result
}

/// Formats the end of this number of blocks.
pub fn unblocked(id: &str, lifted: usize) -> Value {
    json!({ "id": id, "lifted": lifted })
}

/// Formats a run-time limit.
pub fn limit(one: &Override) -> Value {
    json!({
        "limit": one.limit.name(),
        "value": one.ceiling.shown(one.limit),
        "since": one.since,
        "until": one.until,
        "by": one.by,
    })
}

/// Formats a change of a person's limits.
pub fn changed(changed: &Changed) -> Value {
    let Changed { person, set, removed, unchecked, .. } = changed;
    let set: Vec<_> = set.iter().map(limit).collect();
    let note = unchecked.as_ref().map(ToString::to_string);
    json!({ "user": person.user, "tenant": person.tenant, "set": set, "reset": removed, "note": note })
}

/// Formats a new key, **with the key itself**.
pub fn new_key(new: &NewKey) -> Value {
    let row = ListedKey { row: new.row.clone(), state: KeyState::Valid };
    let mut result = Value::Object(cells(&row).into_iter().collect::<Map<_, _>>());
    result["key"] = json!(new.key.expose());
    result
}

/// Formats the end of a key.
pub fn revoked(name: &str, cut: bool) -> Value {
    json!({ "name": name, "cut": cut })
}

/// Adds where a change is stored, and which running servers have applied it.
pub fn acknowledge(result: &mut Value, acknowledgement: &Acknowledgement) {
    result["kept"] = json!(acknowledgement.stored != Stored::Memory);
    result["applied"] = json!(acknowledgement.applied);
    result["late"] = json!(acknowledgement.late);
}
