//! Characters that are not drawn, or that move, hide or reorder other text.
//!
//! An id must not contain them: two different ids would look the same. Text from outside is printed with them escaped.

use std::fmt::Write as _;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Returns true for control and format characters (Unicode Cc, Cf), line and paragraph separators, and letters, marks and
/// symbols without a glyph.
pub fn is_invisible(character: char) -> bool {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    matches!(character.general_category(), Control | Format | LineSeparator | ParagraphSeparator)
        || has_no_glyph(character)
}

/// Returns true for the code points with the Unicode property `Default_Ignorable_Code_Point` that are not of category
/// Cf (Unicode 16, `DerivedCoreProperties.txt`), and for the empty Braille pattern.
fn has_no_glyph(character: char) -> bool {
    matches!(
        character,
        '\u{34f}' // Combining grapheme joiner.
            | '\u{115f}'..='\u{1160}' // Hangul fillers.
            | '\u{17b4}'..='\u{17b5}' // Khmer inherent vowels.
            | '\u{180b}'..='\u{180f}' // Mongolian variation selectors.
            | '\u{2065}'
            | '\u{2800}' // Empty Braille pattern.
            | '\u{3164}' // Hangul filler.
            | '\u{fe00}'..='\u{fe0f}' // Variation selectors.
            | '\u{ffa0}' // Halfwidth Hangul filler.
            | '\u{fff0}'..='\u{fff8}'
            | '\u{e0000}'..='\u{e0fff}' // Tags and variation selectors.
    )
}

/// Returns `text` for a terminal or a page: invisible characters are escaped as `\u{202e}`, `\n`, `\r` or `\t`.
pub fn printable(text: &str) -> String {
    escaped(text, |_| false)
}

/// Returns `text` of several lines for a terminal: like [`printable`], but line breaks and tabs stay.
pub fn printable_lines(text: &str) -> String {
    escaped(text, |character| matches!(character, '\n' | '\t'))
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_invisible(character) && !stays(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Returns finished output for a terminal or a log: invisible characters that do not `stay` are escaped as in JSON
/// (`\u202e`), so that a JSON document stays valid. With `colours`, sequences that set colours (`ESC [ … m`) pass.
pub fn printable_output(text: &str, colours: bool, stays: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let colour = character == '\x1b' && colours && is_colour(text.get(at + 1..).unwrap_or_default());
        if is_invisible(character) && !stays(character) && !colour {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing into a string cannot fail.
                let _infallible = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// Returns true if the text after an escape character begins with a colour sequence: `[2;31m`.
fn is_colour(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix('[') else { return false };
    rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_could_deceive_a_reader_is_escaped() {
        for (text, shown) in [
            ("a\u{202e}b", "a\\u{202e}b"),
            ("\u{2066}\u{2069}", "\\u{2066}\\u{2069}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\x1b[2J", "\\u{1b}[2J"),
            ("a\u{200b}\u{ad}\u{feff}", "a\\u{200b}\\u{ad}\\u{feff}"),
            ("\u{2028}\r\n\t", "\\u{2028}\\r\\n\\t"),
            ("\u{e0041}\u{3164}\u{34f}", "\\u{e0041}\\u{3164}\\u{34f}"),
            ("José \u{1f600} ü", "José \u{1f600} ü"),
        ] {
            assert_eq!(printable(text), shown);
        }
        assert_eq!(printable_lines("a\n\tb\r\u{202e}"), "a\n\tb\\r\\u{202e}");
    }

    #[test]
    fn json_stays_valid_and_colours_pass_if_wanted() {
        let text = "\"a\u{202e}\u{e0041}\u{9b}\"\n\x1b[2;31mred\x1b[0m \x1b[2J\x1b]0;t\x07";
        let line = |character| character == '\n';
        let shown = "\"a\\u202e\\udb40\\udc41\\u009b\"\n";
        let coloured = "\x1b[2;31mred\x1b[0m \\u001b[2J\\u001b]0;t\\u0007";
        assert_eq!(printable_output(text, true, line), format!("{shown}{coloured}"));
        let plain = coloured.replace('\x1b', "\\u001b");
        assert_eq!(printable_output(text, false, line), format!("{shown}{plain}"));
        let read: String = serde_json::from_str(shown).unwrap();
        assert_eq!(read, "a\u{202e}\u{e0041}\u{9b}");
    }

    proptest::proptest! {
        #[test]
        fn printed_text_is_visible(text in ".*") {
            proptest::prop_assert!(!printable(&text).contains(is_invisible));
        }
    }
}
