use super::*;

/// Returns the head as it would leave, without the delimiter.
fn written(text: &[u8]) -> Result<String, HeadError> {
    let head = Head::parse(text)?;
    let mut out = Output::default();
    head.write(&Boundary::of_content_type(b"multipart/form-data; boundary=b").unwrap(), &mut out);
    let bytes: Vec<u8> = out.into_pieces().flatten().collect();
    let text = String::from_utf8(bytes).unwrap();
    let lines = text.strip_prefix("--b\r\nContent-Disposition: form-data; ").unwrap();
    Ok(lines.strip_suffix("\r\n\r\n").unwrap().to_owned())
}

/// The heads of real clients, from `fetch`, Guzzle, `OkHttp`, Apache `HttpClient`, .NET, curl, Ruby and others.
#[test]
fn heads_of_real_clients_are_accepted() {
    for (text, expected) in [
        ("Content-Disposition: form-data; name=\"model\"", "name=\"model\""),
        (
            "Content-Disposition: form-data; name=\"file\"; filename=\"a b.mp3\"\r\nContent-Type: audio/mpeg",
            "name=\"file\"; filename=\"a b.mp3\"\r\nContent-Type: audio/mpeg",
        ),
        (
            "content-type: text/plain; charset=utf-8\r\nCONTENT-DISPOSITION:form-data;name=\"ü%22\";filename=\"\"",
            "name=\"ü%22\"; filename=\"\"\r\nContent-Type: text/plain; charset=utf-8",
        ),
        ("Content-Disposition: Form-Data ; Name=\"x\" ; FileName=\"y\" ", "name=\"x\"; filename=\"y\""),
        ("Content-Disposition: form-data; name=\"x\"\r\nContent-Length: 16", "name=\"x\""),
        (
            "Content-Disposition: form-data; name=\"x\"\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: binary",
            "name=\"x\"\r\nContent-Type: a/b",
        ),
        ("Content-Disposition: form-data; name=\"x\"\r\ncontent-transfer-encoding:8BIT", "name=\"x\""),
        ("Content-Disposition: form-data; name=model", "name=\"model\""),
        (
            "Content-Disposition: form-data; name=file; filename=a.mp3; filename*=utf-8''a.mp3",
            "name=\"file\"; filename=\"a.mp3\"",
        ),
        (
            "Content-Disposition: form-data; name=\"f\"; filename*=UTF-8''na%C3%AFve%22.mp3",
            "name=\"f\"; filename=\"naïve%22.mp3\"",
        ),
        (
            "Content-Disposition: form-data; name=\"f\"; filename*=iso-8859-1'en'%E4.mp3",
            "name=\"f\"; filename=\"ä.mp3\"",
        ),
        ("Content-Disposition: form-data; filename=\"y\"; name=\"x\"", "name=\"x\"; filename=\"y\""),
        ("Content-Disposition: form-data; name=\"x\";", "name=\"x\""),
        ("Content-Disposition: form-data; name=\"x\"; size=16; a=\"b;c\"", "name=\"x\""),
        (
            "Content-Disposition: form-data; name=\"f\"; filename=\"C:\\dir\\a.mp3\"",
            "name=\"f\"; filename=\"C:%5Cdir%5Ca.mp3\"",
        ),
        (
            "Content-Disposition: form-data; name=\"f\"; filename=\"say \\\"hi\\\"\"",
            "name=\"f\"; filename=\"say %22hi%22\"",
        ),
        ("Content-Disposition: form-data; name=\"f\"; filename=\"a\tb\u{85}\"", "name=\"f\"; filename=\"a?b?\""),
        ("X-Odd: \u{1b}\u{e9}\r\nContent-ID: <1>\r\nContent-Disposition: form-data; name=\"x\"", "name=\"x\""),
        ("Content-Disposition: form-data; name=\"timestamp_granularities[]\"", "name=\"timestamp_granularities[]\""),
    ] {
        assert_eq!(written(text.as_bytes()).as_deref(), Ok(expected), "{text}");
    }
    let invalid = b"Content-Disposition: form-data; name=\"f\"; filename=\"J\xe9r\xf4me.mp3\"";
    assert_eq!(written(invalid).as_deref(), Ok("name=\"f\"; filename=\"J?r?me.mp3\""));
}

