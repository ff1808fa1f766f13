use std::hash::RandomState;

use callsign_core::fair_pool::FairPool;
use callsign_core::rewrite::ReservedFields;
use callsign_core::rewrite::outer::RequestedModel;
use http_body_util::BodyExt;

use super::*;

fn body(text: &'static str) -> RequestBody {
    let filter = Filter::new(Arc::new(ReservedFields::new(["user"], None)), String::new());
    let upload = Upload::from(Bytes::from_static(text.as_bytes()));
    RequestBody::new(upload, Rewriter::Json(Box::new(filter)), 1024, BodyCheck::none(), None)
}

fn model(outer: Option<&OuterMembers>) -> Option<RequestedModel<'_>> {
    outer.and_then(OuterMembers::requested_model)
}

#[tokio::test]
async fn a_buffered_body_has_its_outer_members_at_once() {
    let mut body = body(r#"{"model":"a/b","user":"u"}"#);
    assert!(body.outer().is_none(), "nothing was read");
    body.buffer(1024, FairPool::new(1024, RandomState::new()).share("ada", 512)).await.unwrap();
    assert_eq!(model(body.outer()), Some(RequestedModel::Name("a/b")));
    assert!(body.stream().is_none());
    assert!(RequestBody::empty().outer().is_none());
}

#[tokio::test]
async fn a_streaming_body_has_its_outer_members_at_its_end() {
    let mut whole = body(r#"{"model":"a/b","user":"u"}"#);
    let handle = whole.stream().unwrap();
    assert!(handle.state.outer().is_none(), "nothing was read");
    whole.collect().await.unwrap();
    assert_eq!(model(handle.state.outer()), Some(RequestedModel::Name("a/b")));

    let mut broken = body(r#"{"model":"a/b","#);
    let handle = broken.stream().unwrap();
    assert!(broken.collect().await.is_err());
    assert!(handle.state.outer().is_none() && handle.state.error().is_some(), "an invalid body has none");
}
