//! The corner cases of JSON (RFC 8259) and UTF-8 (RFC 3629), and callsign's decisions where the RFCs leave a choice.
//!
//! Cases are tables, or computed where one rule covers a range. Values other than objects are wrapped as the member
//! `v`.

/// The required outcome for a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    /// Every byte reaches the upstream.
    Arrives,
    /// 400 `invalid_json` with this offset of the first bad byte.
    Refused(usize),
}

/// The source of a case's outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The grammar leaves no choice.
    Grammar,
    /// RFC 8259 leaves the outcome to implementations (section 4 names, section 6 numbers, section 8 surrogates and
    /// byte order marks, section 9 depth and accepted texts), and docs/SPEC.md#body-syntax chooses.
    Choice,
}

/// A body and its required outcome.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
    pub(crate) fate: Disposition,
    pub(crate) source: Source,
}

use Disposition::{Arrives, Refused};
use Source::{Choice, Grammar};

/// The text before a wrapped value.
const BEFORE: &str = r#"{"v":"#;

/// Returns all cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    numbers(&mut cases);
    no_numbers(&mut cases);
    literals(&mut cases);
    strings(&mut cases);
    escapes(&mut cases);
    surrogates(&mut cases);
    utf8(&mut cases);
    encodings(&mut cases);
    objects(&mut cases);
    broken_structures(&mut cases);
    unfinished(&mut cases);
    white_space(&mut cases);
    extensions(&mut cases);
    depth(&mut cases);
    large(&mut cases);
    cases
}

fn push(cases: &mut Vec<Case>, group: &str, body: impl Into<Vec<u8>>, fate: Disposition, source: Source) {
    let body = body.into();
    let shown = body.get(..body.len().min(60)).unwrap_or_default();
    cases.push(Case { name: format!("{group}: {}", shown.escape_ascii()), body, fate, source });
}

/// Adds a value as the member `v`. A refusal's offset counts from the value's first byte.
fn push_value(cases: &mut Vec<Case>, group: &str, value: impl AsRef<[u8]>, fate: Disposition, source: Source) {
    let fate = match fate {
        Arrives => Arrives,
        Refused(at) => Refused(BEFORE.len() + at),
    };
    push(cases, group, [BEFORE.as_bytes(), value.as_ref(), b"}"].concat(), fate, source);
}

fn numbers(cases: &mut Vec<Case>) {
    for value in [
        "0",
        "-0",
        "1",
        "-1",
        "9",
        "10",
        "1234567890",
        "0.0",
        "-0.0",
        "0.5",
        "1.10",
        "100.001",
        "1e1",
        "1E1",
        "1e+1",
        "1e-1",
        "1E+01",
        "1E-00",
        "0e0",
        "0E+1",
        "-0e-0",
        "1.5e10",
        "-1.5E-10",
        "0.0000000000000000000000001",
    ] {
        push_value(cases, "number", value, Arrives, Grammar);
    }
    let digits = "1234567890".repeat(100);
    for value in [
        "1e400",
        "-1e400",
        "1e-400",
        "1.7976931348623159e308",
        "5e-325",
        "9007199254740993",
        "18446744073709551616",
        "-9223372036854775809",
        "12345678901234567890123",
        "0.1000000000000000055511151231257827021181583404541015625",
        "1e99999999999999999999",
        "1E-99999999999999999999",
        "0e99999999999999999999",
        &digits,
        &format!("0.{digits}"),
    ] {
        push_value(cases, "number beyond a double", value, Arrives, Choice);
    }
}

