use callsign_core::endpoint::Endpoint;
use http::Request;

use super::*;

fn account(name: &'static str) -> Arc<Account> {
    Arc::new(Account::new(None, HeaderValue::from_static(name)))
}

fn key(account: Option<&Arc<Account>>, target: &str, accept: Option<&str>) -> Option<ListKey> {
    let mut request = Request::get(target);
    if let Some(accept) = accept {
        request = request.header(ACCEPT, accept);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    match Endpoint::find(&Method::GET, parts.uri.path(), false, false) {
        Ok(Endpoint::Read(path)) => ListKey::of(account, &path, &parts),
        other => panic!("{target}: {other:?}"),
    }
}

fn put(catalogue: &Arc<Catalogue>, key: &ListKey, body: &[u8]) {
    let mut copy = catalogue.copy(key.clone(), StatusCode::OK, &HeaderMap::new()).unwrap();
    assert!(copy.push(body));
    copy.finish();
}

fn body(catalogue: &Catalogue, key: &ListKey) -> Option<Bytes> {
    catalogue.look_up(key, &Method::GET).map(Response::into_body)
}

#[test]
fn a_key_is_account_path_query_and_accept() {
    let (a, b) = (account("a"), account("b"));
    let base = key(Some(&a), "/v1/models", None).unwrap();
    assert_eq!(key(Some(&a), "/api/v1/models", None).as_ref(), Some(&base));
    assert_eq!(key(Some(&a), "/v1/models/user", None).as_ref(), Some(&base));
    for other in [
        key(Some(&b), "/v1/models", None),
        key(Some(&a), "/v1/providers", None),
        key(Some(&a), "/v1/models?x=1", None),
        key(Some(&a), "/v1/models", Some("application/rss+xml")),
    ] {
        assert!(other.is_some_and(|other| other != base));
    }
    for uncached in ["/v1/models/a/b/endpoints", "/v1/tools/x", "/v1/model/a/b", "/v1/models/a%2Fb"] {
        assert_eq!(key(Some(&a), uncached, None), None, "{uncached}");
    }
    assert_eq!(key(None, "/v1/models", None), None, "a caller's own key");
    assert_eq!(key(Some(&a), &format!("/v1/models?{}", "x".repeat(LONGEST_KEY + 1)), None), None);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_served_for_a_minute() {
    let catalogue = Arc::new(Catalogue::default());
    let key = key(Some(&account("a")), "/v1/models", None).unwrap();
    assert_eq!(body(&catalogue, &key), None);
    put(&catalogue, &key, b"list");
    tokio::time::advance(Duration::from_secs(59)).await;
    let answer = catalogue.look_up(&key, &Method::HEAD).unwrap();
    assert_eq!(
        (&answer.headers()["age"], &answer.headers()["content-length"]),
        (&"59".parse().unwrap(), &"4".parse().unwrap())
    );
    assert!(answer.body().is_empty());
    assert_eq!(body(&catalogue, &key).unwrap(), "list");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(body(&catalogue, &key), None);
    put(&catalogue, &key, b"new");
    catalogue.clear();
    assert_eq!(body(&catalogue, &key), None);
}

#[test]
fn only_whole_answers_of_200_are_copied_and_few_at_a_time() {
    let catalogue = Arc::new(Catalogue::default());
    let account = account("a");
    let keys: Vec<_> = (0..6).map(|n| key(Some(&account), &format!("/v1/models?n={n}"), None).unwrap()).collect();
    let copy = |n: usize, status| catalogue.copy(keys[n].clone(), status, &HeaderMap::new());
    assert!(copy(0, StatusCode::PARTIAL_CONTENT).is_none() && copy(0, StatusCode::NOT_FOUND).is_none());
    let varies = HeaderMap::from_iter([(VARY, HeaderValue::from_static("*"))]);
    assert!(catalogue.copy(keys[0].clone(), StatusCode::OK, &varies).is_none());
    let mut copies: Vec<_> = (0..4).map(|n| copy(n, StatusCode::OK).unwrap()).collect();
    assert!(copy(4, StatusCode::OK).is_none() && copy(0, StatusCode::OK).is_none());
    assert!(copies[0].push(b"half"));
    drop(copies);
    assert_eq!(body(&catalogue, &keys[0]), None, "a list that broke off");
    let mut long = copy(0, StatusCode::OK).unwrap();
    assert!(long.push(&vec![0; LONGEST_LIST]) && !long.push(b"x"));
}

#[test]
fn all_lists_together_are_bounded() {
    let catalogue = Arc::new(Catalogue::default());
    let account = account("a");
    let list = vec![0; LONGEST_LIST];
    for n in 0..10 {
        put(&catalogue, &key(Some(&account), &format!("/v1/models?n={n}"), None).unwrap(), &list);
        let lists = catalogue.0.lock();
        assert!(lists.bytes <= ALL_LISTS);
        assert_eq!(lists.bytes, lists.entries.values().map(List::size).sum::<usize>());
    }
    let newest = key(Some(&account), "/v1/models?n=9", None).unwrap();
    assert!(body(&catalogue, &newest).is_some());
    assert_eq!(catalogue.0.lock().entries.len(), 3);
    for n in 0..2 * MOST_LISTS {
        put(&catalogue, &key(Some(&account), &format!("/v1/models?n={n}"), None).unwrap(), b"{}");
    }
    assert_eq!(catalogue.0.lock().entries.len(), MOST_LISTS);
}
