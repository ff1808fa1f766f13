//! The issuer-specific checks of Clerk, Supabase, Open WebUI and AWS load balancers.

use super::*;

#[test]
fn clerk_tokens_other_than_sessions_are_refused() {
    let clerk = Issuer { token_rules: TokenRules::Clerk, ..issuer() };
    let with_header = |name: &str, value: Value| {
        let token = P256.sign(&changed_in(P256.header(), name, value), &claims());
        verify(token.as_bytes(), &clerk, &keys(), NOW)
    };
    for good in [Value::Null, json!("cl_B7d4PD111AAA")] {
        assert!(with_header("cat", good.clone()).is_ok(), "{good}");
    }
    for bad in ["cl_B7d4PD222AAA", "cl_B7d4PD333AAA", "cl_B7d4PD444AAA", "", "CL_B7D4PD111AAA"].map(Value::from) {
        assert_refused(with_header("cat", bad), "(cat)");
    }
    for bad in [json!(1), json!(["cl_B7d4PD111AAA"])] {
        assert_refused(with_header("cat", bad), "(cat)");
    }
    for good in [Value::Null, json!("JWT"), json!("jwt")] {
        assert!(with_header("typ", good.clone()).is_ok(), "{good}");
    }
    for bad in ["at+jwt", "application/at+jwt", "AT+JWT", "Application/At+Jwt"] {
        assert_refused(with_header("typ", bad.into()), "(typ)");
    }
    for bad in ["mch_1", "mch_"] {
        assert_refused(verify_claims(&clerk, &changed("sub", bad.into())), "(sub)");
    }
    assert!(verify_claims(&clerk, &changed("sub", "user_mch_1".into())).is_ok());
    for bad in [json!("pending"), json!(1), json!(["active"])] {
        assert_refused(verify_claims(&clerk, &changed("sts", bad)), "(sts)");
    }
    for good in [Value::Null, json!("active")] {
        assert!(verify_claims(&clerk, &changed("sts", good)).is_ok());
    }
    // These checks apply to Clerk only.
    assert!(verify_claims(&issuer(), &changed("sts", "pending".into())).is_ok());
}

#[test]
fn supabase_anonymous_and_service_keys_are_refused() {
    let supabase = Issuer { token_rules: TokenRules::Supabase, ..issuer() };
    for role in ["anon", "service_role"] {
        assert_refused(verify_claims(&supabase, &changed("role", role.into())), "anonymous or service");
    }
    for role in [Value::Null, json!("authenticated"), json!("")] {
        assert!(verify_claims(&supabase, &changed("role", role)).is_ok());
    }
}

#[test]
fn open_webui_tokens_must_be_sessions() {
    let sessions = Issuer {
        issuer: None,
        algorithms: vec![HS256],
        user_claim: "id".into(),
        session_claim: Some("jti".into()),
        token_rules: TokenRules::OpenWebUiSession,
        ..issuer()
    };
    let (signer, keys) = (Signer::secret(SECRET.as_bytes()), KeySet::from_secret(&Secret::new(SECRET)));
    let good = json!({"id": "u-1", "jti": "j-1", "typ": "session", "exp": NOW + 60});
    let of = |claims: &Value| verify(signer.token(claims).as_bytes(), &sessions, &keys, NOW);
    assert_eq!(of(&good), Ok(Verified { user: "u-1".into(), session: Some("j-1".into()), expires: NOW + 65 }));
    for typ in [Value::Null, json!("access"), json!("Session"), json!(1), json!(["session"])] {
        assert_refused(of(&changed_in(good.clone(), "typ", typ)), "(typ)");
    }
    assert_refused(of(&changed_in(good.clone(), "exp", Value::Null)), "no exp");
    let stranger = Signer::secret(b"another shared secret").token(&good);
    assert_eq!(verify(stranger.as_bytes(), &sessions, &keys, NOW), Err(TokenError::Signature));
}

#[test]
fn aws_tokens_may_be_padded_and_must_name_the_signer() {
    const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/ours/50dc6c495c0c9188";
    let alb = Issuer { token_rules: TokenRules::AwsAlb { signer: ARN.into() }, padded: true, ..issuer() };
    let header = changed_in(P256.header(), "signer", ARN.into());
    // Lengths with no, one and two padding characters; a signature of 64 bytes has two.
    for filler in ["", "x", "xx"] {
        let claims = changed("email", filler.into());
        let encode = |part: &Value| BASE64URL.encode(part.to_string().as_bytes());
        let padded = P256.sign_encoded(&format!("{}.{}", encode(&header), encode(&claims))) + "==";
        assert_eq!(verify(padded.as_bytes(), &alb, &keys(), NOW).unwrap().user, "user_1", "{padded}");
        assert!(verify(P256.sign(&header, &claims).as_bytes(), &alb, &keys(), NOW).is_ok(), "unpadded");
        let strict = verify(padded.as_bytes(), &issuer(), &keys(), NOW);
        assert!(matches!(strict, Err(TokenError::Malformed | TokenError::Signature)), "{strict:?}");
        let doubly = padded.replace('.', "=.");
        assert_eq!(verify(doubly.as_bytes(), &alb, &keys(), NOW), Err(TokenError::Signature));
    }
    for signer in [Value::Null, json!(format!("{ARN}0")), json!(""), json!([ARN]), json!({"arn": ARN})] {
        let token = P256.sign(&changed_in(header.clone(), "signer", signer), &claims());
        assert_refused(verify(token.as_bytes(), &alb, &keys(), NOW), "(signer)");
    }
    // A claim does not replace the header.
    let token = P256.token(&changed("signer", ARN.into()));
    assert_refused(verify(token.as_bytes(), &alb, &keys(), NOW), "(signer)");
}