fn no_numbers(cases: &mut Vec<Case>) {
    for (value, at) in [
        ("01", 1),
        ("00", 1),
        ("-01", 2),
        ("-00", 2),
        ("007", 1),
        ("-", 1),
        ("--1", 1),
        ("-a", 1),
        ("- 1", 1),
        ("+1", 0),
        ("+0", 0),
        ("++1", 0),
        (".5", 0),
        (".", 0),
        ("-.5", 1),
        ("1.", 2),
        ("0.", 2),
        ("1.e1", 2),
        ("1..2", 2),
        ("1.2.3", 3),
        ("1.-2", 2),
        ("1e", 2),
        ("1E", 2),
        ("1e+", 3),
        ("1e-", 3),
        ("1.5e", 4),
        ("1e1.5", 3),
        ("1e1e1", 3),
        ("1ee1", 2),
        ("1e +1", 2),
        ("e1", 0),
        ("-e1", 1),
        ("1-", 1),
        ("1+1", 1),
        ("0x10", 1),
        ("0b1", 1),
        ("0o7", 1),
        ("1_000", 1),
        ("1 000", 2),
        ("1'000", 1),
        ("1,000", 2),
        ("1f", 1),
        ("1n", 1),
        ("1L", 1),
        ("1%", 1),
        ("1/2", 1),
        ("$1", 0),
        ("#1", 0),
        ("NaN", 0),
        ("nan", 1),
        ("-NaN", 1),
        ("Infinity", 0),
        ("-Infinity", 1),
        ("inf", 0),
        ("1#INF", 1),
        ("１", 0),
        ("٣", 0),
        ("1٣", 1),
        ("−1", 0),
        ("½", 0),
    ] {
        push_value(cases, "no number", value, Refused(at), Grammar);
    }
}

fn literals(cases: &mut Vec<Case>) {
    for value in ["true", "false", "null"] {
        push_value(cases, "literal", value, Arrives, Grammar);
    }
    for (value, at) in [
        ("True", 0),
        ("TRUE", 0),
        ("tRUE", 1),
        ("tru", 3),
        ("truee", 4),
        ("t rue", 1),
        ("true false", 5),
        ("False", 0),
        ("fals", 4),
        ("falsee", 5),
        ("Null", 0),
        ("nul", 3),
        ("nulll", 4),
        ("nil", 1),
        ("n", 1),
        ("none", 1),
        ("None", 0),
        ("undefined", 0),
        ("yes", 0),
        ("on", 0),
        ("true1", 4),
        ("null\"\"", 4),
        ("ťrue", 0),
        ("tru\\u0065", 3),
    ] {
        push_value(cases, "no literal", value, Refused(at), Grammar);
    }
}

fn strings(cases: &mut Vec<Case>) {
    for value in [
        "\"\"",
        "\"a\"",
        "\" \"",
        "\"é\"",
        "\"€\"",
        "\"😀\"",
        "\"\u{7f}\"",
        "\"\u{a0}\"",
        "\"\u{ad}\"",
        "\"\u{2028}\u{2029}\"",
        "\"\u{feff}\"",
        "\"\u{fdd0}\"",
        "\"e\u{301}\"",
        "\"}\"",
        "\"]\"",
        "\",\"",
        "\":\"",
        "\"{[\"",
        "\"/*x*/\"",
        "\"//\"",
        "\"'\"",
        "\"#\"",
        "\"null\"",
        "\"{\\\"user\\\":1}\"",
    ] {
        push_value(cases, "string", value, Arrives, Grammar);
        push(cases, "name", format!("{{{value}:1}}"), Arrives, Grammar);
    }
    for control in 0..0x20_u8 {
        push_value(cases, "raw control character", [b'"', control, b'"'], Refused(1), Grammar);
    }
    push(cases, "raw control character in a name", "{\"a\tb\":1}", Refused(3), Grammar);
    for (value, at) in [
        ("'a'", 0),
        ("`a`", 0),
        ("“a”", 0),
        ("a", 0),
        ("\"a\"b", 3),
        ("\"a\" \"b\"", 4),
        ("\"a\"\"b\"", 3),
        ("\"\"\"a\"\"\"", 2),
        ("u\"a\"", 0),
        ("b'a'", 0),
        ("@\"a\"", 0),
        ("\"a\"+\"b\"", 3),
        ("\"a\nb\"", 2),
        ("\"a\\\nb\"", 3),
        ("\"a\\\r\nb\"", 3),
        ("&quot;a&quot;", 0),
        ("\\\"a\\\"", 0),
    ] {
        push_value(cases, "no string", value, Refused(at), Grammar);
    }
}

