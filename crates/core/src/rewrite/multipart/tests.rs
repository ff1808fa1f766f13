mod readers;
mod writers;

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn boundary(text: &str) -> Boundary {
    Boundary::of_content_type(format!("multipart/form-data; boundary={text}").as_bytes()).unwrap()
}

fn run(body: &[u8], splits: &[usize]) -> Result<Vec<u8>, FormError> {
    let reserved = Arc::new(ReservedFields::new(["user", "session_id", "metadata"], Some("prompt_cache_key")));
    let mut form = Form::new(reserved, &boundary("theirs"), boundary("ours"));
    let mut out = Output::default();
    let mut rest = Bytes::copy_from_slice(body);
    for &split in splits {
        form.feed(&rest.split_to(split.min(rest.len())), &mut out)?;
    }
    form.feed(&rest, &mut out)?;
    form.finish()?;
    Ok(out.into_pieces().flatten().collect())
}

/// Returns a form with these parts: name, file name, content.
fn form(boundary: &str, parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, filename, content) in parts {
        body.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"").as_bytes());
        if let Some(filename) = filename {
            body.extend_from_slice(format!("; filename=\"{filename}\"\r\nContent-Type: audio/mpeg").as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

#[test]
fn reserved_parts_are_dropped_and_the_others_pass_at_any_split() {
    let tricky: &[u8] = b"\r\n--their\r\n--theirX\r\r\n-\r\n--\r\n--thei\0\xff\r";
    let kept: [(&str, Option<&str>, &[u8]); 4] = [
        ("model", None, b"openai/whisper-1"),
        ("file", Some("a.mp3"), tricky),
        ("timestamp_granularities[]", None, b"word"),
        ("empty", None, b""),
    ];
    let mut all = vec![("user", None, &b"mallory"[..])];
    all.extend(kept);
    all.insert(3, ("Metadata[user_id]", None, b"mallory"));
    all.insert(4, ("session_id", Some("x.bin"), b"\r\n--their"));
    all.push(("prompt_cache_key", None, b"k"));
    let (body, expected) = (form("theirs", &all), form("ours", &kept));
    for split in 0..=body.len() {
        assert_eq!(run(&body, &[split]).unwrap(), expected, "at {split}");
    }
    assert_eq!(run(&body, &vec![1; body.len()]).unwrap(), expected, "byte by byte");
}

#[test]
fn lenient_spellings_of_a_reserved_name_are_dropped() {
    for name in [
        "user",
        "User",
        "uſer",
        "user[]",
        "user[id]",
        "metadata.user_id",
        "%75ser",
        "us%65r%5Bx%5D",
        " user ",
        "user%00x",
    ] {
        let body = form("theirs", &[(name, None, b"mallory")]);
        assert_eq!(run(&body, &[]).unwrap(), b"--ours--\r\n", "{name}");
    }
    for name in ["users", "model", "", "x[user]", "us er", "%75sers", "%"] {
        let body = form("theirs", &[(name, None, b"x")]);
        assert_eq!(run(&body, &[]).unwrap(), form("ours", &[(name, None, b"x")]), "{name}");
    }
}

#[test]
fn invalid_forms_are_refused_with_their_offset() {
    let part = "--theirs\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1";
    let long = "x".repeat(MAX_HEAD + 1);
    for (body, offset, fault) in [
        (String::new(), 0, FormErrorKind::Incomplete),
        ("--their".into(), 7, FormErrorKind::Incomplete),
        ("preamble\r\n--theirs--".into(), 0, FormErrorKind::Start),
        ("\r\n\n--theirs--".into(), 2, FormErrorKind::Start),
        ("\r\n\r--theirs--".into(), 3, FormErrorKind::Start),
        ("--others--".into(), 2, FormErrorKind::Start),
        ("--theirs\n".into(), 8, FormErrorKind::Delimiter),
        ("--theirs \r\n".into(), 8, FormErrorKind::Delimiter),
        ("--theirsX".into(), 8, FormErrorKind::Delimiter),
        ("--theirs-x".into(), 9, FormErrorKind::Delimiter),
        ("--theirs\r\n\r\n1\r\n--theirs--".into(), 10, FormErrorKind::Head(HeadError::Disposition)),
        (
            "--theirs\r\nContent-Disposition: form-data\r\n\r\n1\r\n--theirs--".into(),
            10,
            FormErrorKind::Head(HeadError::Disposition),
        ),
        (format!("--theirs\r\n{long}"), 10, FormErrorKind::LongHead),
        (part.trim_end_matches('1').to_owned() + "--theirs--", 61, FormErrorKind::NoContent),
        (format!("{part}\r\n--theirsX"), 65, FormErrorKind::Delimiter),
        (format!("{part}\r\n--theirs--\r\nx"), 69, FormErrorKind::Epilogue),
        (format!("{part}\r\n--theirs--\r\n\n"), 69, FormErrorKind::Epilogue),
        (format!("{part}\r\n--theirs--\n"), 67, FormErrorKind::Epilogue),
        (format!("{part}\r\n--theirs--\r"), 68, FormErrorKind::Incomplete),
        (format!("{part}\r\n--theirs\r\n"), 67, FormErrorKind::Incomplete),
        (format!("{part}\n--theirs--\r\n"), 68, FormErrorKind::Incomplete),
    ] {
        let refused = run(body.as_bytes(), &[]).unwrap_err();
        assert_eq!((refused.offset, refused.fault), (offset, fault), "{body:?}");
        let refused = run(body.as_bytes(), &vec![1; body.len()]).unwrap_err();
        assert_eq!(refused.fault, fault, "{body:?}");
    }
    let (before, after) = ("Content-Disposition: form-data; name=\"", "\"\r\n\r\n");
    for (size, fits) in [(MAX_HEAD, true), (MAX_HEAD + 1, false)] {
        let name = "n".repeat(size - before.len() - after.len());
        let body = format!("--theirs\r\n{before}{name}{after}1\r\n--theirs--");
        assert_eq!(run(body.as_bytes(), &[]).is_ok(), fits, "{size}");
        assert_eq!(run(body.as_bytes(), &vec![1; body.len()]).is_ok(), fits, "{size}");
    }
    for lines in ["", "\r\n", "\r\n\r\n\r\n"] {
        let body = format!("{lines}{part}\r\n--theirs--{lines}");
        let expected = form("ours", &[("a", None, b"1")]);
        assert_eq!(run(body.as_bytes(), &[]).unwrap(), expected);
        assert_eq!(run(body.as_bytes(), &vec![1; body.len()]).unwrap(), expected);
    }
}

/// The bytes of .NET's `MultipartFormDataContent` with `StringContent` and `StreamContent`: names without quotes, a
/// content type in text parts, `filename*` beside `filename`, and no CRLF before the first delimiter.
#[test]
fn the_form_of_dotnet_passes_at_any_split() {
    let content_type = "multipart/form-data; boundary=\"6f8a3a2e-16a5-4a0c-8e7d-2f9d3a1b5c7e\"";
    let boundary = Boundary::of_content_type(content_type.as_bytes()).unwrap();
    let text = |name: &str, content: &str| {
        format!(
            "--6f8a3a2e-16a5-4a0c-8e7d-2f9d3a1b5c7e\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Disposition: form-data; name={name}\r\n\r\n{content}\r\n"
        )
    };
    let body = format!(
        "{}{}--6f8a3a2e-16a5-4a0c-8e7d-2f9d3a1b5c7e\r\nContent-Type: audio/mpeg\r\nContent-Disposition: form-data; \
         name=file; filename=\"\u{fc} b.mp3\"; filename*=utf-8''%C3%BC%20b.mp3\r\n\r\nID3\0\r\n--\r\n{}\
         --6f8a3a2e-16a5-4a0c-8e7d-2f9d3a1b5c7e--\r\n",
        text("user", "mallory"),
        text("model", "openai/whisper-1"),
        text("\"user[id]\"", "mallory"),
    );
    let expected = "--ours\r\nContent-Disposition: form-data; name=\"model\"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
                    openai/whisper-1\r\n--ours\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\u{fc} b.mp3\"\r\n\
                    Content-Type: audio/mpeg\r\n\r\nID3\0\r\n--\r\n--ours--\r\n";
    let pass = |splits: &mut dyn Iterator<Item = usize>| {
        let reserved = Arc::new(ReservedFields::new(["user"], None));
        let mut form = Form::new(reserved, &boundary, super::tests::boundary("ours"));
        let (mut out, mut rest) = (Output::default(), Bytes::copy_from_slice(body.as_bytes()));
        for length in splits.chain([usize::MAX]) {
            form.feed(&rest.split_to(length.min(rest.len())), &mut out).unwrap();
        }
        form.finish().unwrap();
        String::from_utf8(out.into_pieces().flatten().collect()).unwrap()
    };
    for split in 0..=body.len() {
        assert_eq!(pass(&mut std::iter::once(split)), expected, "at {split}");
    }
    assert_eq!(pass(&mut std::iter::repeat_n(1, body.len())), expected, "byte by byte");
}

#[test]
fn an_error_tells_the_part_and_the_reason_but_no_names() {
    let part = |head: &str| format!("--theirs\r\nContent-Disposition: form-data; {head}\r\n\r\n1\r\n");
    let message = |body: String| run(body.as_bytes(), &[]).unwrap_err().to_string();
    let encoded = "name=\"secret\"\r\nContent-Transfer-Encoding: base64";
    let second = message(part("name=\"a\"") + &part(encoded) + "--theirs--");
    assert_eq!(
        second,
        "the form is invalid: byte 67 (part 2): `Content-Transfer-Encoding` must be `binary`, `8bit` or `7bit`; send \
         the content as it is"
    );
    let first = message(part("name*=utf-8''secret"));
    assert!(first.contains("(part 1): the parameter `name*` is read in different ways"), "{first}");
    assert!(!message("secret".into()).contains("(part"), "before the first part");
}

proptest! {
    #[test]
    fn any_content_passes_unchanged_at_any_split(
        contents in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b't'), Just(b'h'), any::<u8>()], 0..60),
            0..4,
        ),
        splits in proptest::collection::vec(0_usize..40, 0..12),
    ) {
        prop_assume!(contents.iter().all(|content| memchr::memmem::find(content, b"\r\n--theirs").is_none()));
        let parts: Vec<_> = contents.iter().map(|content| ("x", None, content.as_slice())).collect();
        prop_assert_eq!(run(&form("theirs", &parts), &splits).unwrap(), form("ours", &parts));
    }
}
