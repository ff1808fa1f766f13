//! Finds the paths in a Rust source text: in `use` declarations and in the code. Test code is excluded.
//! The text is split into tokens, of which only names, `::` and brackets matter; macro calls are read like other code.

/// The segments of a path, as written: `["super", "query", "Filter"]`.
pub(super) type Names = Vec<String>;

#[derive(Default)]
pub(super) struct Paths {
    /// The local name that a `use` declaration binds, and the path it is bound to.
    pub(super) imports: Vec<(String, Names)>,
    /// All other paths of at least two segments.
    pub(super) mentions: Vec<Names>,
}

impl Paths {
    pub(super) fn read(source: &str) -> Self {
        let tokens = without_tests(&tokens(source));
        let mut found = Self::default();
        let mut at = 0;
        while at < tokens.len() {
            if tokens[at] == "use" && tokens[at + 1] != "<" {
                at += 1;
                use_tree(&tokens, &mut at, &[], &mut found.imports);
            } else if is_name(tokens[at]) && tokens.get(at + 1) == Some(&"::") {
                let is_visibility = tokens[..at].ends_with(&["pub", "(", "in"]);
                let is_from_root = tokens[..at].ends_with(&["::"]);
                let path = path(&tokens, &mut at);
                found.mentions.extend((!is_visibility && !is_from_root).then_some(path));
            } else {
                at += 1;
            }
        }
        found
    }
}

/// Reads names joined by `::`.
fn path(tokens: &[&str], at: &mut usize) -> Names {
    let mut names = vec![tokens[*at].to_owned()];
    *at += 1;
    while let [separator, name, ..] = tokens[*at..]
        && separator == "::"
        && is_name(name)
    {
        names.push(name.to_owned());
        *at += 2;
    }
    names
}

/// Reads one tree of a `use` declaration, as `a::{b, c::{self, d as e}, f::*}`, and adds each name that it binds.
fn use_tree(tokens: &[&str], at: &mut usize, prefix: &[String], found: &mut Vec<(String, Names)>) {
    let mut names = prefix.to_vec();
    while tokens[*at] != "{" {
        names.push(tokens[*at].to_owned());
        *at += 1;
        if tokens[*at] != "::" && names.last().is_none_or(|name| name != "::") {
            return found.push(binding(tokens, at, names));
        }
        *at += usize::from(tokens[*at] == "::");
    }
    *at += 1;
    while tokens[*at] != "}" {
        use_tree(tokens, at, &names, found);
        *at += usize::from(tokens[*at] == ",");
    }
    *at += 1;
}

/// Returns the local name that ends a `use` path, and the path. The name is the last segment, or the one after `as`.
fn binding(tokens: &[&str], at: &mut usize, mut names: Names) -> (String, Names) {
    if names.len() > 1 && names.last().is_some_and(|name| name == "self") {
        names.pop();
    }
    let mut local = names.last().cloned().unwrap_or_default();
    if tokens[*at] == "as" {
        tokens[*at + 1].clone_into(&mut local);
        *at += 2;
    }
    (local, names)
}

/// Removes each item that follows `#[cfg(test)]`.
fn without_tests<'s>(tokens: &[&'s str]) -> Vec<&'s str> {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let [first, after @ ..] = rest {
        if rest.starts_with(&attribute) {
            rest = after_item(&rest[attribute.len()..]);
        } else {
            kept.push(*first);
            rest = after;
        }
    }
    kept
}

/// Returns the tokens after an item. It ends with a semicolon, a body in braces, or the end of the surrounding block.
fn after_item<'t, 's>(tokens: &'t [&'s str]) -> &'t [&'s str] {
    let mut depth = 0;
    for (token, index) in tokens.iter().zip(1..) {
        depth += i32::from(matches!(*token, "(" | "[" | "{")) - i32::from(matches!(*token, ")" | "]" | "}"));
        if depth < 0 {
            return &tokens[index - 1..];
        }
        if depth == 0 && matches!(*token, ";" | "}") {
            return &tokens[index..];
        }
    }
    &[]
}

/// Splits a source text into names, `::` and single characters. Drops comments, strings and blanks.
fn tokens(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let dropped = dropped_length(rest);
        let length = match first {
            _ if dropped > 0 => dropped,
            _ if rest.starts_with("::") => 2,
            _ if is_name(rest) => rest.find(|letter: char| !is_in_name(letter)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        found.extend((dropped == 0 && !first.is_whitespace()).then_some(token));
        rest = after;
    }
    found
}

/// Returns the length of the comment, string or character literal at the start of a text, or zero.
fn dropped_length(text: &str) -> usize {
    let unprefixed = text.trim_start_matches(['b', 'c']);
    if text.starts_with("//") {
        text.find('\n').unwrap_or(text.len())
    } else if text.starts_with("/*") {
        text.find("*/").map_or(text.len(), |end| end + 2)
    } else if let Some(raw) = unprefixed.strip_prefix('r').filter(|raw| raw.trim_start_matches('#').starts_with('"')) {
        let end = format!("\"{}", "#".repeat(raw.find('"').unwrap_or(0)));
        let start = text.len() - raw.len() + end.len();
        text[start..].find(&end).map_or(text.len(), |length| start + length + end.len())
    } else if text.starts_with(['"', '\'']) && !is_lifetime(text) {
        quoted_length(text)
    } else {
        0
    }
}

/// Returns true if `text` begins with a lifetime, not with a character literal.
fn is_lifetime(text: &str) -> bool {
    text.starts_with('\'') && !text.starts_with("'\\") && text.chars().nth(2) != Some('\'')
}

/// Returns the length of a literal between two equal quotes.
fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    for (index, letter) in text.char_indices().skip(1) {
        if !escaped && text.starts_with(letter) {
            return index + letter.len_utf8();
        }
        escaped = letter == '\\' && !escaped;
    }
    text.len()
}

fn is_name(text: &str) -> bool {
    text.starts_with(is_in_name)
}

fn is_in_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}