fn escapes(cases: &mut Vec<Case>) {
    const SIMPLE: &str = "\"\\/bfnrtu";
    for simple in SIMPLE.chars().filter(|&simple| simple != 'u') {
        push_value(cases, "escape", format!("\"\\{simple}\""), Arrives, Grammar);
    }
    for value in [
        r#""\u0000""#,
        r#""\u0022""#,
        r#""\u005c""#,
        r#""\u005C""#,
        r#""\u002F""#,
        r#""\u00e9""#,
        r#""\u00E9""#,
        r#""\uabcd""#,
        r#""\uABCD""#,
        r#""\uFFFF""#,
        r#""\uFEFF""#,
        r#""\u2028""#,
        r#""\\u0041""#,
        r#""\\\\\"""#,
        r#""\ud83d\ude00""#,
        r#""\uD83D\uDE00""#,
        r#""\udbff\udfff""#,
        r#""\ud800\udc00""#,
    ] {
        push_value(cases, "escape", value, Arrives, Grammar);
        push(cases, "escape in a name", format!("{{{value}:1}}"), Arrives, Grammar);
    }
    for other in (b' '..=b'~').map(char::from).filter(|&other| !SIMPLE.contains(other)) {
        push_value(cases, "no escape", format!("\"\\{other}\""), Refused(2), Grammar);
    }
    for (value, at) in [
        (r#""\u""#, 3),
        (r#""\u1""#, 4),
        (r#""\u12""#, 5),
        (r#""\u123""#, 6),
        (r#""\u123g""#, 6),
        (r#""\u 123""#, 3),
        (r#""\u+123""#, 3),
        (r#""\u-123""#, 3),
        (r#""\u{41}""#, 3),
        (r#""\u0x41""#, 4),
        (r#""\ud83d\u""#, 9),
        (r#""\ud83d\ude0""#, 12),
        (r#""\ud83d\x""#, 8),
        ("\"\\é\"", 2),
        ("\"\\\u{0}\"", 2),
        ("\"\\\t\"", 2),
        ("\"\\u12é4\"", 5),
    ] {
        push_value(cases, "no escape", value, Refused(at), Grammar);
    }
    push(cases, "no escape in a name", r#"{"\x":1}"#, Refused(3), Grammar);
    push(cases, "an escape outside of strings", r#"{"v":\u0031}"#, Refused(5), Grammar);
}

fn surrogates(cases: &mut Vec<Case>) {
    for value in [
        r#""\ud800""#,
        r#""\uDBFF""#,
        r#""\udc00""#,
        r#""\uDFFF""#,
        r#""\ud800x""#,
        r#""\ud800\n""#,
        r#""\ud800\u0041""#,
        r#""\ud800\ud800""#,
        r#""\ud800\ud800\udc00""#,
        r#""\udc00\ud800""#,
        r#""\udc00\udc00""#,
        r#""x\ud83d""#,
    ] {
        push_value(cases, "lone surrogate", value, Arrives, Choice);
        push(cases, "lone surrogate in a name", format!("{{{value}:1}}"), Arrives, Choice);
    }
}

fn utf8(cases: &mut Vec<Case>) {
    for bytes in [
        &b"\xc2\x80"[..],
        b"\xdf\xbf",
        b"\xe0\xa0\x80",
        b"\xe1\x80\x80",
        b"\xed\x9f\xbf",
        b"\xee\x80\x80",
        b"\xef\xbf\xbf",
        b"\xf0\x90\x80\x80",
        b"\xf3\xbf\xbf\xbf",
        b"\xf4\x8f\xbf\xbf",
    ] {
        push_value(cases, "UTF-8 at its limits", [b"\"", bytes, b"\""].concat(), Arrives, Grammar);
    }
    // RFC 3629. The offset is that of the character's first byte.
    for bytes in [
        // A continuation byte without a first byte.
        &b"\x80"[..],
        b"\xbf",
        b"\x80\x80",
        // Overlong: `/`, U+0000, U+007F, U+07FF, U+FFFF.
        b"\xc0\xaf",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\xaf",
        b"\xe0\x9f\xbf",
        b"\xf0\x80\x80\xaf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf8\x80\x80\x80\xaf",
        b"\xfc\x80\x80\x80\x80\xaf",
        // Surrogates, and CESU-8.
        b"\xed\xa0\x80",
        b"\xed\xad\xbf",
        b"\xed\xbf\xbf",
        b"\xed\xa0\xbd\xed\xb8\x80",
        // Above U+10FFFF.
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xf7\xbf\xbf\xbf",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        // Bytes that UTF-8 does not use.
        b"\xfe",
        b"\xff",
        b"\xfe\xff",
        b"\xff\xfe",
        // Cut off.
        b"\xc3",
        b"\xe2",
        b"\xe2\x82",
        b"\xf0",
        b"\xf0\x9f",
        b"\xf0\x9f\x98",
        b"\xc3\xc3\xa9",
        b"\xe2\x82\xe2\x82\xac",
        b"\xf0\x9f\x98x",
        b"\xc3\x28",
        b"\xe2\x28\xa1",
        b"\xf0\x28\x8c\xbc",
    ] {
        push_value(cases, "no UTF-8", [b"\"", bytes, b"\""].concat(), Refused(1), Grammar);
        push(cases, "no UTF-8 in a name", [b"{\"", bytes, b"\":1}"].concat(), Refused(2), Grammar);
        push(
            cases,
            "no UTF-8 behind a character",
            ["{\"é€😀".as_bytes(), bytes, b"\":1}"].concat(),
            Refused(11),
            Grammar,
        );
        push(cases, "no UTF-8 outside of strings", [b"{\"v\": ", bytes, b"}"].concat(), Refused(6), Grammar);
    }
    push_value(cases, "ISO 8859-1", b"\"caf\xe9\"", Refused(4), Grammar);
    push_value(cases, "Windows-1252", b"\"\x93a\x94\"", Refused(1), Grammar);
}

fn encodings(cases: &mut Vec<Case>) {
    let text = r#"{"v":1}"#;
    let wide = |to_bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to_bytes).collect::<Vec<_>>();
    let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
    push(cases, "UTF-16LE", little.clone(), Refused(1), Grammar);
    push(cases, "UTF-16BE", big.clone(), Refused(0), Grammar);
    push(cases, "UTF-16LE with a byte order mark", [b"\xff\xfe", &little[..]].concat(), Refused(0), Grammar);
    push(cases, "UTF-16BE with a byte order mark", [b"\xfe\xff", &big[..]].concat(), Refused(0), Grammar);
    let utf32: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    push(cases, "UTF-32LE", utf32, Refused(1), Grammar);
    push(cases, "UTF-7", "+AHsAfQ-", Refused(0), Grammar);
    push(cases, "byte order mark", "\u{feff}{}", Refused(0), Choice);
    push(cases, "two byte order marks", "\u{feff}\u{feff}{}", Refused(0), Grammar);
    push(cases, "byte order mark behind a blank", " \u{feff}{}", Refused(1), Grammar);
    push(cases, "byte order mark inside", "{\u{feff}}", Refused(1), Grammar);
    push(cases, "byte order mark at the end", "{}\u{feff}", Refused(2), Grammar);
    push(cases, "half a byte order mark", b"\xef\xbb{}".to_vec(), Refused(0), Grammar);
}

fn objects(cases: &mut Vec<Case>) {
    for body in [
        "{}",
        r#"{"":""}"#,
        r#"{"a":{}}"#,
        r#"{"a":[]}"#,
        r#"{"a":[[]]}"#,
        r#"{"a":[{}]}"#,
        r#"{"a":{"":{}}}"#,
        r#"{"a":[1,"2",null,true,false,{},[]]}"#,
        r#"{"a":1,"b":2,"c":3}"#,
        r#"{"b":1,"a":2}"#,
        r#"{"a b":1}"#,
        r#"{"a.b":1,"a":{"b":2}}"#,
        r#"{"toString":1,"constructor":{"prototype":1}}"#,
        r#"{"0":1,"-1":2,"1e1":3}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#,
    ] {
        push(cases, "object", body, Arrives, Grammar);
    }
    for body in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"a":2,"a":3}"#,
        r#"{"":1,"":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        r#"{"é":1,"e\u0301":2}"#,
        r#"{"\u0000":1,"\u0000a":2}"#,
    ] {
        push(cases, "one name twice", body, Arrives, Choice);
    }
    for text in ["[]", "[1]", "[{}]", "[", "\"a\"", "\"", "1", "-1", "true", "false", "null", "\"{}\""] {
        push(cases, "no object", text, Refused(0), Choice);
        push(cases, "no object", format!(" \n{text}"), Refused(2), Choice);
    }
}

fn broken_structures(cases: &mut Vec<Case>) {
    for (body, at) in [
        ("}", 0),
        ("]", 0),
        (",", 0),
        (":", 0),
        ("{]", 1),
        ("{,}", 1),
        ("{,\"a\":1}", 1),
        ("{:1}", 1),
        ("{\"a\"}", 4),
        ("{\"a\",}", 4),
        ("{\"a\":}", 5),
        ("{\"a\":,}", 5),
        ("{\"a\"::1}", 5),
        ("{\"a\":1:2}", 6),
        ("{\"a\" 1}", 5),
        ("{\"a\":1,}", 7),
        ("{\"a\":1,,\"b\":2}", 7),
        ("{\"a\":1 \"b\":2}", 7),
        ("{\"a\":1\"b\":2}", 6),
        ("{\"a\":1;\"b\":2}", 6),
        ("{\"a\":1]", 6),
        ("{\"a\":[}", 6),
        ("{\"a\":[1}", 7),
        ("{\"a\":{]", 6),
        ("{\"a\":{\"b\":1]", 11),
        ("{\"a\":[1,]}", 8),
        ("{\"a\":[,1]}", 6),
        ("{\"a\":[,]}", 6),
        ("{\"a\":[1,,2]}", 8),
        ("{\"a\":[1 2]}", 8),
        ("{\"a\":[1:2]}", 7),
        ("{\"a\":[\"b\":1]}", 9),
        ("{\"a\":{1}}", 6),
        ("{\"a\":{\"b\"}}", 9),
        ("{\"a\":{\"b\",\"c\"}}", 9),
        ("{\"a\":[]]}", 7),
        ("{\"a\":{}}}", 8),
        ("{1:2}", 1),
        ("{null:1}", 1),
        ("{true:1}", 1),
        ("{[]:1}", 1),
        ("{{}:1}", 1),
        ("{a:1}", 1),
        ("{'a':1}", 1),
        ("{\"a\"=1}", 4),
        ("{\"a\"=>1}", 4),
        ("{\"a\":(1)}", 5),
        ("{\"a\":<1>}", 5),
        ("{\"a\":1}\u{0}", 7),
        ("{{}}", 1),
        ("{[]}", 1),
        ("{\"a\":1}{\"b\":2}", 7),
        ("{} {}", 3),
        ("{}\n{}\n", 3),
        ("{},", 2),
        ("{},{}", 2),
        ("{};", 2),
        ("{}}", 2),
        ("{}]", 2),
        ("{}1", 2),
        ("{}\"\"", 2),
        ("{}null", 2),
        ("{}x", 2),
        ("{} x", 3),
        ("{}é", 2),
        ("{\"a\":[1,{\"b\":[}]}]}", 14),
        ("({})", 0),
        ("{\"a\":1}  ,", 9),
        ("{\"a\":...}", 5),
        ("{...a}", 1),
        ("{\"a\":1,...}", 7),
        ("{\"a\":{}{}}", 7),
        ("{\"a\":[][]}", 7),
        ("{\"a\":\"b\":\"c\"}", 8),
        ("{\"\":}", 4),
        ("{\"\"}", 3),
    ] {
        push(cases, "structure", body, Refused(at), Grammar);
    }
}

/// Adds every proper prefix of a varied body. Each is refused at its end.
fn unfinished(cases: &mut Vec<Case>) {
    let whole = "{\"é\":[1.5e-3,{\"a\\u00e9\":true}], \"b\":null}";
    for length in 0..whole.len() {
        push(cases, "unfinished", &whole.as_bytes()[..length], Refused(length), Grammar);
    }
    for body in [
        "{\"a\":-",
        "{\"a\":1.",
        "{\"a\":1e+",
        "{\"a\":\"\\",
        "{\"a\":\"\\ud83d\\u",
        "{\"a\":fals",
        "{\"a\":[[[[",
        " ",
        "\r\n\t ",
    ] {
        push(cases, "unfinished", body, Refused(body.len()), Grammar);
    }
    push(cases, "unfinished character", b"{\"a\":\"\xf0\x9f".to_vec(), Refused(8), Grammar);
}

fn white_space(cases: &mut Vec<Case>) {
    for blank in [" ", "\t", "\n", "\r", "\r\n", " \t\r\n "] {
        let tokens = ["", "{", "\"a\"", ":", "[", "1", ",", "null", "]", ",", "\"b\"", ":", "{", "}", "}", ""];
        push(cases, "white space", tokens.join(blank), Arrives, Grammar);
    }
    for other in [
        '\u{b}', '\u{c}', '\u{85}', '\u{a0}', '\u{180e}', '\u{1680}', '\u{2000}', '\u{200b}', '\u{2028}', '\u{2029}',
        '\u{202f}', '\u{3000}', '\u{1c}', '\u{0}', '\u{8}',
    ] {
        push(cases, "no white space before", format!("{other}{{}}"), Refused(0), Grammar);
        push(cases, "no white space inside", format!("{{{other}}}"), Refused(1), Grammar);
        push(cases, "no white space before a value", format!("{{\"a\":{other}1}}"), Refused(5), Grammar);
        push(cases, "no white space behind", format!("{{}}{other}"), Refused(2), Grammar);
    }
}

/// Adds syntax that JavaScript, JSON5, HJSON and similar languages allow.
fn extensions(cases: &mut Vec<Case>) {
    for (body, at) in [
        ("/**/{}", 0),
        ("//x\n{}", 0),
        ("{/**/}", 1),
        ("{//x\n}", 1),
        ("{\"a\":1/**/}", 6),
        ("{\"a\"://x\n1}", 5),
        ("{\"a\":1,//x\n\"b\":2}", 7),
        ("{}/**/", 2),
        ("{}//x", 2),
        ("#x\n{}", 0),
        ("{#x\n}", 1),
        ("{}#x", 2),
        ("<!--x-->{}", 0),
        ("{}<!--x-->", 2),
        ("--x\n{}", 0),
        (")]}'\n{}", 0),
        ("while(1);{}", 0),
        ("for(;;);{}", 0),
        ("callback({})", 0),
        ("x={}", 0),
        ("var x={}", 0),
        ("export default {}", 0),
        ("\u{1e}{}\n", 0),
        ("data: {}\n\n", 0),
        ("--x\r\ncontent-type: application/json\r\n\r\n{}", 0),
        ("a=1&b=2", 0),
        ("a: 1\n", 0),
        ("<a/>", 0),
        ("---\na: 1\n", 0),
        ("{\"a\":1,\"b\":undefined}", 11),
        ("{\"a\":new Date()}", 6),
        ("{\"a\":/x/}", 5),
        ("{\"a\":`x`}", 5),
        ("{\"a\":function(){}}", 6),
        ("{a}", 1),
        ("{\"a\":{{x}}}", 6),
        ("{\"a\":{{}}}", 6),
        ("{\"a\":$x}", 5),
        ("{\"a\":@x}", 5),
        ("{\"a\":!0}", 5),
        ("{\"a\":~1}", 5),
        ("{\"a\":1e1000n}", 11),
        ("{\"a\":<x>}", 5),
        ("{\"a\":*b}", 5),
        ("{\"a\":&b 1}", 5),
        ("\u{7f}{}", 0),
        ("{\u{7f}}", 1),
        ("\\u007b\\u007d", 0),
        ("%7B%7D", 0),
        ("eyJhIjoxfQ==", 0),
        ("\u{1f}\u{8b}", 0),
    ] {
        push(cases, "extension", body, Refused(at), Grammar);
    }
    // CBOR's and BSON's empty maps.
    push(cases, "CBOR", vec![0xa0], Refused(0), Grammar);
    push(cases, "BSON", vec![5, 0, 0, 0, 0], Refused(0), Grammar);
}

/// Adds nesting around the limit of 1,024 open containers, the outer object included.
fn depth(cases: &mut Vec<Case>) {
    const DEEPEST: usize = 1024;
    let arrays = |count: usize| format!("{{\"v\":{}{}}}", "[".repeat(count), "]".repeat(count));
    let objects = |count: usize| format!("{}1{}", "{\"v\":".repeat(count), "}".repeat(count));
    let mixed = |pairs: usize| format!("{{\"v\":{}1{}}}", "[{\"v\":".repeat(pairs), "}]".repeat(pairs));
    for count in [1, 2, 63, 64, 65, 127, 128, 129, 511, 512, DEEPEST - 2, DEEPEST - 1] {
        push(cases, "deep arrays", arrays(count), Arrives, Choice);
        push(cases, "deep objects", objects(count + 1), Arrives, Choice);
    }
    push(cases, "deep in turns", mixed((DEEPEST - 2) / 2), Arrives, Choice);
    let deepest = arrays(DEEPEST - 1);
    let inner = &deepest[BEFORE.len()..deepest.len() - 1];
    push_value(cases, "deepest twice", format!("{inner},\"w\":{inner}"), Arrives, Choice);
    let too_deep = Refused(BEFORE.len() + DEEPEST - 1);
    push(cases, "too deep", arrays(DEEPEST), too_deep, Choice);
    push(cases, "too deep", arrays(DEEPEST + 1), too_deep, Choice);
    push(cases, "much too deep", arrays(100_000), too_deep, Choice);
    push(cases, "much too deep and unfinished", format!("{BEFORE}{}", "[".repeat(200_000)), too_deep, Choice);
    push(cases, "objects too deep", objects(DEEPEST + 1), Refused(BEFORE.len() * DEEPEST), Choice);
    push(cases, "in turns too deep", mixed(DEEPEST / 2), Refused(BEFORE.len() + 6 * (DEEPEST / 2) - 5), Choice);
    push_value(cases, "brackets in a string", format!("\"{}\"", "[{".repeat(5000)), Arrives, Grammar);
    push_value(cases, "wide", format!("[{}0]", "[],".repeat(20_000)), Arrives, Grammar);
}

fn large(cases: &mut Vec<Case>) {
    push_value(cases, "long string", format!("\"{}\"", "x".repeat(300_000)), Arrives, Grammar);
    push_value(cases, "many escapes", format!("\"{}\"", r"\u00e9\n".repeat(40_000)), Arrives, Grammar);
    push_value(cases, "long number", "7".repeat(300_000), Arrives, Choice);
    push(cases, "long name", format!("{{\"{}\":1}}", "n".repeat(300_000)), Arrives, Grammar);
    let members: Vec<String> = (0..20_000).map(|number| format!("\"m{number}\":{number}")).collect();
    push(cases, "many members", format!("{{{}}}", members.join(",")), Arrives, Grammar);
    push(
        cases,
        "much white space",
        format!("{}{{\"a\":{}1}}{}", " ".repeat(100_000), "\n".repeat(100_000), "\t".repeat(100_000)),
        Arrives,
        Grammar,
    );
    push_value(
        cases,
        "wrong at the end of a long one",
        format!("\"{}\"]", "x".repeat(300_000)),
        Refused(300_002),
        Grammar,
    );
    push_value(cases, "unfinished long one", format!("\"{}", "x".repeat(300_000)), Refused(300_002), Grammar);
}