#[test]
fn heads_with_two_readings_are_refused_with_the_reason() {
    use HeadError::{
        Charset, ContentEncoding, ContentType, Disposition, ExtendedFilename, ExtendedName, Line, Name, Nested,
        Repeated, RepeatedParameter, TransferEncoding,
    };
    let good = "Content-Disposition: form-data; name=\"x\"";
    for (text, reason) in [
        (String::new(), Line),
        ("Content-Type: text/plain".into(), Disposition),
        ("Content-Disposition: form-data".into(), Disposition),
        ("Content-Disposition: form-data; name=".into(), Disposition),
        ("Content-Disposition: form-data; name='x y'".into(), Disposition),
        ("Content-Disposition: form-data; name=ü".into(), Disposition),
        ("Content-Disposition: form-data; name=a[]".into(), Disposition),
        ("Content-Disposition: form-data; name=\"x".into(), Disposition),
        ("Content-Disposition: form-data; name=\"x\"y".into(), Disposition),
        ("Content-Disposition: form-data; name =\"x\"".into(), Disposition),
        ("Content-Disposition: form-data; name= \"x\"".into(), Disposition),
        ("Content-Disposition: form-data name=\"x\"".into(), Disposition),
        ("Content-Disposition: form-data; name=\"x\" filename=y".into(), Disposition),
        ("Content-Disposition: attachment; name=\"x\"".into(), Disposition),
        ("Content-Disposition: form-data; name=\"x\\\"; name=\\\"y\"".into(), Name),
        ("Content-Disposition: form-data; name=\"us\\er\"".into(), Name),
        ("Content-Disposition: form-data; name=\"=?utf-8?Q?user?=\"".into(), Name),
        ("Content-Disposition: form-data; name=\"a\tb\"".into(), Name),
        ("Content-Disposition: form-data; name=\"x\u{85}\"".into(), Name),
        ("Content-Disposition: form-data; name=\"x\u{0}\"".into(), Name),
        ("Content-Disposition: form-data; name=\"_Charset_\"".into(), Charset),
        ("Content-Disposition: form-data; name=_charset_".into(), Charset),
        ("Content-Disposition: form-data; name=\"x\"; NAME=user".into(), RepeatedParameter("name")),
        ("Content-Disposition: form-data; filename=a; name=x; filename=b".into(), RepeatedParameter("filename")),
        ("Content-Disposition: form-data; name=\"x\"; name*=utf-8''user".into(), ExtendedName),
        ("Content-Disposition: form-data; name*0=us; name*1=er".into(), ExtendedName),
        ("Content-Disposition: form-data; name=x; filename*0=a; filename*1=b".into(), ExtendedFilename),
        ("Content-Disposition: form-data; name=x; filename*=a".into(), ExtendedFilename),
        ("Content-Disposition: form-data; name=x; filename*=utf-7''a".into(), ExtendedFilename),
        ("Content-Disposition : form-data; name=\"x\"".into(), Line),
        (format!(" {good}"), Line),
        (format!("{good}\r\n"), Line),
        (format!("{good}\r\n Content-Type: a/b"), Line),
        (format!("{good}\r\n\tfilename=a"), Line),
        (format!("{good}\r\nno colon"), Line),
        (format!("{good}\r\n: x"), Line),
        (format!("{good}\nContent-Type: a/b"), Line),
        (format!("{good}\rContent-Type: a/b"), Line),
        (format!("{good}\r\nX-A: b\nContent-Disposition: form-data; name=user"), Line),
        (format!("{good}\r\n{good}"), Repeated("Content-Disposition")),
        (format!("{good}\r\nContent-Type: a/b\r\nContent-Type: a/b"), Repeated("Content-Type")),
        (
            format!("{good}\r\nContent-Transfer-Encoding: binary\r\ncontent-transfer-encoding: base64"),
            Repeated("Content-Transfer-Encoding"),
        ),
        (format!("{good}\r\nContent-Type: multipart/mixed; boundary=y"), Nested),
        (format!("{good}\r\nContent-Type: Multipart/Form-Data"), Nested),
        (format!("{good}\r\nContent-Type: message/rfc822"), Nested),
        (format!("{good}\r\nContent-Type: a/ü"), ContentType),
        (format!("{good}\r\nContent-Type: a/b; c=\"\\\"\""), ContentType),
        (format!("{good}\r\nContent-Type: a/b; c\\d=e"), ContentType),
        (format!("{good}\r\nContent-Transfer-Encoding: base64"), TransferEncoding),
        (format!("{good}\r\nContent-Transfer-Encoding: quoted-printable"), TransferEncoding),
        (format!("{good}\r\nContent-Transfer-Encoding:"), TransferEncoding),
        (format!("{good}\r\nContent-Encoding: gzip"), ContentEncoding),
    ] {
        assert_eq!(written(text.as_bytes()), Err(reason), "{text:?}");
    }
    assert_eq!(written(b"Content-Disposition: form-data; name=\"\xff\""), Err(Name));
}
